"""The contract of builders: what `source "TYPE" "name"` names."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Generic

from vmforge.errors import VmforgeError
from vmforge.sdk.artifact import Artifact
from vmforge.sdk.body import Body
from vmforge.sdk.component import C, Component
from vmforge.sdk.context import BuildContext, Machine
from vmforge.sdk.host import HostFinding
from vmforge.sdk.layers import Inputs
from vmforge.sdk.leftovers import Leftover
from vmforge.sdk.presets import Presets

if TYPE_CHECKING:
    from vmforge.sdk.interpolate import Interpolator


class Builder(Component[C], ABC, Generic[C]):
    """Makes a machine, has it provisioned, and leaves an artifact."""

    builder_id: ClassVar[str] = ""
    # Whether the source's body may hold a communicator's options, and `context.connector` is used.
    uses_communicator: ClassVar[bool] = True

    @classmethod
    def presets(cls, body: Body, engine: Interpolator) -> Presets:
        """What options of a source (`boot_config`, say) supply for those that it leaves out, also for its
        communicator's. Asked before `body` is decoded with `engine`; judged like `check`, by values alone."""
        return Presets()

    @abstractmethod
    def build(self, context: BuildContext) -> Artifact | None:
        """Run the build. Everything that it acquires it enters through `context.steps`, which
        releases it in reverse order when the build ends, however it ends. Calls
        `context.provision(machine)` once the guest can be reached."""

    def find_artifact(self, context: BuildContext) -> Artifact | None:
        """The artifact that an earlier build of this configuration left, to be post-processed again; None
        when there is none, or when artifacts cannot be found again."""
        return None

    def boot(self, context: BuildContext, artifact: Artifact, use: Callable[[Machine], None]) -> None:
        """Boot a finished artifact in a machine that is thrown away, and call `use` once the guest can be
        reached. Changes nothing of the artifact; acquires through `context.steps`."""
        hint = 'leave `on = "artifact"` out of the `test` provisioner'
        raise VmforgeError("this builder cannot boot what it made", hint=hint)

    def layer_inputs(self, context: BuildContext) -> Inputs | str:
        """What `build` would hand to `context.layers.begin`, found out without starting, fetching or
        changing anything; or why there are no layers, or why that cannot be told."""
        return "the builder keeps none"

    def leftovers(self, context: BuildContext) -> Iterable[Leftover]:
        """What builds with this configuration's account and place have made there that is no finished image,
        whoever's, in the order in which it can be deleted (`vmforge cleanup --cloud`). Raises `VmforgeError`
        when the platform does not tell."""
        return ()

    @classmethod
    def tools(cls, config: C) -> Mapping[str, str]:
        """The versions of the programs and libraries of this machine that decide what is built, by name;
        those that cannot be told are left out. Looks at this machine, and changes nothing."""
        return {}

    @classmethod
    def examine_host(cls, state_dir: Path) -> Iterable[HostFinding]:
        """Look at what this builder needs on the user's machine (`vmforge doctor`); changes nothing."""
        return ()
