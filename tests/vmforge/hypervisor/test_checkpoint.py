"""Machines frozen and restored, on real QEMU: a guest that counts goes on counting where it stood."""

from __future__ import annotations

import time
import uuid
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from vmforge.errors import MachineError, VmforgeError
from vmforge.hypervisor import disks
from vmforge.hypervisor.checkpoint import snapshot_xml
from vmforge.hypervisor.connection import Hypervisor
from vmforge.hypervisor.devices import Disk, Efi, SerialLog
from vmforge.hypervisor.domain import DomainSpec
from vmforge.hypervisor.firmware import find_efi
from vmforge.hypervisor.machine import SavedMemory, VirtualMachine
from vmforge.sdk import Cancellation, Size

LONG = 60.0


def overlay(path: Path, backing: Path, format: str = "qcow2") -> Path:
    disks.create(path, None, "qcow2", backing=backing, backing_format=format, cancellation=Cancellation())
    return path


def wait_for_output(path: Path, more_than: int = 0) -> bytes:
    deadline = time.monotonic() + LONG
    while time.monotonic() < deadline:
        if path.exists() and path.stat().st_size > more_than:
            return path.read_bytes()
        time.sleep(0.02)
    raise AssertionError("the guest printed nothing")


def clone_of(spec: DomainSpec, folder: Path, frozen: Path, name: str) -> DomainSpec:
    return replace(
        spec,
        name=f"vmforge-{name}",
        uuid=str(uuid.uuid4()),
        disks=(Disk(overlay(folder / f"{name}.qcow2", frozen)),),
        serial_log=SerialLog(folder / f"{name}.log"),
    )


@pytest.mark.machine
def test_clones_go_on_where_the_guest_stood(hypervisor: Hypervisor, guests: Any, tmp_path: Path) -> None:
    base = overlay(tmp_path / "base.qcow2", guests.disk("disk.raw", "count"), "raw")
    spec = guests.spec("count", disks=(Disk(base),))
    memory, after, noted = tmp_path / "memory", overlay(tmp_path / "after.qcow2", base), []
    with hypervisor.start(spec) as machine:
        wait_for_output(tmp_path / "serial.log", more_than=3)
        machine.checkpoint(memory, [after], lambda: noted.append((tmp_path / "serial.log").read_bytes()[-1]))
        counted = (tmp_path / "serial.log").stat().st_size
        wait_for_output(tmp_path / "serial.log", more_than=counted)
        assert machine.spec.disks[0].path == after
        machine.check()
    clones: list[VirtualMachine] = []
    for name in ("one", "two"):
        clone = clone_of(spec, tmp_path, base, name)
        clones.append(
            hypervisor.start(clone, saved=SavedMemory(lambda: memory.open("rb"), tmp_path / f"{name}.memory"))
        )
        assert not (tmp_path / f"{name}.memory").exists()
    for clone_machine, name in zip(clones, ("one", "two"), strict=True):
        printed = wait_for_output(tmp_path / f"{name}.log")
        assert printed[0] in (noted[0], noted[0] + 1)  # a tick may have been waiting
        assert clone_machine.name == f"vmforge-{name}"
        clone_machine.destroy()


@pytest.mark.machine
def test_a_restored_machine_reboots_into_its_own_disk(
    hypervisor: Hypervisor, guests: Any, tmp_path: Path
) -> None:
    base = overlay(tmp_path / "base.qcow2", guests.disk("disk.raw", "count"), "raw")
    spec = guests.spec("count", disks=(Disk(base),))
    with hypervisor.start(spec) as machine:
        wait_for_output(tmp_path / "serial.log")
        machine.checkpoint(tmp_path / "memory", [overlay(tmp_path / "after.qcow2", base)], lambda: None)
    clone = clone_of(spec, tmp_path, base, "clone")
    with hypervisor.start(
        clone, saved=SavedMemory(lambda: (tmp_path / "memory").open("rb"), tmp_path / "copy")
    ) as restored:
        port = restored.forward(22)
        restored._driver.monitor(restored._domain, "sendkey ctrl-alt-delete")  # the BIOS reboots
        deadline = time.monotonic() + LONG
        while not restored.restarts and time.monotonic() < deadline:
            time.sleep(0.02)
        assert restored.restarts == 1
        assert restored.forwarded_port(22) == port
        restored.check()


@pytest.mark.machine
def test_a_clone_goes_on_without_the_kernel_that_booted_it(
    hypervisor: Hypervisor, guests: Any, tmp_path: Path
) -> None:
    base = overlay(tmp_path / "base.qcow2", guests.disk("disk.raw"), "raw")
    kernel = guests.kernel("live", "count")
    spec = guests.spec(disks=(Disk(base),), kernel=kernel)
    with hypervisor.start(spec) as machine:
        wait_for_output(tmp_path / "serial.log", more_than=3)
        machine.checkpoint(tmp_path / "memory", [overlay(tmp_path / "after.qcow2", base)], lambda: None)
    kernel.image.unlink()
    kernel.initrd.unlink()
    saved = SavedMemory(lambda: (tmp_path / "memory").open("rb"), tmp_path / "copy")
    with hypervisor.start(clone_of(spec, tmp_path, base, "clone"), saved=saved) as clone:
        assert wait_for_output(tmp_path / "clone.log")[0] > ord("B")
        assert clone.spec.kernel is None
        assert "<kernel>" not in clone._domain.XMLDesc(0)


@pytest.mark.machine
def test_a_clone_has_uefi_variables_of_its_own(hypervisor: Hypervisor, guests: Any, tmp_path: Path) -> None:
    found = find_efi("x86_64")
    base = overlay(tmp_path / "base.qcow2", guests.disk("disk.raw"), "raw")
    firmware = Efi(found.code, found.variables, tmp_path / "first.fd")
    spec = guests.spec(memory=Size.parse("128M"), disks=(Disk(base),), firmware=firmware)
    kept = tmp_path / "kept.fd"
    with hypervisor.start(spec) as machine:
        machine.checkpoint(
            tmp_path / "memory",
            [overlay(tmp_path / "after.qcow2", base)],
            lambda: kept.write_bytes(firmware.nvram.read_bytes()),
        )
    firmware.nvram.unlink()
    own = tmp_path / "clone.fd"
    own.write_bytes(kept.read_bytes())
    clone = replace(clone_of(spec, tmp_path, base, "clone"), firmware=replace(firmware, nvram=own))
    saved = SavedMemory(lambda: (tmp_path / "memory").open("rb"), tmp_path / "copy")
    with hypervisor.start(clone, saved=saved) as restored:
        restored.check()
        assert str(own) in restored._domain.XMLDesc(0)
    assert not firmware.nvram.exists(), "the clone made the first machine's file again"


@pytest.mark.machine
def test_damaged_memory_is_refused(hypervisor: Hypervisor, guests: Any, tmp_path: Path) -> None:
    (tmp_path / "memory").write_bytes(b"nothing")
    with pytest.raises(VmforgeError, match="not a file of libvirt's"):
        hypervisor.start(
            guests.spec(), saved=SavedMemory(lambda: (tmp_path / "memory").open("rb"), tmp_path / "copy")
        )
    assert not (tmp_path / "copy").exists()


@pytest.mark.machine
def test_a_machine_that_cannot_be_saved_runs_on(hypervisor: Hypervisor, guests: Any, tmp_path: Path) -> None:
    base = overlay(tmp_path / "base.qcow2", guests.disk("disk.raw", "count"), "raw")
    with hypervisor.start(guests.spec("count", disks=(Disk(base),))) as machine:
        wait_for_output(tmp_path / "serial.log")
        with pytest.raises(MachineError, match="save the machine's memory"):
            machine.checkpoint(tmp_path / "missing/memory", [tmp_path / "missing.qcow2"], lambda: None)
        assert machine.spec.disks[0].path == base
        wait_for_output(tmp_path / "serial.log", more_than=(tmp_path / "serial.log").stat().st_size)


@pytest.mark.machine
def test_a_machine_runs_on_as_it_was_when_the_rest_cannot_be_kept(
    hypervisor: Hypervisor, guests: Any, tmp_path: Path
) -> None:
    def fail() -> None:
        raise OSError(28, "No space left on device")

    base = overlay(tmp_path / "base.qcow2", guests.disk("disk.raw", "count"), "raw")
    after = overlay(tmp_path / "after.qcow2", base)
    with hypervisor.start(guests.spec("count", disks=(Disk(base),))) as machine:
        wait_for_output(tmp_path / "serial.log")
        with pytest.raises(OSError, match="No space left"):
            machine.checkpoint(tmp_path / "memory", [after], fail)
        assert machine.spec.disks[0].path == base
        assert not (tmp_path / "memory").exists()
        after.unlink()
        wait_for_output(tmp_path / "serial.log", more_than=(tmp_path / "serial.log").stat().st_size)
        machine.check()


def test_the_snapshot_of_a_domain_leaves_its_discs_alone() -> None:
    domain = """
    <domain><devices>
      <disk device="disk"><source file="/l/a.qcow2"/><target dev="vda"/></disk>
      <disk device="disk"><source file="/l/b.qcow2"/><target dev="vdb"/></disk>
      <disk device="cdrom"><source file="/iso"/><target dev="hda"/></disk>
      <disk device="floppy"><target dev="fda"/></disk>
    </devices></domain>"""
    overlays = {Path("/l/a.qcow2"): Path("/n/a.qcow2"), Path("/l/b.qcow2"): Path("/n/b.qcow2")}
    assert snapshot_xml(domain, Path("/l/memory"), overlays) == (
        '<domainsnapshot><memory snapshot="external" file="/l/memory" /><disks>'
        '<disk name="vda" snapshot="external"><driver type="qcow2" /><source file="/n/a.qcow2" /></disk>'
        '<disk name="vdb" snapshot="external"><driver type="qcow2" /><source file="/n/b.qcow2" /></disk>'
        '<disk name="hda" snapshot="no" /><disk name="fda" snapshot="no" /></disks></domainsnapshot>'
    )
