"""A guest frozen and brought back: what belongs to its layer besides disks and memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

import pytest

from vmforge.builders.qemu.config import QemuConfig
from vmforge.builders.qemu.disks import Disks
from vmforge.builders.qemu.firmware import EFI_VARIABLES
from vmforge.builders.qemu.layering import LayeredGuest, bring_back, going_on, inputs, set_clock
from vmforge.errors import CommunicatorError, MachineError
from vmforge.hypervisor import disks as images
from vmforge.hypervisor.devices import Efi, Interface
from vmforge.hypervisor.domain import DomainSpec
from vmforge.hypervisor.machine import VirtualMachine
from vmforge.sdk import BuildContext, FrozenMachine, HostTrait, Size
from vmforge.sdk.testing import FakeCommunicator, RecordingUi

MakeConfig = Callable[..., QemuConfig]

MAC = "52:54:00:12:34:56"
SPEC = DomainSpec(
    "vmforge-0123456789ab",
    "6f1f3a52-2a58-4c43-9d5c-0f4b7d0c6c11",
    Size.parse("512M"),
    interfaces=(Interface(),),
)


@dataclass
class FakeMachine:
    """A machine that is frozen at once, and turns itself off when its button is pressed."""

    spec: DomainSpec
    unsaved: str = ""
    deaf: bool = False
    done: list[str] = field(default_factory=list)

    mac_addresses = (MAC,)

    def checkpoint(self, memory: Path, overlays: Sequence[Path], while_still: Callable[[], None]) -> None:
        if self.unsaved:
            raise MachineError(self.unsaved)
        while_still()
        memory.write_bytes(b"memory")
        self.done.append("frozen")

    def check(self) -> None:
        pass

    def power_button(self) -> None:
        self.done.append("button")

    def wait_off(self, seconds: float, cancellation: object) -> bool:
        return not self.deaf

    def boot_again(self, overlays: Sequence[Path]) -> None:
        self.done.append(f"booted from {overlays[0].parent.name}")


@dataclass
class Scene:
    """A guest with UEFI and two disks, in a folder of layers."""

    guest: LayeredGuest
    machine: FakeMachine
    layer: Path
    onward: Path
    ui: RecordingUi


@pytest.fixture
def scene(qemu: MakeConfig, context: BuildContext, tmp_path: Path) -> Scene:
    for folder in ("output", "layer", "onward"):
        (tmp_path / folder).mkdir()
    nvram = tmp_path / "output" / EFI_VARIABLES
    nvram.write_bytes(b"variables when the layer was made")
    machine = FakeMachine(replace(SPEC, firmware=Efi(tmp_path / "code", tmp_path / "template", nvram)))
    config = qemu(disk_size="1M", disk_additional_size=["2M"])
    disks = Disks.planned(config, context, Path("medium"), tmp_path / "output", "base")
    disks.work_in(tmp_path / "layer")
    disks.create()
    guest = LayeredGuest(
        FakeCommunicator(tmp_path), cast(VirtualMachine, machine), disks, context, time_scale=1.0
    )
    assert isinstance(context.ui, RecordingUi)
    return Scene(guest, machine, tmp_path / "layer", tmp_path / "onward", context.ui)


def backing(path: Path, context: BuildContext) -> Path | None:
    return images.info(path, context.cancellation).backing


def test_disks_memory_variables_and_addresses_belong_to_the_layer(
    scene: Scene, context: BuildContext
) -> None:
    assert scene.guest.freeze(scene.layer, scene.onward) == ("disk-0.qcow2", "disk-1.qcow2")
    names = {"disk-0.qcow2", "disk-1.qcow2", "memory", "mac-addresses", EFI_VARIABLES}
    assert {path.name for path in scene.layer.iterdir()} == names
    assert (scene.layer / EFI_VARIABLES).read_bytes() == b"variables when the layer was made"
    assert scene.guest.disks.in_use == tuple(scene.onward / f"disk-{n}.qcow2" for n in range(2))
    for path in scene.guest.disks.in_use:
        assert backing(path, context) is not None


def test_a_clone_has_variables_of_its_own(scene: Scene, context: BuildContext, tmp_path: Path) -> None:
    disks = tuple(scene.layer / name for name in scene.guest.freeze(scene.layer, scene.onward))
    (tmp_path / "clone").mkdir()
    frozen = FrozenMachine("install", scene.layer, disks, None, {"Password": "old", "Port": "22"})
    context.data["Port"] = "23"
    bring_back(frozen, tmp_path / "clone", context)
    assert (tmp_path / "clone" / EFI_VARIABLES).read_bytes() == b"variables when the layer was made"
    assert context.data["Password"] == "old"
    assert context.data["Port"] == "23", "what this run knows comes first"
    (tmp_path / "clone" / EFI_VARIABLES).write_bytes(b"changed")
    assert (scene.layer / EFI_VARIABLES).read_bytes() == b"variables when the layer was made"


def test_a_clone_keeps_the_addresses_of_its_network_cards(scene: Scene, tmp_path: Path) -> None:
    assert going_on(SPEC, None, tmp_path) == (SPEC, None)
    scene.guest.freeze(scene.layer, scene.onward)
    frozen = FrozenMachine("install", scene.layer, (), (scene.layer / "memory").open, {})  # type: ignore[arg-type]
    spec, saved = going_on(SPEC, frozen, tmp_path)
    assert [card.mac for card in spec.interfaces] == [MAC]
    assert saved is not None
    assert saved.scratch == tmp_path / "memory"


def test_a_machine_whose_memory_cannot_be_saved_is_kept_switched_off(scene: Scene) -> None:
    scene.machine.unsaved = "a device cannot be saved"
    for onward in (scene.onward, scene.onward.with_name("further")):
        onward.mkdir(exist_ok=True)
        scene.guest.freeze(scene.guest.disks.in_use[0].parent, onward)
    assert scene.machine.done == ["button", "booted from onward", "button", "booted from further"]
    assert not (scene.layer / "memory").exists()
    assert (scene.layer / EFI_VARIABLES).exists()
    assert len(scene.ui.texts("warn")) == 1, "it is said once"
    assert isinstance(scene.guest.communicator, FakeCommunicator)
    assert scene.guest.communicator.reconnects == 2


def test_a_guest_that_does_not_turn_itself_off(scene: Scene) -> None:
    before = scene.guest.disks.in_use
    scene.machine.unsaved, scene.machine.deaf = "a device cannot be saved", True
    with pytest.raises(MachineError, match="does not react to its power button"):
        scene.guest.freeze(scene.layer, scene.onward)
    assert scene.guest.disks.in_use == before


def test_the_clock_is_set(context: BuildContext, tmp_path: Path) -> None:
    assert isinstance(context.ui, RecordingUi)
    guest = FakeCommunicator(tmp_path)
    set_clock(context, guest)
    assert "date -u -s @" in guest.commands[0]
    assert context.ui.texts("warn") == []
    set_clock(context, FakeCommunicator(tmp_path, lambda command: (1, "")))
    assert "setting it takes root or sudo" in context.ui.texts("warn")[0]

    def lost(command: str) -> tuple[int, str]:
        raise CommunicatorError("the guest is gone")

    set_clock(context, FakeCommunicator(tmp_path, lost))
    assert context.ui.texts("warn")[1] == "the guest's clock could not be set: the guest is gone"


# -- the machine that builds -------------------------------------------------------------------


def emulator(folder: Path, says: str) -> Path:
    """A program that says something of its version."""
    folder.mkdir()
    program = folder / "qemu-system-x86_64"
    program.write_text(f"#!/bin/sh\necho '{says}'\necho 'Copyright (c) version 1'\n")
    program.chmod(0o755)
    return program


def test_one_package_of_qemu_is_the_same_wherever_it_is(qemu: MakeConfig, tmp_path: Path) -> None:
    def trait(folder: str, says: str) -> HostTrait:
        found = inputs(qemu(), "digest", "tcg", emulator(tmp_path / folder, says), None)["QEMU"]
        assert isinstance(found, HostTrait)
        return found

    one = trait("a", "QEMU emulator version 7.2.1 (Debian 1:7.2)")
    assert str(one) == "7.2.1 (Debian 1:7.2)"
    assert one == trait("b", "QEMU emulator version 7.2.1 (Debian 1:7.2)")
    assert one != trait("c", "QEMU emulator version 7.2.2 (Debian 1:7.2)")
    own = trait("d", "QEMU  emulator version 7.2.1 (Debian 1:7.2)")
    assert (str(own), own) == (str(one), own)
    assert own != one, "another build has another size"
    assert trait("e", "hello") != trait("f", "hello"), "what tells no version is known by its time"


def test_with_kvm_the_processor_counts(qemu: MakeConfig, tmp_path: Path) -> None:
    program = emulator(tmp_path / "a", "version 1.0")
    assert "the processor" not in inputs(qemu(), "digest", "tcg", program, None)
    found = inputs(qemu(), "digest", "kvm", program, None)
    assert isinstance(found["the processor"], HostTrait)
    assert found["the accelerator"] == HostTrait("kvm")
