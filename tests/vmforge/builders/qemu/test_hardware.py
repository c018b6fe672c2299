"""Options of the hardware as the machine that they describe, and that as libvirt's XML."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from vmforge.builders.qemu.arguments import wants_host_port, with_qemuargs
from vmforge.builders.qemu.config import DiskFormat, QemuConfig
from vmforge.builders.qemu.firmware import find_firmware
from vmforge.builders.qemu.hardware import Media, architecture, domain_spec, processors
from vmforge.errors import HostError, VmforgeError
from vmforge.hypervisor.devices import Bios, DiskBus, Efi, Topology
from vmforge.hypervisor.domain import DomainSpec, domain_xml
from vmforge.hypervisor.firmware import find_efi
from vmforge.sdk import BuildContext, Secret
from vmforge.sdk.testing import RecordingUi, fake_context

MakeConfig = Callable[..., QemuConfig]

OUTPUT = Path("/srv/output")
MEDIA = Media(
    disks=(OUTPUT / "base",),
    disk_format=DiskFormat.QCOW2,
    discs=(Path("/srv/installer.iso"),),
    floppy=None,
    firmware=None,
    serial_log=Path("/srv/scratch/serial.log"),
)
EFI = Efi(Path("/srv/CODE.fd"), Path("/srv/VARS.fd"), OUTPUT / "efivars.fd")


def described(config: QemuConfig, **media: Any) -> DomainSpec:
    """The machine, with a name and UUID that are always the same."""
    spec = domain_spec(config, replace(MEDIA, **media), "tcg")
    return replace(spec, name="vmforge-0123456789ab", uuid="6f1f3a52-2a58-4c43-9d5c-0f4b7d0c6c11")


SETS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "default": ({}, {}),
    "q35": (
        {"machine_type": "q35", "cpus": 3, "sockets": 2, "cpu_model": "Haswell,+aes", "net_device": "e1000"},
        {},
    ),
    "virtio-scsi": (
        {
            "disk_interface": "virtio-scsi",
            "cdrom_interface": "virtio-scsi",
            "disk_cache": "unsafe",
            "disk_discard": "unmap",
            "disk_detect_zeroes": "unmap",
            "disk_additional_size": ["1G"],
        },
        {"disks": (OUTPUT / "base", OUTPUT / "base-1")},
    ),
    "minimise": (
        {"minimise": True, "disk_additional_size": ["1G"]},
        {"disks": (OUTPUT / "base", OUTPUT / "base-1")},
    ),
    "minimise-zero": ({"minimise": "zero"}, {}),
    "ide-raw": (
        {"disk_interface": "ide", "disk_cache": "none", "vga": "cirrus"},
        {
            "disk_format": DiskFormat.RAW,
            "discs": (Path("/srv/installer.iso"), Path("/srv/cd.iso")),
            "floppy": Path("/srv/floppy.img"),
        },
    ),
    "efi-tpm": ({"efi_boot": True, "vtpm": True, "tpm_device_type": "tpm-crb"}, {"firmware": EFI}),
    "pflash-tpm1": (
        {"firmware": "bios.bin", "use_pflash": True, "vtpm": True, "use_tpm1": True},
        {"firmware": Bios(Path("/srv/bios.bin"), pflash=True)},
    ),
    "vnc-on-tcp": ({"vnc_bind_address": "0.0.0.0", "vnc_port_min": 5950, "vnc_password": "s3cret"}, {}),
    "bridge-no-vnc": ({"net_bridge": "br0", "disable_vnc": True, "vga": "none"}, {}),
}


def xml_of(name: str, qemu: MakeConfig) -> str:
    options, media = SETS[name]
    return domain_xml(described(qemu(qemu_binary="/usr/bin/qemu-system-x86_64", **options), **media))


@pytest.mark.parametrize("name", SETS)
def test_xml(name: str, qemu: MakeConfig, golden: Callable[[str, str], None]) -> None:
    golden(f"builders/qemu/{name}.xml", xml_of(name, qemu))


@pytest.mark.skipif(
    not (shutil.which("virt-xml-validate") and shutil.which("xmllint")), reason="needs libvirt's schema"
)
@pytest.mark.parametrize("name", SETS)
def test_xml_follows_the_schema(name: str, qemu: MakeConfig, tmp_path: Path) -> None:
    path = tmp_path / "domain.xml"
    path.write_text(xml_of(name, qemu))
    checked = subprocess.run(
        ["virt-xml-validate", path, "domain"], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stderr


def test_every_machine_has_a_name_of_one_length_and_its_own(qemu: MakeConfig) -> None:
    specs = [domain_spec(qemu(), MEDIA, "tcg") for _ in range(3)]
    assert len({spec.name for spec in specs} | {spec.uuid for spec in specs}) == 6
    assert {len(spec.name) for spec in specs} == {len("vmforge-0123456789ab")}


# -- processors, memory, emulator -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "count", "topology"),
    [
        ({}, 1, None),
        ({"cpus": 4}, 4, None),
        ({"cpus": 0}, 1, None),
        ({"sockets": 2}, 2, Topology(2, 1, 1)),
        ({"cores": 2, "threads": 2}, 4, Topology(1, 2, 2)),
        # what is left out is filled in as QEMU does: cores, then sockets, then threads
        ({"cpus": 4, "sockets": 2}, 4, Topology(2, 2, 1)),
        ({"cpus": 8, "cores": 2, "threads": 2}, 8, Topology(2, 2, 2)),
        ({"cpus": 8, "sockets": 2, "cores": 2}, 8, Topology(2, 2, 2)),
        # room for all of them, though the product is larger
        ({"cpus": 3, "sockets": 2}, 3, Topology(2, 2, 1)),
        ({"cpus": 2, "sockets": 2, "cores": 2, "threads": 1}, 2, Topology(2, 2, 1)),
        # no more than there is room for
        ({"cpus": 9, "sockets": 2, "cores": 2, "threads": 2}, 8, Topology(2, 2, 2)),
    ],
)
def test_processors(options: dict[str, int], count: int, topology: Topology | None, qemu: MakeConfig) -> None:
    config = qemu(**options)
    spec = described(config)
    assert (processors(config), spec.vcpus, spec.topology) == (count, count, topology)


@pytest.mark.parametrize(("memory", "mebibytes"), [(2048, 2048), ("1024", 1024), (9, 512), (0, 512)])
def test_memory(memory: Any, mebibytes: int, qemu: MakeConfig) -> None:
    assert described(qemu(memory=memory)).memory.mebibytes == mebibytes


@pytest.mark.parametrize(
    ("binary", "arch"),
    [
        ("qemu-system-x86_64", "x86_64"),
        ("/opt/qemu/bin/qemu-system-aarch64", "aarch64"),
        ("qemu-system-i386", "i686"),
        ("qemu-system-arm", "armv7l"),
        ("qemu-system-riscv64", "riscv64"),
    ],
)
def test_architecture(binary: str, arch: str, qemu: MakeConfig) -> None:
    spec = described(qemu(qemu_binary=binary))
    assert (spec.arch, spec.emulator) == (arch, binary)


def test_an_emulator_without_an_architecture_is_the_hosts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    assert architecture("/usr/libexec/qemu-kvm") == "aarch64"


def test_a_relative_emulator_is_found_from_where_libvirt_runs_it(
    qemu: MakeConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert described(qemu(qemu_binary="bin/qemu-system-x86_64")).emulator == (
        f"{tmp_path}/bin/qemu-system-x86_64"
    )


# -- disks, discs, network --------------------------------------------------------------------------


@pytest.mark.parametrize("interface", ["ide", "sata", "scsi", "sd", "virtio", "virtio-scsi"])
def test_disk_interface(interface: str, qemu: MakeConfig) -> None:
    spec = described(qemu(disk_interface=interface), disks=(OUTPUT / "base", OUTPUT / "base-1"))
    assert [disk.bus for disk in spec.disks] == [DiskBus(interface)] * 2


@pytest.mark.parametrize("cache", ["writethrough", "writeback", "none", "unsafe", "directsync"])
def test_disk_cache(cache: str, qemu: MakeConfig) -> None:
    assert f'cache="{cache}"' in domain_xml(described(qemu(disk_cache=cache)))


@pytest.mark.parametrize(
    ("machine", "interface", "bus"),
    [
        ("pc", None, "ide"),
        # q35 has no IDE
        ("q35", None, "sata"),
        ("pc-q35-7.2", "ide", "sata"),
        ("q35", "virtio-scsi", "scsi"),
        ("pc", "scsi", "scsi"),
    ],
)
def test_disc_bus(machine: str, interface: str | None, bus: str, qemu: MakeConfig) -> None:
    xml = domain_xml(described(qemu(machine_type=machine, cdrom_interface=interface)))
    drive = xml[xml.index('device="cdrom"') :]
    assert f'bus="{bus}"' in drive[: drive.index("</disk>")]


@pytest.mark.parametrize("device", ["virtio-net", "e1000", "rtl8139", "virtio-net-pci"])
def test_net_device(device: str, qemu: MakeConfig) -> None:
    (card,) = described(qemu(net_device=device)).interfaces
    assert (card.model, card.bridge) == (device, "")


# -- firmware ---------------------------------------------------------------------------------------


def test_no_firmware_of_its_own(qemu: MakeConfig) -> None:
    assert find_firmware(qemu(), "x86_64", OUTPUT) is None


def test_firmware_and_pflash(qemu: MakeConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bios.bin").touch()
    monkeypatch.chdir(tmp_path)
    assert find_firmware(qemu(firmware="bios.bin"), "x86_64", OUTPUT) == Bios(tmp_path / "bios.bin")
    flash = find_firmware(qemu(firmware="bios.bin", use_pflash=True), "x86_64", OUTPUT)
    assert flash == Bios(tmp_path / "bios.bin", pflash=True)


def test_given_efi(qemu: MakeConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CODE.fd", "VARS.fd"):
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    config = qemu(efi_firmware_code="CODE.fd", efi_firmware_vars="VARS.fd")
    assert config.uses_efi
    expected = Efi(tmp_path / "CODE.fd", tmp_path / "VARS.fd", OUTPUT / "efivars.fd")
    assert find_firmware(config, "x86_64", OUTPUT) == expected


def test_efi_of_this_host(qemu: MakeConfig, tmp_path: Path) -> None:
    try:
        here = find_efi("x86_64")
    except HostError:
        pytest.skip("no UEFI firmware on this host")
    assert find_firmware(qemu(efi_boot=True), "x86_64", OUTPUT) == Efi(
        here.code, here.variables, OUTPUT / "efivars.fd"
    )
    (tmp_path / "VARS.fd").touch()
    # a file without its other half
    mixed = find_firmware(qemu(efi_firmware_vars=f"{tmp_path}/VARS.fd"), "x86_64", OUTPUT)
    assert mixed == Efi(here.code, tmp_path / "VARS.fd", OUTPUT / "efivars.fd")


@pytest.mark.parametrize(("option", "name"), [("code", "OVMF_CODE_4M.fd"), ("vars", "OVMF_VARS_4M.fd")])
def test_the_other_half_of_the_efi_is_found_beside_it(
    option: str, name: str, qemu: MakeConfig, tmp_path: Path
) -> None:
    code, variables = tmp_path / "OVMF_CODE_4M.fd", tmp_path / "OVMF_VARS_4M.fd"
    code.touch()
    variables.touch()
    config = qemu(**{f"efi_firmware_{option}": f"{tmp_path}/{name}"})
    assert find_firmware(config, "x86_64", OUTPUT) == Efi(code, variables, OUTPUT / "efivars.fd")


@pytest.mark.parametrize("option", ["firmware", "efi_firmware_code", "efi_firmware_vars"])
def test_firmware_that_is_not_there(option: str, qemu: MakeConfig, tmp_path: Path) -> None:
    present = tmp_path / "present.fd"
    present.touch()
    files = {"efi_firmware_code": str(present), "efi_firmware_vars": str(present)}
    options = {option: "/srv/missing.fd"} if option == "firmware" else files | {option: "/srv/missing.fd"}
    with pytest.raises(HostError) as caught:
        find_firmware(qemu(**options), "x86_64", OUTPUT)
    assert caught.value.message == f"`{option}`: there is no file `/srv/missing.fd`"
    assert "`efi_boot = true`" in caught.value.hint


# -- display ----------------------------------------------------------------------------------------


def test_vnc_is_on_a_unix_socket_unless_a_template_wants_tcp(qemu: MakeConfig) -> None:
    graphics = described(qemu()).graphics
    assert graphics is not None
    assert (graphics.address, graphics.password) == ("", None)


@pytest.mark.parametrize(
    ("options", "address", "ports"),
    [
        ({"vnc_bind_address": "0.0.0.0"}, "0.0.0.0", (5900, 6000)),
        ({"vnc_port_min": 5950}, "127.0.0.1", (5950, 6000)),
        ({"vnc_port_max": 5910}, "127.0.0.1", (5900, 5910)),
        ({"vnc_port_min": 6100, "vnc_port_max": 6100}, "127.0.0.1", (6100, 6100)),
    ],
)
def test_vnc_on_tcp(options: dict[str, Any], address: str, ports: tuple[int, int], qemu: MakeConfig) -> None:
    graphics = described(qemu(**options)).graphics
    assert graphics is not None
    assert (graphics.address, (graphics.port_min, graphics.port_max)) == (address, ports)


def test_a_vnc_password_is_the_templates_or_generated(qemu: MakeConfig) -> None:
    given = described(qemu(vnc_password="mine", vnc_use_password=True)).graphics
    made = described(qemu(vnc_use_password=True)).graphics
    another = described(qemu(vnc_use_password=True, vnc_password="")).graphics
    assert given is not None and made is not None and another is not None
    assert given.password == Secret("mine")
    assert made.password is not None and another.password is not None
    assert len(made.password.value) == 8
    assert made.password != another.password


def test_disable_vnc(qemu: MakeConfig) -> None:
    assert described(qemu(disable_vnc=True, vnc_bind_address="0.0.0.0")).graphics is None


# -- qemuargs ---------------------------------------------------------------------------------------

FIELDS = {
    "HTTPIP": "10.0.2.2",
    "HTTPPort": "8101",
    "HTTPDir": "/srv/http",
    "HTTPContent": {"/a": "b"},
    "OutputDir": "/srv/output",
    "Name": "base",
    "SSHHostPort": "2345",
}


def test_qemuargs(qemu: MakeConfig, context: BuildContext, golden: Callable[[str, str], None]) -> None:
    config = qemu(
        qemuargs=[
            ["-m", "1024M"],
            ["-smp", "cpus=2,sockets=1"],
            ["-drive", "file={{ .OutputDir }}/{{ .Name }},if=virtio,format=qcow2"],
            ["-netdev", "user,id=user.0,", "hostfwd=tcp::{{ .SSHHostPort }}-:22,"],
            ["-device", "virtio-rng-pci"],
            ["-device", "virtio-net,netdev=user.0"],
            ["-smbios", "type=1,serial=ds=nocloud-net;s=http://{{ .HTTPIP }}:{{ .HTTPPort }}/"],
        ]
    )
    spec = with_qemuargs(described(config), config, context, FIELDS)
    golden("builders/qemu/qemuargs.xml", domain_xml(spec))
    assert [forward.host_port for forward in spec.interfaces[0].forwards] == [2345]


def test_relative_paths_in_qemuargs_count_from_where_vmforge_runs(
    qemu: MakeConfig, context: BuildContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    config = qemu(qemuargs=[["-drive", "file=extra.img,if=virtio,format=raw"], ["-serial", "file:log.txt"]])
    spec = with_qemuargs(described(config), config, context, FIELDS)
    assert [disk.path for disk in spec.disks] == [tmp_path / "extra.img"]
    assert spec.serial_log is not None
    assert spec.serial_log.path == tmp_path / "log.txt"


@pytest.mark.parametrize(
    ("value", "wants"), [("user,hostfwd=tcp::{{ .SSHHostPort }}-:22", True), ("user,id=n0", False)]
)
def test_wants_host_port(value: str, wants: bool, qemu: MakeConfig) -> None:
    assert wants_host_port(qemu(qemuargs=[["-m", "512"], ["-netdev", value]])) is wants


def test_qemuargs_that_make_no_sense(qemu: MakeConfig, context: BuildContext) -> None:
    config = qemu(qemuargs=[["-smp", "many"]])
    with pytest.raises(VmforgeError, match=r"^`qemuargs`: `many` in `-smp many` is not a number$"):
        with_qemuargs(described(config), config, context, FIELDS)


@pytest.mark.parametrize(
    ("options", "warning"),
    [
        (
            {},
            "`qemuargs` ask for `kvm`, but the machine runs with `tcg`; "
            "`--set accelerator=kvm` insists on it",
        ),
        ({"accelerator": "tcg"}, "`qemuargs` ask for `kvm`, but the machine runs with `tcg`"),
    ],
)
def test_the_accelerator_of_qemuargs_is_told_to_be_overruled(
    options: dict[str, Any], warning: str, qemu: MakeConfig, tmp_path: Path
) -> None:
    ui = RecordingUi()
    config = qemu(qemuargs=[["-machine", "type=q35,accel=kvm"]], **options)
    spec = with_qemuargs(described(config), config, fake_context(tmp_path, ui=ui), FIELDS)
    assert (spec.machine_type, spec.accel) == ("q35", "tcg")
    assert ui.texts("warn") == [warning]
