"""OVAs before the programs that read them: each takes a good one, and refuses what it looks at.

What is not installed is skipped. `tests/setup.sh test` installs `xmllint`, `vmdkinfo` and dissect; `cot`
(`pip install cot`, found beside the Python of the tests too) and `virt-v2v` are left to the user.
"""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.vmforge.images.package_check import check_package, ova_files
from vmforge.images.guests import Guest
from vmforge.images.hardware import DiskController, NetworkCard
from vmforge.images.ova import PackageOptions, write_ova
from vmforge.images.ovf import OvfOptions
from vmforge.images.signature import Digest
from vmforge.sdk.appliance import Appliance, FirmwareKind
from vmforge.sdk.cancellation import Cancellation
from vmforge.sdk.testing import RecordingUi
from vmforge.sdk.values import Size

MIB = 1024 * 1024
SCHEMA = Path(__file__).parents[1] / "vmforge" / "images" / "dsp8023" / "envelope.xsd"
SIZE = 40 * MIB
LIMIT = 120.0

Ova = Callable[..., Path]
Files = dict[str, bytes]


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ova") / "disk.raw"
    with path.open("wb") as file:
        file.write(random.Random(1).randbytes(2 * MIB) + b"some text " * 300_000)
        file.seek(30 * MIB)
        file.write(b"the end")
        file.truncate(SIZE)
    return path


@pytest.fixture(scope="module")
def appliance(disk: Path) -> Appliance:
    """A machine with UEFI and two disks, the second one qcow2."""
    second, nvram = disk.with_name("second.qcow2"), disk.with_name("efivars.fd")
    subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", disk, second], check=True)
    nvram.write_bytes(bytes(128 * 1024))
    memory = Size.parse("768M")
    return Appliance(
        name="web",
        disks=(disk, second),
        cpus=2,
        memory=memory,
        firmware=FirmwareKind.UEFI,
        nvram=nvram,
    )


@pytest.fixture
def ova(appliance: Appliance, tmp_path: Path) -> Ova:
    """Writes an OVA of the machine."""

    def write(digest: Digest = Digest.SHA256, change: Appliance | None = None, **options: object) -> Path:
        package = PackageOptions(digest=digest, ovf=replace(OvfOptions(guest=Guest.DEBIAN), **options))
        write_ova(tmp_path / "web.ova", change or appliance, package, RecordingUi(), Cancellation())
        return tmp_path / "web.ova"

    return write


def rewrite(path: Path, change: Callable[[Files], object]) -> Path:
    """The archive with other contents, otherwise as it was."""
    files = ova_files(path)
    change(files)
    broken = path.with_name("broken.ova")
    with tarfile.open(broken, "w:", format=tarfile.USTAR_FORMAT) as archive:
        for name, data in files.items():
            source = path.with_name("member")
            source.write_bytes(data)
            archive.add(source, name)
    return broken


def flip_a_byte(files: Files) -> None:
    disk = bytearray(files["web-disk1.vmdk"])
    disk[-100_000] ^= 0xFF
    files["web-disk1.vmdk"] = bytes(disk)


def forget_a_disk(files: Files) -> None:
    del files["web-disk2.vmdk"]


def edit_descriptor(old: bytes, new: bytes) -> Callable[[Files], None]:
    """Change the descriptor and its sum in the manifest."""

    def change(files: Files) -> None:
        text = files["web.ovf"].replace(old, new)
        assert text != files["web.ovf"]
        for algorithm in Digest:
            before, after = (hashlib.new(algorithm, data).hexdigest() for data in (files["web.ovf"], text))
            files["web.mf"] = files["web.mf"].replace(before.encode(), after.encode())
        files["web.ovf"] = text

    return change


dangling_file = edit_descriptor(b'ovf:fileRef="file2"', b'ovf:fileRef="file9"')


def program(name: str, package: str) -> str:
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    found = shutil.which(name, path=path)
    if found is None:
        pytest.skip(f"`{name}` is not installed (`{package}`)")
    return found


def run(*command: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(part) for part in command],
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=LIMIT,
    )


# --- xmllint, with DMTF's schema ---


@pytest.mark.parametrize("controller", DiskController)
def test_the_schema_takes_the_descriptor(controller: DiskController, ova: Ova, tmp_path: Path) -> None:
    xmllint = program("xmllint", "apt install libxml2-utils")
    files = ova_files(ova(disk_controller=controller, network_card=NetworkCard.VMXNET3))
    check_package(files, [SIZE, SIZE])
    descriptor = tmp_path / "web.ovf"
    descriptor.write_bytes(files["web.ovf"])
    lint = run(xmllint, "--noout", "--nonet", "--schema", SCHEMA, descriptor)
    assert lint.returncode == 0, lint.stdout
    descriptor.write_bytes(files["web.ovf"].replace(b"<rasd:InstanceID>1</rasd:InstanceID>", b""))
    lint = run(xmllint, "--noout", "--nonet", "--schema", SCHEMA, descriptor)
    assert lint.returncode != 0 and "InstanceID" in lint.stdout


# --- dissect.hypervisor: a reader of OVF and VMDK that shares nothing with us or QEMU ---


def test_dissect_reads_the_same_disks(ova: Ova, disk: Path, tmp_path: Path) -> None:
    ovf = pytest.importorskip(
        "dissect.hypervisor.descriptor.ovf", reason="dissect.hypervisor is not installed"
    )
    vmdk = pytest.importorskip("dissect.hypervisor.disk.vmdk")
    for name, data in ova_files(ova()).items():
        (tmp_path / name).write_bytes(data)
    with (tmp_path / "web.ovf").open(encoding="utf-8") as text:
        names = list(ovf.OVF(text).disks())
    assert names == ["web-disk1.vmdk", "web-disk2.vmdk"]
    for name in names:
        with (tmp_path / name).open("rb") as file:
            assert vmdk.VMDK(file).read(SIZE + 1) == disk.read_bytes()


# --- libvmdk, and QEMU ---


def test_libvmdk_and_qemu_read_the_disks(ova: Ova, disk: Path, tmp_path: Path) -> None:
    files = ova_files(ova())
    path = tmp_path / "1.vmdk"
    path.write_bytes(files["web-disk1.vmdk"])
    assert run("qemu-img", "check", path).returncode == 0
    assert run("qemu-img", "compare", "-f", "vmdk", path, "-F", "raw", disk).returncode == 0
    info = run(program("vmdkinfo", "apt install libvmdk-utils"), path)
    assert info.returncode == 0, info.stdout
    assert "Stream optimized" in info.stdout and f"({SIZE} bytes)" in info.stdout
    flip_a_byte(files)
    path.write_bytes(files["web-disk1.vmdk"])
    assert run("qemu-img", "compare", "-f", "vmdk", path, "-F", "raw", disk).returncode != 0


# --- COT: holds manifest, references and sizes against each other; knows SHA-1 alone in OVF 1.1 ---


def test_cot_finds_nothing_to_say(ova: Ova) -> None:
    log = cot(ova(Digest.SHA1))
    assert not complaints(log), log
    assert "web-disk2.vmdk" in log and "harddisk @ SCSI 0:1" in log and "768 MiB" in log


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (flip_a_byte, "checksum for file 'web-disk1.vmdk'"),
        (forget_a_disk, "web-disk2.vmdk"),
        (edit_descriptor(b'ovf:size="131072"', b'ovf:size="131073"'), "131073"),
        (lambda files: files.update({"web.ovf": files.pop("web.ovf")}), "first"),
    ],
    ids=["flipped byte", "missing disk", "wrong size", "descriptor last"],
)
def test_cot_complains_about_a_broken_one(change: Callable[[Files], object], said: str, ova: Ova) -> None:
    log = cot(rewrite(ova(Digest.SHA1), change))
    assert any(said in line for line in complaints(log)), log


def cot(path: Path) -> str:
    return run(program("cot", "pip install cot"), "-v", "info", path).stdout


def complaints(log: str) -> list[str]:
    return [
        line for line in log.splitlines() if any(word in line for word in ("ERROR", "WARNING", "CRITICAL"))
    ]


# --- virt-v2v: the importer of oVirt, OpenStack and KubeVirt ---


@pytest.mark.parametrize("digest", [Digest.SHA1, Digest.SHA256])
def test_virt_v2v_reads_the_machine(digest: Digest, ova: Ova) -> None:
    read = virt_v2v(ova(digest))
    assert read.returncode == 0 and "warning" not in read.stdout, read.stdout
    facts = {
        key.strip(): value.strip()
        for key, _, value in (line.partition(":") for line in read.stdout.splitlines())
    }
    assert facts["source name"] == "web" and facts["firmware"] == "uefi" and facts["nr vCPUs"] == "2"
    assert facts["memory"] == f"{768 * MIB} (bytes)"
    assert "0 [scsi]" in read.stdout and "1 [scsi]" in read.stdout
    assert 'Bridge "VM Network" [e1000]' in read.stdout


def test_virt_v2v_reads_other_hardware(appliance: Appliance, ova: Ova) -> None:
    options = {
        "disk_controller": DiskController.IDE,
        "network_card": NetworkCard.VMXNET3,
        "networks": ("LAN",),
    }
    read = virt_v2v(ova(change=replace(appliance, firmware=FirmwareKind.BIOS), **options))
    assert read.returncode == 0, read.stdout
    assert "0 [ide]" in read.stdout and "bios" in read.stdout
    assert 'Bridge "LAN" [vmxnet3]' in read.stdout


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (flip_a_byte, "checksum of disk web-disk1.vmdk does not match manifest"),
        (forget_a_disk, "web-disk2.vmdk"),
        (dangling_file, "file9"),
        (edit_descriptor(b"ovf:/disk/vmdisk2", b"nowhere"), "rasd:HostResource"),
    ],
    ids=["flipped byte", "missing disk", "dangling reference", "bad host resource"],
)
def test_virt_v2v_refuses_a_broken_one(change: Callable[[Files], object], said: str, ova: Ova) -> None:
    read = virt_v2v(rewrite(ova(), change))
    assert read.returncode != 0 and said in read.stdout, read.stdout


def virt_v2v(path: Path) -> subprocess.CompletedProcess[str]:
    return run(program("virt-v2v", "apt install virt-v2v"), "-i", "ova", path, "--print-source")
