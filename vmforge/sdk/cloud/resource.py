"""A thing in a cloud that a build makes, as a resource of its steps."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from types import TracebackType
from typing import Generic, TypeVar

from vmforge.errors import Interrupted
from vmforge.sdk.cloud.waiting import delete_quietly
from vmforge.sdk.steps import Steps

T = TypeVar("T")


class Resource(Generic[T]):
    """Something that exists from `create` until the build ends.

    `title` is the step's ("Launching the instance"), `kind` what the platform calls it. `create` makes it and
    returns what `delete` takes to delete it, without waiting until it is of use: `ready` does that, once it
    is sure to be deleted. A `product` stays when the build succeeds: it is what the build is for.

    When the answer to `create` is lost, the cloud may have made the thing all the same: a failed build looks
    for what carries its mark (`Cloud.leftovers`).
    """

    def __init__(
        self,
        title: str,
        kind: str,
        create: Callable[[], T],
        delete: Callable[[T], object],
        *,
        ready: Callable[[T], object] | None = None,
        product: bool = False,
        quiet: bool = False,
    ) -> None:
        self.title, self.kind, self.quiet = title, kind, quiet
        self._create, self._delete, self._ready = create, delete, ready
        self._product = product
        self._made: list[T] = []

    def __enter__(self) -> T:
        made = self._create()
        self._made.append(made)
        try:
            if self._ready is not None:
                self._ready(made)
        except Interrupted:
            raise  # a flag that ends waits ends deletions too: see `make`
        except BaseException:
            self._discard()
            raise
        return made

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._product or kind is not None:
            self._discard()

    def keep(self) -> str:
        """What `-on-error=abort` leaves."""
        return f"the {self.kind} `{self._made[-1]}`" if self._made else ""

    def _discard(self) -> None:
        while self._made:
            delete_quietly(partial(self._delete, self._made[-1]))
            self._made.pop()


def make(steps: Steps, resource: Resource[T]) -> T:
    """Make a resource as a step. What exists of it when the build is interrupted before it is of use is
    deleted with the rest, once deleting works again."""
    steps.enter(resource.title, _Begun(resource), quiet=True)
    return steps.enter(resource.title, resource, quiet=resource.quiet)


class _Begun:
    """A resource that is held from before it is made."""

    def __init__(self, resource: Resource[T]) -> None:
        self._resource = resource

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._resource.__exit__(kind, error, trace)
