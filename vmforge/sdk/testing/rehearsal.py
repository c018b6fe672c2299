"""Runs a component's work in a folder of its own, and has it fail or be cancelled at a chosen place."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

from vmforge.errors import CommandFailed, VmforgeError
from vmforge.sdk.cancellation import Cancellation
from vmforge.sdk.communicator import Communicator, Connector
from vmforge.sdk.context import BuildContext, Machine
from vmforge.sdk.steps import Steps
from vmforge.sdk.testing.fakes import FakeConnector, RecordingUi, fake_context

T = TypeVar("T")

# Where provisioning counts as a step, though the builder does not make it one.
PROVISIONING: Final = "context.provision"


class InjectedFailure(VmforgeError):
    """The failure that a rehearsal makes."""


class Mishap(Enum):
    """What happens at a step."""

    BEFORE = "fails before its work"
    AFTER = "fails after its work"
    CANCEL = "is followed by a cancellation"


@dataclass(frozen=True)
class Injection:
    """A mishap at the step that comes as number `at`, from 0."""

    at: int
    mishap: Mishap


@dataclass
class Rehearsal(Generic[T]):
    """How one run went: what it returned or the error that ended it, and the steps that it came to."""

    ui: RecordingUi
    result: T | None = None
    error: BaseException | None = None
    titles: list[str] = field(default_factory=list)


@dataclass
class _Director:
    """Has the injected mishap happen, and counts the steps."""

    cancellation: Cancellation
    injection: Injection | None
    titles: list[str]

    def provision(self, work: Callable[[], None]) -> None:
        self.cancellation.check()
        self.around(PROVISIONING, work)

    def around(self, title: str, work: Callable[[], object]) -> object:
        self.titles.append(title)
        if self.injection is None or self.injection.at != len(self.titles) - 1:
            return work()
        mishap = self.injection.mishap
        if mishap is Mishap.BEFORE:
            raise _failure(title)
        result = work()
        if mishap is Mishap.AFTER:
            raise _failure(title)
        self.cancellation.cancel()
        return result


def _failure(title: str) -> VmforgeError:
    if title == PROVISIONING:  # as a provisioner's script would
        return CommandFailed("the rehearsal has provisioning fail", status=1)
    return InjectedFailure(f"the rehearsal has `{title}` fail")


def rehearse(
    work: Callable[[BuildContext], T],
    folder: Path,
    *,
    injection: Injection | None = None,
    communicator: Communicator | None = None,
    connector: Connector[Any] | None = None,
    provision: Callable[[Machine], None] = lambda machine: None,
) -> Rehearsal[T]:
    """Run `work` with `folder` as the current folder, release what it acquired, as the pipeline does."""
    ui, cancellation = RecordingUi(), Cancellation()
    run: Rehearsal[T] = Rehearsal(ui)
    director = _Director(cancellation, injection, run.titles)
    steps = Steps(ui, cancellation, director.around)
    with _scratch(folder) as scratch:
        context = fake_context(
            scratch,
            ui=ui,
            cancellation=cancellation,
            steps=steps,
            connector=connector or FakeConnector(communicator),
            template_dir=folder,
            provision=lambda machine: director.provision(lambda: provision(machine)),
        )
        with contextlib.chdir(folder):
            try:
                run.result = work(context)
            except BaseException as error:
                run.error = error
            steps.release(run.error)
    return run


@contextlib.contextmanager
def _scratch(folder: Path) -> Iterator[Path]:
    """A build's own folder, beside the current one, deleted with all that is in it as the pipeline does."""
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix="scratch-") as name:
        yield Path(name)


def outcome_faults(run: Rehearsal[Any], where: str) -> Iterator[str]:
    """What is wrong with the way that a run ended: a bug in place of a failure, or things not undone."""
    if isinstance(run.error, KeyboardInterrupt):
        raise run.error
    if run.error is not None and not isinstance(run.error, VmforgeError):
        yield f"raises `{type(run.error).__name__}: {run.error}`, no `VmforgeError`, {where}"
    for warning in run.ui.texts("warn"):
        if warning.startswith("could not undo"):
            yield f"{warning}, {where}"
