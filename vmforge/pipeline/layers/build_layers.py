"""The layers of one running build: where it begins, and what it keeps.

Builds that need the same layer make it once: the lock of a key is held from before its step begins until
the layer is there, and who wants the layer waits for the lock. Locks are passed on hand over hand, so
that builds with the same steps follow the first one as far as they agree.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from types import TracebackType

from vmforge.cache import KeyLock
from vmforge.cache.durable import write_record
from vmforge.cache.layers import VALUES, Hold, Layer, LayerFolder, LayerStore, new_layer
from vmforge.errors import HostError, Interrupted, VmforgeError
from vmforge.pipeline.layers.chain import Link, link
from vmforge.pipeline.layers.explain import Verdict, judge
from vmforge.pipeline.layers.fingerprints import Fingerprints
from vmforge.pipeline.layers.policy import LayerWishes
from vmforge.pipeline.layers.steps import install_step, provisioner_steps
from vmforge.pipeline.plan import PlannedBuild
from vmforge.sdk.cancellation import Cancellation
from vmforge.sdk.context import BuildContext, Machine
from vmforge.sdk.layers import Beginning, FreezableMachine, FrozenMachine, Inputs, LayerPolicy
from vmforge.sdk.values import format_seconds

# How much less urgent sealing is than the guest, on nice's scale.
_NICE = 10


class Enough(Exception):
    """Ends a build that was asked to go on only until a step; no error, so nothing is asked or retried."""


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
    _links: tuple[Link, ...] = field(default=(), init=False)
    _begun_after: int = field(default=-1, init=False)
    _parent: Layer | None = field(default=None, init=False)
    _folder: LayerFolder | None = field(default=None, init=False)
    _made: list[LayerFolder] = field(default_factory=list, init=False)
    _hold: Hold | None = field(default=None, init=False)
    _lock: KeyLock | None = field(default=None, init=False)
    _sealing: list[Future[None]] = field(default_factory=list, init=False)
    _pool: ThreadPoolExecutor | None = field(default=None, init=False)
    _stop_sealing: Cancellation = field(default_factory=Cancellation, init=False)

    # -- the contract ---------------------------------------------------------------------------

    def begin(self, inputs: Inputs) -> Beginning | None:
        """See `sdk.layers.Layers`. Raises `VmforgeError` when `--from-layer` names no layer."""
        if self.policy is LayerPolicy.OFF:
            return None
        self._links = self.links(inputs)
        self.store.sweep()
        self._begun_after, layer = self._settle()
        self._folder = self.store.begin()
        self._parent = layer
        if layer is None:
            return Beginning(self._folder.path)
        self.context.ui.message(self._how_it_begins())
        for part in self.store.chain(layer):
            if not part.sealed:
                self._seal(part)
        self._check_enough(self._begun_after)
        return Beginning(self._folder.path, self._frozen(layer))

    def cut(self, machine: FreezableMachine) -> None:
        """See `sdk.layers.Layers`."""
        self._keep(0, machine)
        self._check_enough(0)

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
        self._check_enough(position)

    def links(self, inputs: Inputs) -> tuple[Link, ...]:
        steps = [
            install_step(self.planned, inputs, self.fingerprints),
            *provisioner_steps(self.planned, self.fingerprints),
        ]
        return link(steps)

    def explain(self, inputs: Inputs) -> list[Verdict]:
        """What `begin` would do, and why; starts and makes nothing."""
        self._links = self.links(inputs)
        begun_after, _ = self._deepest()
        return judge(self._links, begun_after, self._noted, self._age_problem)

    # -- as a resource --------------------------------------------------------------------------

    def __enter__(self) -> BuildLayers:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None and not isinstance(error, Enough):
            # what is not sealed is good all the same, and the next run seals it
            self._stop_sealing.cancel()
        if self._pool is not None:
            self._pool.shutdown(wait=True)
        self._release_lock()
        for folder in (self._folder, *self._made):
            if folder is not None:
                folder.close()
        if self._hold is not None:
            self._hold.__exit__(None, None, None)
        self.store.prune(self.limit)

    def keep(self) -> str:
        """Leave the disks to the user, whose machine lives on (`-on-error=abort`)."""
        if self._folder is None:
            return ""
        self._folder.keep()
        return f"the machine's disks in `{self._folder.path}`"

    def _how_it_begins(self) -> str:
        following = self._begun_after + 1
        text = f"going on after {self._links[self._begun_after].step.name}"
        verdicts = judge(self._links, self._begun_after, self._noted, self._age_problem)
        if following < len(verdicts) and verdicts[following].why:
            text += f" ({verdicts[following].step}: {verdicts[following].why})"
        return text

    # -- where to begin -------------------------------------------------------------------------

    def _settle(self) -> tuple[int, Layer | None]:
        """The deepest layer that there is, once nobody is making a deeper one that this build needs; the
        lock of the next one is then held."""
        while True:
            index, layer = self._wanted()
            following = self._next_due(index + 1)
            if following is not None:
                self._lock = self._key_lock(following)
                self._lock.__enter__()
                if self._wanted()[0] > index:
                    self._release_lock()
                    continue
            if layer is None:
                return index, None
            self._hold = self.store.hold(layer)
            if self._hold is not None:
                return index, layer
            self._release_lock()  # it was being deleted

    def _wanted(self) -> tuple[int, Layer | None]:
        if self.wishes.begin_at:
            return self._named()
        return (-1, None) if self.wishes.rebuild else self._deepest()

    def _named(self) -> tuple[int, Layer]:
        """The layer that `--from-layer` names. Raises `VmforgeError` when there is none."""
        index = self._index_of(self.wishes.begin_at, "-from-layer")
        layer = self._find(self._links[index].key) if self._links[index].key else None
        if layer is None:
            name = self._links[index].step.name
            hint = "`vmforge build -explain` tells which layers there are, and why others are not"
            raise VmforgeError(f"there is no layer after {name}", hint=hint)
        return index, layer

    def _deepest(self) -> tuple[int, Layer | None]:
        for index in range(len(self._links) - 1, -1, -1):
            key = self._links[index].key
            layer = self._find(key) if key else None
            if layer is not None and not self._outlived(index, layer):
                return index, layer
        return -1, None

    def _find(self, key: str) -> Layer | None:
        def tell(layer: Layer, damage: str) -> None:
            self.context.ui.warn(f"the layer after {layer.step} is damaged ({damage}) and is made again")

        return self.store.find(key, tell)

    def _outlived(self, index: int, layer: Layer) -> str:
        """Which step's `cache_ttl` has passed since its layer, or the next one above it, was made."""
        by_key = {part.key: part for part in self.store.chain(layer)}
        made: float | None = None
        for position in range(index, -1, -1):
            step = self._links[position].step
            part = by_key.get(self._links[position].key)
            made = part.created if part is not None else made
            if step.ttl is not None and made is not None and time.time() - made > step.ttl.seconds:
                return step.name
        return ""

    def _age_problem(self, index: int) -> str:
        layer = self._find(self._links[index].key) if self._links[index].key else None
        outlived = self._outlived(index, layer) if layer is not None else ""
        return f"the `cache_ttl` of {outlived} has passed" if outlived else ""

    def _noted(self, name: str) -> dict[str, str] | None:
        return self.store.noted_inputs(self._build_id, name)

    @property
    def _build_id(self) -> str:
        return f"{self.context.template_dir.absolute()}:{self.planned.full_name}"

    def _index_of(self, wanted: str, flag: str) -> int:
        return find_step([link.step.name for link in self._links], wanted, flag)

    def _frozen(self, layer: Layer) -> FrozenMachine:
        disks = tuple(layer.folder / name for name in layer.disks)
        return FrozenMachine(layer.step, layer.folder, disks, layer.open_memory, layer.values())

    # -- what to keep ---------------------------------------------------------------------------

    def _next_due(self, start: int) -> int | None:
        """The next step after which a layer is to be made."""
        if not self.wishes.make:
            return None
        if self.policy is LayerPolicy.INSTALL:
            return 0 if start == 0 and self._links[0].key else None
        return next((i for i in range(start, len(self._links)) if self._links[i].key), None)

    def _keep(self, index: int, machine: FreezableMachine) -> None:
        if self._folder is None or self._lock is None or self._next_due(index) != index:
            return
        started = time.monotonic()
        onward = self.store.begin()
        try:
            disks = machine.freeze(self._folder.path, onward.path)
            layer = self._commit(self._folder, index, disks)
        except Interrupted:
            onward.close()
            raise
        except (VmforgeError, OSError) as error:
            onward.close()
            self._stop(str(error))
            return
        taken = format_seconds(time.monotonic() - started)
        self.context.ui.message(f"kept as a layer in {taken}")
        self._made.append(self._folder)
        self._folder, self._parent = onward, layer
        self._seal(layer)
        self._pass_on(index)

    def _commit(self, folder: LayerFolder, index: int, disks: tuple[str, ...]) -> Layer:
        step = self._links[index].step
        write_record(folder.path / VALUES, dict(self.context.data))
        made = new_layer(
            key=self._links[index].key,
            parent=self._parent,
            step=step.name,
            build=self.planned.full_name,
            template=str(self.context.template_dir.absolute()),
            disks=disks,
        )
        layer = self.store.commit(folder, replace(made, inputs=step.inputs))
        self.store.note_inputs(self._build_id, step.name, step.inputs)
        return layer

    def _pass_on(self, index: int) -> None:
        """Take the lock of the next layer before this one's is given up. If somebody else has it, that
        layer is being made already."""
        following = self._next_due(index + 1)
        held, self._lock = self._lock, None
        if following is not None:
            lock = self._key_lock(following)
            self._lock = lock if lock.acquire_now() else None
        if held is not None:
            held.release()

    def _stop(self, why: str) -> None:
        """Keep no more layers; the build itself goes on."""
        if self._lock is not None:
            self.context.ui.warn(f"no more layers are kept: {why}")
        self._release_lock()

    def _key_lock(self, index: int) -> KeyLock:
        name = self._links[index].step.name

        def tell(holder: str) -> None:
            who = "another build" if holder in ("", str(os.getpid())) else f"process {holder}"
            self.context.ui.message(f"waiting for {who}, which makes the same layer: {name}")

        return self.store.lock(self._links[index].key, self.context.cancellation, on_wait=tell)

    def _release_lock(self) -> None:
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def _check_enough(self, position: int) -> None:
        if self.wishes.until and position >= self._index_of(self.wishes.until, "-until"):
            raise Enough(f"stopped after {self._links[position].step.name}, as `-until` says")

    # -- in the background ----------------------------------------------------------------------

    def _seal(self, layer: Layer) -> None:
        if self._pool is None:
            self._pool = ThreadPoolExecutor(1, thread_name_prefix="layers", initializer=_be_nice)
        self._sealing.append(self._pool.submit(self._seal_quietly, layer))

    def _seal_quietly(self, layer: Layer) -> None:
        try:
            self.store.seal(layer, self._stop_sealing)
        except Interrupted:
            pass  # the next run does it
        except (HostError, OSError) as error:
            self.context.ui.warn(f"the layer after {layer.step} could not be sealed: {error}")


def find_step(names: Sequence[str], wanted: str, flag: str) -> int:
    """The position of a step in a list of names: by its name, its number, its type or its own name.
    Raises `VmforgeError`, listing them, when it is none or not the only one."""
    words = [{name, str(index), *name.replace("`", "").split()[1:]} for index, name in enumerate(names)]
    found = [index for index, own in enumerate(words) if wanted in own]
    if len(found) == 1:
        return found[0]
    problem = "is none of the steps" if not found else "names several steps"
    listed = ", ".join(f"{index} ({name})" for index, name in enumerate(names))
    raise VmforgeError(f"`{flag} {wanted}` {problem}", hint=f"the steps are {listed}")


def _be_nice() -> None:
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
