"""The layers of one running build: where it begins, and what it keeps.

Builds that need the same layer make it once: the lock of a key is held from before its step begins until
the layer is there, and who wants the layer waits for the lock. Locks are passed on hand over hand, so
that builds with the same steps follow the first one as far as they agree.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field, replace
from types import TracebackType

from vmforge.cache import KeyLock
from vmforge.cache.durable import write_record
from vmforge.cache.layers import VALUES, Hold, Layer, LayerFolder, LayerStore, new_layer
from vmforge.errors import Interrupted, VmforgeError
from vmforge.pipeline.layers.carried import Carried
from vmforge.pipeline.layers.chain import Link, link
from vmforge.pipeline.layers.explain import Verdict
from vmforge.pipeline.layers.fingerprints import Fingerprints
from vmforge.pipeline.layers.lookup import Lookup
from vmforge.pipeline.layers.policy import LayerWishes
from vmforge.pipeline.layers.sealing import Sealing
from vmforge.pipeline.layers.steps import host_traits, install_step, provisioner_steps
from vmforge.pipeline.plan import PlannedBuild
from vmforge.sdk.context import BuildContext, Machine
from vmforge.sdk.layers import Beginning, FreezableMachine, FrozenMachine, Inputs, LayerPolicy
from vmforge.sdk.values import format_seconds


class Enough(Exception):
    """Ends a build that was asked to go on only until a step; no error, so nothing is asked or retried."""


@dataclass(frozen=True, slots=True)
class _Claim:
    """The step whose layer this build is to make: nobody else makes it meanwhile."""

    index: int
    lock: KeyLock


@dataclass
class BuildLayers:
    """The layers of one build; see `sdk.layers.Layers`. A resource: held as long as the machine may use
    the files in it."""

    planned: PlannedBuild
    context: BuildContext
    store: LayerStore
    fingerprints: Fingerprints
    policy: LayerPolicy
    wishes: LayerWishes
    limit: int
    _lookup: Lookup = field(init=False)
    _sealing: Sealing = field(init=False)
    _begun_after: int = field(default=-1, init=False)
    _parent: Layer | None = field(default=None, init=False)
    _folder: LayerFolder | None = field(default=None, init=False)
    _frozen: list[LayerFolder] = field(default_factory=list, init=False)
    _hold: Hold | None = field(default=None, init=False)
    _claim: _Claim | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self._lookup = Lookup((), self.store, "", self.context.ui)
        self._sealing = Sealing(self.store, self.context.ui)

    # -- the contract ---------------------------------------------------------------------------

    def begin(self, inputs: Inputs) -> Beginning | None:
        """See `sdk.layers.Layers`. Raises `VmforgeError` when `-from-layer` names no layer, or `-until` a
        step after which none can be kept."""
        if self.policy is LayerPolicy.OFF:
            return None
        self._lookup = self.lookup(inputs)
        self._check_until()
        self.store.sweep()
        self._begun_after, layer = self._settle()
        self._folder = self.store.begin()
        self._parent = layer
        if layer is None:
            if reason := self._lookup.carried.why_not(0):
                self.context.ui.message(f"beginning at the start: {reason}")
            return Beginning(self._folder.path)
        self.context.ui.message(self._how_it_begins())
        for part in self.store.chain(layer):
            self._sealing.add(part)
        self._end_if_enough(self._begun_after)
        return Beginning(self._folder.path, _frozen_machine(layer))

    def cut(self, machine: FreezableMachine) -> None:
        """See `sdk.layers.Layers`."""
        self._keep(0, machine)
        self._end_if_enough(0)

    # -- for the pipeline -----------------------------------------------------------------------

    def stands_for(self, position: int) -> bool:
        """Whether the build began after the provisioner of this position (1 for the first)."""
        return position <= self._begun_after

    def after(self, position: int, machine: Machine, *, whole: bool) -> None:
        """A provisioner is done; `whole` unless it failed and the build goes on all the same."""
        if not whole:
            self._stop("a provisioner failed")
        elif isinstance(machine, FreezableMachine):
            self._keep(position, machine)
        self._end_if_enough(position)

    def links(self, inputs: Inputs, salt: bytes = b"") -> tuple[Link, ...]:
        """The build's steps and their keys; with a `salt`, those of layers in a bundle."""
        prints = replace(self.fingerprints, key=salt, portable=True) if salt else self.fingerprints
        return link([install_step(self.planned, inputs, prints), *provisioner_steps(self.planned, prints)])

    def lookup(self, inputs: Inputs) -> Lookup:
        """Finds the layers of the build, made here or brought by bundles."""
        brought = self.store.carried()
        chains = {salt: self.links(inputs, bytes.fromhex(salt)) for salt in {part.salt for part in brought}}
        of_name = [layer for layer in brought if layer.build == self.planned.full_name]
        host = {name: str(trait) for name, trait in host_traits(inputs).items()}
        build = f"{self.context.template_dir.absolute()}:{self.planned.full_name}"
        return Lookup(self.links(inputs), self.store, build, self.context.ui, Carried(of_name, chains, host))

    def explain(self, inputs: Inputs) -> list[Verdict]:
        """What `begin` would do, and why; starts and makes nothing."""
        self._lookup = self.lookup(inputs)
        return self._lookup.verdicts(self._wanted()[0])

    # -- as a resource --------------------------------------------------------------------------

    def __enter__(self) -> BuildLayers:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._sealing.finish(at_once=error is not None and not isinstance(error, Enough))
        self._give_up_claim()
        for folder in self._folders():
            folder.close()
        if self._hold is not None:
            self._hold.close()
        self.store.prune(self.limit)

    def keep(self) -> str:
        """Leave the disks to the user, whose machine lives on (`-on-error=abort`)."""
        for folder in self._folders():
            folder.keep(self._parent)
        return f"the machine's disks in `{self._folder.path}`" if self._folder is not None else ""

    def _folders(self) -> list[LayerFolder]:
        return [*self._frozen, *([self._folder] if self._folder is not None else [])]

    # -- where to begin -------------------------------------------------------------------------

    def _settle(self) -> tuple[int, Layer | None]:
        """The deepest layer that there is, once nobody is making a deeper one that this build needs; the
        next one is then this build's to make."""
        while True:
            index, layer = self._wanted()
            following = self._next_due(index + 1)
            if following is not None:
                self._claim = _Claim(following, self._lock(following).__enter__())
                if self._wanted_under_claim()[0] > index:
                    self._give_up_claim()
                    continue
            if layer is None:
                return index, None
            self._hold = self.store.hold(layer)
            if self._hold is not None:
                return index, layer
            self._give_up_claim()  # it was being deleted

    def _wanted(self) -> tuple[int, Layer | None]:
        if self.wishes.begin_at:
            return self._lookup.named(self.wishes.begin_at)
        return (-1, None) if self.wishes.rebuild else self._lookup.deepest()

    def _wanted_under_claim(self) -> tuple[int, Layer | None]:
        try:
            return self._wanted()
        except BaseException:
            self._give_up_claim()
            raise

    def _how_it_begins(self) -> str:
        following = self._begun_after + 1
        text = f"going on after {self._name(self._begun_after)}"
        verdicts = self._lookup.verdicts(self._begun_after)
        if following < len(verdicts) and verdicts[following].why:
            text += f" ({verdicts[following].step}: {verdicts[following].why})"
        return text

    # -- what to keep ---------------------------------------------------------------------------

    def _next_due(self, start: int) -> int | None:
        """The next step after which a layer is to be made."""
        if not self.wishes.make:
            return None
        links = self._lookup.links[:1] if self.policy is LayerPolicy.INSTALL else self._lookup.links
        return next((index for index in range(start, len(links)) if links[index].key), None)

    def _keep(self, index: int, machine: FreezableMachine) -> None:
        if self._folder is None or self._claim is None or self._claim.index != index:
            return
        started = time.monotonic()
        frozen, onward = self._folder, self.store.begin()
        try:
            disks = machine.freeze(frozen.path, onward.path)
        except (VmforgeError, OSError) as error:
            onward.close()
            if isinstance(error, Interrupted):
                raise
            self._stop(str(error))
            return
        # from here on the machine's disks are in both folders, whatever happens
        self._frozen.append(frozen)
        self._folder = onward
        try:
            self._commit(frozen, index, disks)
        except (VmforgeError, OSError) as error:
            self._stop(str(error))
            return
        self.context.ui.message(f"kept as a layer in {format_seconds(time.monotonic() - started)}")

    def _commit(self, folder: LayerFolder, index: int, disks: tuple[str, ...]) -> None:
        step = self._lookup.links[index].step
        write_record(folder.path / VALUES, self._public_values())
        made = new_layer(
            key=self._lookup.links[index].key,
            parent=self._parent,
            step=step.name,
            build=self.planned.full_name,
            template=str(self.context.template_dir.absolute()),
            disks=disks,
        )
        # before others can see the layer, so that none of them makes the next one meanwhile
        following = self._next_claim(index + 1)
        try:
            self._parent = self.store.commit(folder, replace(made, inputs=step.inputs))
        finally:
            self._give_up_claim()
            self._claim = following
        self.store.note_inputs(self._lookup.build, step.name, step.inputs)
        self._sealing.add(self._parent)

    def _public_values(self) -> dict[str, str]:
        """The build's values but for what the user keeps secret, which the next run is given anew. The key
        that was made for the guest stays, as nothing else lets anybody in."""
        own_key = self.context.data.get("SSHPrivateKey", "")
        made = own_key and not getattr(self.context.connector.config, "ssh_private_key_file", None)
        return {
            name: value
            for name, value in self.context.data.items()
            if (made and value == own_key) or self.context.hide(value) == value
        }

    def _next_claim(self, start: int) -> _Claim | None:
        """The next layer to make; one that another build is making already is left to that."""
        following = self._next_due(start)
        while following is not None:
            lock = self._lock(following)
            if lock.acquire_now():
                return _Claim(following, lock)
            following = self._next_due(following + 1)
        return None

    def _stop(self, why: str) -> None:
        """Keep no more layers; the build itself goes on. Raises `VmforgeError` if a layer is all that the
        user wants of it."""
        wanted = self._claim is not None
        self._give_up_claim()
        if self.wishes.until:
            raise VmforgeError(f"no layer can be kept: {why}")
        if wanted:
            self.context.ui.warn(f"no more layers are kept: {why}")

    def _lock(self, index: int) -> KeyLock:
        def tell(holder: str) -> None:
            who = "another build" if holder in ("", str(os.getpid())) else f"process {holder}"
            self.context.ui.message(f"waiting for {who}, which makes the same layer: {self._name(index)}")

        return self.store.lock(self._lookup.links[index].key, self.context.cancellation, on_wait=tell)

    def _give_up_claim(self) -> None:
        if self._claim is not None:
            self._claim.lock.release()
            self._claim = None

    # -- until where ----------------------------------------------------------------------------

    def _check_until(self) -> None:
        if not self.wishes.until:
            return
        index = self._lookup.position(self.wishes.until, "-until")
        if self._next_due(index) != index:
            hint = "`vmforge build -explain` tells for each step whether a layer can stand for it"
            raise VmforgeError(f"no layer is kept after {self._name(index)}", hint=hint)

    def _end_if_enough(self, position: int) -> None:
        wanted = self.wishes.until
        if wanted and position >= self._lookup.position(wanted, "-until"):
            raise Enough(f"stopped after {self._name(position)}, as `-until` says")

    def _name(self, index: int) -> str:
        return self._lookup.links[index].step.name


def _frozen_machine(layer: Layer) -> FrozenMachine:
    disks = tuple(layer.folder / name for name in layer.disks)
    open_memory = layer.open_memory if layer.has_memory else None
    return FrozenMachine(layer.step, layer.folder, disks, open_memory, layer.values())
