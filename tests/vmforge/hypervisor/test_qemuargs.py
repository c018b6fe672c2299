"""Packer's `qemuargs` on a specification: each case a golden of the domain and the warnings."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from vmforge.hypervisor.connection import Hypervisor
from vmforge.hypervisor.devices import Cdrom, Disk, DiskBus, Efi, Interface, SerialLog, Topology, Tpm
from vmforge.hypervisor.domain import DomainSpec, domain_xml
from vmforge.hypervisor.qemuargs import translate
from vmforge.hypervisor.qemuoptions import Options
from vmforge.sdk import Size

BASE = DomainSpec(
    name="vmforge-0123456789ab",
    uuid="6f1f3a52-2a58-4c43-9d5c-0f4b7d0c6c11",
    memory=Size.parse("512M"),
    disks=(Disk(Path("/srv/output/base")),),
    cdroms=(Cdrom(Path("/srv/cache/installer.iso")),),
    serial_log=SerialLog(Path("/srv/output/serial.log")),
)
SCSI = replace(
    BASE,
    disks=(Disk(Path("/srv/output/base"), bus=DiskBus.VIRTIO_SCSI),),
    cdroms=(Cdrom(Path("/srv/cache/installer.iso"), DiskBus.VIRTIO_SCSI),),
    tpm=Tpm(),
)
EFI = replace(
    BASE, firmware=Efi(Path("/ovmf/code.fd"), Path("/ovmf/vars.fd"), Path("/srv/output/efivars.fd"))
)

CASES: dict[str, tuple[DomainSpec, list[list[str]]]] = {
    "shape": (
        BASE,
        [
            ["-m", "2048", "M"],
            ["-smp", "cpus=4,sockets=1"],
            ["-cpu", "max,+aes"],
            ["-machine", "type=q35,accel=kvm:tcg,smm=off"],
            ["-boot", "once=d,menu=on,splash-time=0"],
            ["-name", "a name,debug-threads=on"],
        ],
    ),
    "screen": (
        BASE,
        [
            ["-display", "none"],
            ["-vga", "qxl"],
            ["-vnc", "127.0.0.1:7"],
            ["-nographic", ""],
            ["-serial", "stdio"],
        ],
    ),
    "serial": (
        BASE,
        [["-serial", "pty"], ["-cdrom", "/srv/second.iso"], ["-fda", "/srv/a.img"], ["-bios", "/srv/b.bin"]],
    ),
    "network-with-port": (
        BASE,
        [["-netdev", "user,id=user.0,", "hostfwd=tcp::2222-:22"], ["-device", "virtio-net,netdev=user.0"]],
    ),
    "network-as-it-is": (
        BASE,
        [["-netdev", "user,id=n0,net=10.9.0.0/24"], ["-device", "virtio-net,netdev=n0,mq=on"]],
    ),
    "network-bridge": (BASE, [["-netdev", "bridge,id=user.0,br=br7"]]),
    "other-card": (BASE, [["-device", "e1000,netdev=user.0,mac=52:54:00:12:34:56"]]),
    "rng": (
        BASE,
        [["-object", "rng-random,id=r,filename=/dev/urandom"], ["-device", "virtio-rng-pci,rng=r"]],
    ),
    "usb": (BASE, [["-usb"], ["-device", "usb-tablet"]]),
    "drives": (
        BASE,
        [
            ["-drive", "file=/srv/output/base,if=virtio,cache=none,discard=unmap,format=qcow2,index=1"],
            ["-drive", "file=/srv/cache/installer.iso,media=cdrom"],
            ["-drive", "file=/srv/seed.img,if=ide"],
        ],
    ),
    "drives-by-id": (
        BASE,
        [
            ["-drive", "if=none,file=/srv/output/base,id=d0,format=qcow2"],
            ["-device", "nvme,drive=d0,serial=x"],
            ["-device", "virtio-net,netdev=user.0"],
        ],
    ),
    "drives-with-flash": (
        EFI,
        [
            ["-drive", "if=pflash,format=raw,readonly=on,file=/usr/share/OVMF/OVMF_CODE.fd"],
            ["-drive", "if=pflash,format=raw,file=/srv/output/vars.fd"],
            ["-drive", "file=/srv/output/base,if=virtio,format=qcow2"],
        ],
    ),
    "drives-without-a-disk": (EFI, [["-drive", "file=/srv/cache/installer.iso,media=cdrom"]]),
    "scsi-lost": (SCSI, [["-device", "virtio-rng-pci"]]),
    "scsi-own": (
        SCSI,
        [["-device", "virtio-scsi-pci,id=scsi0"], ["-device", "scsi-hd,bus=scsi0.0,drive=drive0"]],
    ),
    "accelerator": (BASE, [["-accel", "tcg,thread=single,tb-size=64"], ["-machine", "accel=hvf"]]),
    "kvm": (BASE, [["-enable-kvm"]]),
    "dropped": (
        BASE,
        [["-daemonize"], ["-pidfile", "/run/x.pid"], ["-no-reboot"], ["--drive", "file=/x,if=virtio"]],
    ),
    "snapshot": (BASE, [["-snapshot"]]),
    "smbios": (BASE, [["-smbios", "type=1,serial=ds=nocloud-net;s=http://10.0.2.2:8000/"], ["-boot", "dcn"]]),
}


@pytest.mark.parametrize("name", CASES)
def test_translation(name: str, golden: Callable[[str, str], None]) -> None:
    spec, qemuargs = CASES[name]
    translation = translate(spec, qemuargs)
    warnings = "".join(f"warning: {text}\n" for text in translation.warnings)
    entries = "".join(f"qemuargs: {entry}\n" for entry in qemuargs)
    golden(f"hypervisor/qemuargs-{name}.txt", f"{entries}{warnings}\n{domain_xml(translation.spec)}")


@pytest.mark.parametrize(
    ("arguments", "safe"),
    [
        ([["-chardev", "socket,id=c,path=/run/swtpm.sock"]], False),
        ([["-chardev", "socket,id=c,path=/run/mine.sock,server=on,wait=off"]], True),
        ([["-chardev", "socket,id=c,path=/run/mine.sock,server,nowait"]], True),
        ([["-rtc", "base=2020-01-01"]], False),
        ([["-rtc", "base=localtime"]], True),
        ([["-loadvm", "x"]], False),
        ([["-drive", "file=/x,if=virtio,snapshot=on"]], False),
        ([["-device", "virtio-rng-pci"]], True),
    ],
)
def test_machines_whose_state_is_in_the_process_are_reset_in_place(
    arguments: list[list[str]], safe: bool
) -> None:
    assert translate(BASE, arguments).spec.restart_on_reboot is safe


@pytest.mark.parametrize(
    ("smp", "vcpus", "topology"),
    [
        ("2", 2, None),
        ("cpus=8,sockets=2,cores=2,threads=2", 8, Topology(2, 2, 2)),
        ("8,sockets=2", 8, Topology(2, 4, 1)),
        ("cores=4", 4, Topology(1, 4, 1)),
        ("threads=2,cpus=4", 4, Topology(1, 2, 2)),
    ],
)
def test_smp(smp: str, vcpus: int, topology: Topology | None) -> None:
    spec = translate(BASE, [["-smp", smp]]).spec
    assert (spec.vcpus, spec.topology) == (vcpus, topology)


@pytest.mark.parametrize("wrong", [[["-m", "lots"]], [["-smp", "two"]], [[]], [["", "x"]]])
def test_values_that_make_no_sense(wrong: list[list[str]]) -> None:
    with pytest.raises(ValueError, match=r"size|number|empty"):
        translate(BASE, wrong)


def test_nothing_changes_without_arguments() -> None:
    assert translate(BASE, []).spec == BASE


def test_a_second_card_comes_before_the_builders() -> None:
    arguments = [["-netdev", "user,id=user.0"], ["-netdev", "user,id=b"], ["-device", "e1000,netdev=b"]]
    spec = translate(BASE, arguments).spec
    assert spec.interfaces == (Interface("e1000"), Interface("virtio-net"))


def test_relative_paths() -> None:
    arguments = [
        ["-drive", "file=out/disk,if=virtio,format=raw"],
        ["-drive", "file=out/x,if=none,id=x"],
        ["-drive", "file=nbd:localhost:1,if=none,id=y"],
        ["-kernel", "vmlinuz"],
        ["-bios", "bios-256k.bin"],
        ["-fda", "a.img"],
    ]
    spec = translate(BASE, arguments, Path("/srv/here")).spec
    assert spec.disks[0].path == Path("/srv/here/out/disk")
    assert spec.floppy is not None
    assert spec.floppy.path == Path("/srv/here/a.img")
    assert ("-kernel", "/srv/here/vmlinuz") in spec.qemu_arguments
    assert ("-bios", "bios-256k.bin") in spec.qemu_arguments
    assert ("-drive", "file=/srv/here/out/x,if=none,id=x") in spec.qemu_arguments
    assert ("-drive", "file=nbd:localhost:1,if=none,id=y") in spec.qemu_arguments


def test_option_strings() -> None:
    options = Options.parse("file=/a,,b,readonly,if=none,x=1,x=2", implied="file")
    assert options.get("x") == "2"
    assert options.take("file") == "/a,b"
    assert options.take_all("x") == ["1", "2"]
    assert options.rest() == "readonly=on,if=none"
    assert Options.parse("", implied="file").pairs == []


@pytest.mark.machine
@pytest.mark.parametrize(
    ("devices", "slot"),
    [
        (["virtio-rng-pci"], 4),
        (["virtio-net,netdev=user.0", "virtio-rng-pci"], 3),
        (["virtio-rng-pci", "usb-ehci", "virtio-net,netdev=user.0,mrg_rxbuf=off"], 5),
        (["intel-hda", "hda-duplex", "virtio-net,netdev=user.0"], 4),
    ],
)
def test_cards_sit_where_qemu_would_put_them(
    devices: list[str], slot: int, hypervisor: Hypervisor, guests: Any
) -> None:
    spec = translate(guests.spec(), [["-device", device] for device in devices]).spec
    with hypervisor.start(spec) as machine:
        shown = machine._call("look", lambda domain: machine._driver.monitor(domain, "info pci"))
        cards = re.findall(r"device\s+(\d+), function 0:\s+Ethernet controller", shown)
        assert cards == [str(slot)]


@pytest.mark.machine
@pytest.mark.parametrize("kind", ["raw-drive", "usb", "shape", "network"])
def test_qemu_takes_what_is_handed_over(kind: str, hypervisor: Hypervisor, guests: Any) -> None:
    disk = guests.disk("own.raw", "power off")
    spare = guests.disk("spare.raw", "power off")
    arguments = {
        # boots from a drive that libvirt knows nothing of
        "raw-drive": [
            ["-drive", f"if=none,file={disk},id=d0,format=raw"],
            ["-drive", f"if=virtio,file={spare},format=raw,werror=stop"],
            ["-device", "virtio-blk-pci,drive=d0"],
            ["-device", "virtio-net,netdev=user.0,mrg_rxbuf=off"],
        ],
        "usb": [["-usb"], ["-device", "usb-tablet"], ["-device", "virtio-rng-pci"]],
        "shape": [
            ["-machine", "pc,smm=off"],
            ["-smp", "2,sockets=2"],
            ["-m", "96M"],
            ["-rtc", "base=localtime"],
        ],
        "network": [["-netdev", "user,id=user.0,net=10.9.0.0/24"], ["-serial", "null"], ["-k", "de"]],
    }[kind]
    spec = translate(guests.spec("power off"), arguments).spec
    with hypervisor.start(spec) as machine:
        assert machine.wait_off(60)
