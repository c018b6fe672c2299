"""The contract of a cloud, and the builder that builds in one; recipe.py is what they have in common.

Everything that a build makes carries its `RunMark`. What a killed build left is deleted by the next one of
this machine at the same place, or by `vmforge cleanup --cloud`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Generic

from vmforge.sdk.artifact import Artifact
from vmforge.sdk.builder import Builder
from vmforge.sdk.cloud.resource import Resource
from vmforge.sdk.communicator import Endpoint
from vmforge.sdk.component import C
from vmforge.sdk.context import BuildContext
from vmforge.sdk.leftovers import Leftover
from vmforge.sdk.mark import RunMark


class Cloud(ABC):
    """What a build does in a cloud, step by step, in this order; one object for each build.

    It holds the client and what was found out. Making it must be cheap and ask nobody. Its calls raise
    `CloudError`, and `Interrupted` as soon as `context.cancellation` is set; once the build ends that is
    taken back, so that deleting works.
    """

    def __init__(self, context: BuildContext, mark: RunMark) -> None:
        self.context = context
        self.mark = mark

    @property
    @abstractmethod
    def place(self) -> str:
        """Which account and region this is, as far as the configuration tells ("amazon in eu-west-1"): what
        a killed build left is looked for there, and nowhere else."""

    @abstractmethod
    def examine(self) -> None:
        """Log in; find the source image, the network, ...; refuse what cannot work (a name that is taken),
        before anything is made."""

    def prepare(self) -> Iterable[Resource[Any]]:
        """What the instance needs: key pair, firewall. Each is made before the next is asked for. The public
        key to let in is `context.data["SSHPublicKey"]`, empty for logins by password or agent."""
        return ()

    @abstractmethod
    def launch(self) -> Resource[str]:
        """The instance, whose id becomes `build.ID`; `ready` waits until it runs."""

    def reach(self) -> Iterable[Resource[Any]]:
        """What it takes to reach it: an address, a tunnel, a password."""
        return ()

    @abstractmethod
    def endpoint(self) -> Endpoint:
        """Where the guest listens; see `Connector.connect` for what it raises."""

    def console(self) -> str:
        """What the guest has written to its console, for the user to see why it cannot be reached; `""` where
        the cloud does not tell."""
        return ""

    @abstractmethod
    def stop(self) -> None:
        """Stop the provisioned instance, and wait until it has stopped."""

    @abstractmethod
    def capture(self) -> Iterable[Resource[Any]]:
        """Make the images, copies included: products, which stay when the build succeeds. None are made of a
        build that is only to be tried."""

    @abstractmethod
    def finish(self) -> Artifact | None:
        """Name, tag and share what was made."""

    @abstractmethod
    def leftovers(self) -> Iterable[Leftover]:
        """Everything at this place that carries anyone's mark, apart from finished images, in the order in
        which it can be deleted. Logs in by itself."""

    def close(self) -> None:
        """Close connections."""
        return


class CloudBuilder(Builder[C], ABC, Generic[C]):
    """A builder whose machine is an instance in a cloud."""

    @abstractmethod
    def open(self, context: BuildContext, mark: RunMark) -> Cloud:
        """The cloud of one build."""

    def build(self, context: BuildContext) -> Artifact | None:
        from vmforge.sdk.cloud.recipe import build

        return build(self.open, context)

    def leftovers(self, context: BuildContext) -> Iterable[Leftover]:
        cloud = self.open(context, RunMark.of(context))
        try:
            return list(cloud.leftovers())
        finally:
            cloud.close()


@dataclass(frozen=True)
class CloudArtifact:
    """Images in a cloud. `delete` deletes them, where that is possible."""

    builder_id: str
    id: str
    description: str
    delete: Callable[[], None] = lambda: None
    state: Mapping[str, object] = field(default_factory=dict)
    files: ClassVar[tuple[Path, ...]] = ()

    def __str__(self) -> str:
        return self.description

    def destroy(self) -> None:
        self.delete()
