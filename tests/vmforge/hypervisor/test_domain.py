"""The domain XML of a dozen specifications, as goldens; libvirt itself checks them where it is there."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from vmforge.hypervisor.devices import (
    AgentChannel,
    Bios,
    Cdrom,
    Disk,
    DiskBus,
    Efi,
    Floppy,
    Forward,
    Interface,
    Kernel,
    SerialLog,
    Topology,
    Tpm,
    Video,
    Vnc,
)
from vmforge.hypervisor.domain import DomainSpec, Owner, domain_xml
from vmforge.sdk import Secret, Size

OUTPUT = Path("/srv/output")
ISO = Path("/srv/cache/installer.iso")
EFI = Efi(
    Path("/usr/share/OVMF/OVMF_CODE_4M.fd"), Path("/usr/share/OVMF/OVMF_VARS_4M.fd"), OUTPUT / "efivars.fd"
)

BASE = DomainSpec(
    name="vmforge-0123456789ab",
    uuid="6f1f3a52-2a58-4c43-9d5c-0f4b7d0c6c11",
    memory=Size.parse("512M"),
    emulator="/usr/bin/qemu-system-x86_64",
    disks=(Disk(OUTPUT / "base"),),
    cdroms=(Cdrom(ISO),),
    serial_log=SerialLog(OUTPUT / "serial.log"),
)


def disks(*buses: DiskBus) -> tuple[Disk, ...]:
    return tuple(Disk(OUTPUT / f"disk-{i}", bus=bus) for i, bus in enumerate(buses))


SPECS = {
    "default": BASE,
    "kvm": replace(BASE, accel="kvm", vcpus=4),
    "efi-q35": replace(
        BASE, machine_type="q35", firmware=EFI, cdroms=(Cdrom(ISO), Cdrom(OUTPUT / "cidata.iso"))
    ),
    "secure-boot": replace(
        BASE, machine_type="q35", firmware=replace(EFI, secure_boot=True), tpm=Tpm("tpm-crb")
    ),
    "bios-image": replace(BASE, firmware=Bios(Path("/srv/bios.bin")), boot_menu=True, title="a title"),
    "virtio-scsi": replace(
        BASE,
        disks=(
            Disk(
                OUTPUT / "base",
                bus=DiskBus.VIRTIO_SCSI,
                cache="unsafe",
                discard="unmap",
                detect_zeroes="unmap",
            ),
            Disk(OUTPUT / "base-1", "raw", DiskBus.VIRTIO_SCSI),
        ),
        cdroms=(Cdrom(ISO, DiskBus.VIRTIO_SCSI),),
    ),
    "every-bus": replace(
        BASE,
        disks=disks(DiskBus.IDE, DiskBus.VIRTIO, DiskBus.SCSI, DiskBus.SATA),
        cdroms=(Cdrom(ISO, DiskBus.VIRTIO),),
    ),
    "cpu-flags": replace(
        BASE, accel="kvm", cpu_model="Haswell,+aes,-x2apic", vcpus=2, topology=Topology(1, 2, 2)
    ),
    "cpu-raw": replace(BASE, accel="kvm", cpu_model="host,migratable=off"),
    "cpu-host-emulated": replace(BASE, cpu_model="host"),
    "bridge-and-user": replace(
        BASE,
        interfaces=(
            Interface("e1000", bridge="br0", mac="52:54:00:aa:bb:cc"),
            Interface(forwards=(Forward(22, 2222),)),
        ),
    ),
    "vnc-tcp": replace(
        BASE,
        graphics=Vnc("127.0.0.1", 5901, 5910, Secret("s3cret")),
        video=Video("vmware"),
        floppy=Floppy(OUTPUT / "a.img"),
    ),
    "vnc-password": replace(BASE, graphics=Vnc(password=Secret("s3cret"))),
    "headless": replace(BASE, graphics=None, video=Video("none"), serial_log=None, interfaces=()),
    "reset-in-place": replace(
        BASE,
        restart_on_reboot=False,
        boot=("cdrom", "hd"),
        translation_cache=Size.parse("32M"),
        qemu_arguments=(("-device", "virtio-rng-pci,addr=0x3"), ("-usb", "")),
        reserved_slots=(3,),
        unplaced_devices=1,
    ),
    "kernel": replace(
        BASE,
        kernel=Kernel(OUTPUT / "kernel", OUTPUT / "initrd", 'auto=true url=http://10.0.2.2:1/a?b&c "d e"'),
        boot_menu=True,
    ),
    "kernel-efi": replace(
        BASE, machine_type="q35", firmware=EFI, kernel=Kernel(OUTPUT / "kernel", OUTPUT / "initrd")
    ),
    "of-a-daemon": replace(BASE, owner=Owner(1000, 100)),
    "agent": replace(BASE, disks=disks(DiskBus.VIRTIO_SCSI), agent=AgentChannel()),
    "agent-q35": replace(BASE, machine_type="q35", firmware=EFI, agent=AgentChannel()),
    "aarch64": replace(
        BASE,
        arch="aarch64",
        emulator="/usr/bin/qemu-system-aarch64",
        machine_type="virt",
        firmware=EFI,
        video=Video("virtio"),
    ),
}


@pytest.mark.parametrize("name", SPECS)
def test_xml(name: str, golden: Callable[[str, str], None]) -> None:
    golden(f"hypervisor/{name}.xml", domain_xml(SPECS[name]))


@pytest.mark.skipif(
    not (shutil.which("virt-xml-validate") and shutil.which("xmllint")), reason="needs libvirt's schema"
)
def test_goldens_follow_the_schema(tmp_path: Path) -> None:
    for name, spec in SPECS.items():
        path = tmp_path / f"{name}.xml"
        path.write_text(domain_xml(spec))
        checked = subprocess.run(
            ["virt-xml-validate", path, "domain"], capture_output=True, text=True, check=False
        )
        assert checked.returncode == 0, checked.stderr


def test_description_and_port() -> None:
    xml = domain_xml(SPECS["vnc-tcp"], description="who", vnc_port=5907)
    assert "<description>who</description>" in xml
    assert 'port="5907"' in xml


def test_an_address_is_the_same_at_every_start_and_another_for_every_card() -> None:
    card = Interface()
    assert card.address(BASE.uuid, 0) == card.address(BASE.uuid, 0)
    assert len({card.address(BASE.uuid, 0), card.address(BASE.uuid, 1), card.address("other", 0)}) == 3
