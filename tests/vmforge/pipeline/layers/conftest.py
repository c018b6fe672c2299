"""Builds whose machine is a file, with real layers in a real store."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import pytest

from vmforge.cache import Store
from vmforge.cache.layers import LayerStore
from vmforge.diagnostics import SourceRange
from vmforge.errors import HostError
from vmforge.pipeline.layers.build_layers import BuildLayers, Enough
from vmforge.pipeline.layers.fingerprints import Fingerprints, local_key
from vmforge.pipeline.layers.policy import LayerWishes
from vmforge.pipeline.plan import PlannedBuild, PlannedProvisioner
from vmforge.pipeline.provisioning import Provisioning
from vmforge.sdk import Artifact, BuildContext, Builder, Config, Machine, Provisioner, option
from vmforge.sdk.body import Body
from vmforge.sdk.communicator import Communicator
from vmforge.sdk.interpolate import interpolator
from vmforge.sdk.layers import Beginning, Inputs, LayerPolicy
from vmforge.sdk.testing import FakeCommunicator, FakeConnector, RecordingUi, fake_context
from vmforge.sdk.values import Secret
from vmforge.template import Evaluated, ProvisionerBlock, RuntimeScope


@dataclass(frozen=True, kw_only=True)
class HostConfig(Config):
    memory: int = option(512, help="the machine's memory")
    layers: LayerPolicy = option(LayerPolicy.ALL, help="what to keep", affects_image=False)


class HostBuilder(Builder[HostConfig]):
    config_type: ClassVar[type[Config]] = HostConfig

    def build(self, context: BuildContext) -> Artifact | None:
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class LoginConfig(Config):
    user: str = option("root", help="who provisioners run as")
    port: int = option(22, help="where it listens", affects_image=False)
    password: Secret | None = option(None, help="what they log in with")


@dataclass(frozen=True, kw_only=True)
class WriteConfig(Config):
    text: str = option("", help="what to write")
    fails: bool = option(False, help="fail after it")
    local: bool = option(False, help="do it outside the guest")
    host: str = option("", help="a value of the run")
    files: tuple[str, ...] = option((), help="files that it reads")


class Write(Provisioner[WriteConfig]):
    """Writes to the machine's disk."""

    config_type: ClassVar[type[Config]] = WriteConfig

    def input_files(self) -> Iterable[Path]:
        return tuple(Path(name) for name in self.config.files)

    @property
    def cacheable(self) -> bool:
        return not self.config.local

    def provision(self, context: BuildContext, machine: Machine) -> None:
        assert isinstance(machine, Guest)
        machine.run(self.config.text)
        if self.config.fails:
            raise HostError(f"{self.config.text} failed")


@dataclass
class Guest:
    """A machine whose disk is a file with the names of the steps that it has seen."""

    disk: Path
    world: World
    ran: list[str] = field(default_factory=list)
    communicator: Communicator = field(default_factory=lambda: FakeCommunicator(Path()))

    def run(self, step: str) -> None:
        self.world.before_step(step)
        with self.disk.open("a") as file:
            file.write(f"{step} ")
        self.ran.append(step)

    def freeze(self, layer: Path, onward: Path) -> tuple[str, ...]:
        """As `FreezableMachine` says; the new disk holds all of the old one."""
        assert self.disk.parent == layer
        self.world.before_freeze()
        (layer / "memory").write_bytes(b"memory of " + self.disk.read_bytes())
        after = onward / self.disk.name
        after.write_bytes(self.disk.read_bytes())
        self.disk = after
        return (after.name,)


@dataclass(frozen=True)
class Built:
    """How a build went: what ran, what is on the disk, what was said."""

    ran: list[str]
    disk: str
    ui: RecordingUi
    stopped: str = ""


def step(text: str, *, name: str = "", **values: Any) -> PlannedProvisioner:
    """A provisioner that writes a text; what the block has besides starts with `block_`."""
    block = {name[6:]: values.pop(name) for name in list(values) if name.startswith("block_")}

    def evaluate(scope: RuntimeScope) -> Evaluated:
        given = {name: value(scope) if callable(value) else value for name, value in values.items()}
        return Evaluated(Body.of({"text": text, **given}), [])

    place = SourceRange.whole("test.pkr.hcl")
    return PlannedProvisioner(ProvisionerBlock("write", name, place, evaluate, **block), Write)


def steps(texts: str) -> list[PlannedProvisioner]:
    return [step(text) for text in texts.split()]


@dataclass
class World:
    """One user's machine: a store, and what happens in guests."""

    folder: Path
    limit: int = 10**12
    before_step: Callable[[str], None] = lambda step: None
    before_freeze: Callable[[], None] = lambda: None
    inputs: Inputs = field(default_factory=lambda: {"the ISO": "tiny"})

    def __post_init__(self) -> None:
        self.shared = Store(self.folder / "cache")
        self.store = LayerStore(self.shared)

    def layers(
        self, provisioners: Iterable[PlannedProvisioner], *, name: str = "base", **wished: Any
    ) -> BuildLayers:
        connector = FakeConnector()
        connector.config = LoginConfig(**wished.pop("login", {}))
        planned = PlannedBuild(
            name=name,
            local_name=name,
            full_name=f"test.{name}",
            type="test",
            builder=HostBuilder(HostConfig(memory=wished.pop("memory", 512))),
            connector=connector,
            provisioners=tuple(provisioners),
            error_cleanup=None,
            chains=(),
            interpolator=interpolator(),
            secrets=frozenset(),
        )
        scratch = self.folder / "template"
        scratch.mkdir(exist_ok=True)
        policy = wished.pop("policy", LayerPolicy.ALL)
        context = fake_context(scratch, full_name=planned.full_name, data={"Password": "of the guest"})
        prints = Fingerprints(self.shared.digests, scratch, local_key(self.shared.root))
        wishes = LayerWishes(**wished)
        layers = BuildLayers(planned, context, self.store, prints, policy, wishes, self.limit)
        layers.context = replace(context, layers=layers)
        return layers

    def build(self, provisioners: Iterable[PlannedProvisioner], **wished: Any) -> Built:
        """Build as the `qemu` builder does."""
        return run(self.layers(provisioners, **wished), self)

    def kept(self) -> list[str]:
        """The steps of all layers, the oldest first."""
        return [layer.step for layer in sorted(self.store.layers(), key=lambda layer: layer.created)]


def run(layers: BuildLayers, world: World) -> Built:
    ui = layers.context.ui
    assert isinstance(ui, RecordingUi)
    guests: list[Guest] = []
    with layers:
        try:
            _run(layers, layers.begin(world.inputs), world, guests)
        except Enough as reason:
            return Built(guests[0].ran if guests else [], "", ui, str(reason))
        return Built(guests[0].ran, guests[0].disk.read_text().strip(), ui)


def _run(layers: BuildLayers, beginning: Beginning | None, world: World, guests: list[Guest]) -> None:
    folder = beginning.folder if beginning is not None else layers.context.scratch
    guest = Guest(folder / "disk-0.qcow2", world)
    guests.append(guest)
    if beginning is None or beginning.frozen is None:
        guest.run("install")
        if beginning is not None:
            layers.cut(guest)
    else:
        frozen = beginning.frozen
        assert frozen.open_memory is not None
        with frozen.open_memory() as memory:
            assert memory.read() == b"memory of " + frozen.disks[0].read_bytes()
        guest.disk.write_bytes(frozen.disks[0].read_bytes())
    Provisioning(layers.planned, layers).run(layers.context, guest)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)
