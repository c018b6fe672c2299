"""`vmforge convert`, on real images."""

from __future__ import annotations

import json
import random
import re
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

MIB = 1 << 20
NOISE = random.Random(5).randbytes(400_000)


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """`debian-12.8`, whose second dot is no extension."""
    raw, path = tmp_path / "raw", tmp_path / "debian-12.8.qcow2"
    raw.write_bytes(NOISE.ljust(3 * MIB + 512, b"\0"))
    subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", raw, path], check=True)
    raw.unlink()
    return path


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def compare(first: Path, second: Path) -> None:
    subprocess.run(["qemu-img", "compare", first, second], check=True)


@pytest.mark.parametrize(
    ("format", "name"),
    [("vmdk", "debian-12.8.vmdk"), ("VPC", "debian-12.8.vhd"), ("img", "debian-12.8.raw")],
)
def test_beside_the_image(vmforge: Callable[..., Any], image: Path, format: str, name: str) -> None:
    done = vmforge("convert", str(image), "--to", format)
    target = image.with_name(name)
    assert (done.status, done.err) == (0, "")
    size = r"[\d.]+ KiB"
    pattern = rf"`{re.escape(str(target))}`: {size} became {size}; the guest sees 3\.0 MiB\n"
    assert re.fullmatch(pattern, done.out)
    compare(image, target)


def test_several_images_into_a_folder_as_json(
    vmforge: Callable[..., Any], image: Path, tmp_path: Path
) -> None:
    other = tmp_path / "data.raw"
    other.write_bytes(bytes(MIB))
    done = vmforge("convert", str(image), str(other), "--to", "vdi", "--output", f"{tmp_path}/new/", "--json")
    assert done.status == 0
    rows = json.loads(done.out)
    out = tmp_path / "new"
    assert [row["files"] for row in rows] == [[f"{out}/debian-12.8.vdi"], [f"{out}/data.vdi"]]
    assert [row["virtual_size"] for row in rows] == [3 * MIB + 512, MIB]
    assert {row["format"] for row in rows} == {"vdi"}
    assert all(row["size_after"] > 0 and row["seconds"] >= 0 for row in rows)
    assert rows[0]["size_before"] >= 400_000
    compare(image, out / "debian-12.8.vdi")


def test_compression(vmforge: Callable[..., Any], image: Path, tmp_path: Path) -> None:
    target = tmp_path / "small.qcow2"
    arguments = ("convert", str(image), "--to", "qcow2", "--compression", "zstd", "--output", str(target))
    assert vmforge(*arguments).status == 0
    told = subprocess.run(["qemu-img", "info", target], check=True, capture_output=True, text=True).stdout
    assert "compression type: zstd" in told


def test_nothing_is_replaced_unasked(vmforge: Callable[..., Any], image: Path) -> None:
    target = image.with_name("debian-12.8.vdi")
    target.write_text("mine")
    refused = vmforge("convert", str(image), "--to", "vdi")
    assert refused.status == 1
    assert refused.err == f"error: `{target}` exists already\n\nhint: replace it with `--force`\n"
    assert target.read_text() == "mine"
    assert vmforge("convert", str(image), "--to", "vdi", "--force").status == 0
    compare(image, target)


def test_an_image_onto_itself(vmforge: Callable[..., Any], image: Path) -> None:
    before = image.read_bytes()
    refused = vmforge("convert", str(image), "--to", "qcow2", "--force")
    assert (refused.status, refused.err.split("\n")[0]) == (1, f"error: `{image}` is the image itself")
    assert image.read_bytes() == before


def test_an_appliance_of_two_disks(vmforge: Callable[..., Any], image: Path, tmp_path: Path) -> None:
    data, nvram = tmp_path / "data.raw", tmp_path / "vars.fd"
    data.write_bytes(NOISE.ljust(MIB, b"\0"))
    nvram.write_bytes(b"variables")
    flags = ["--name", "web", "--cpus", "2", "--memory", "2G", "--firmware", "uefi", "--nvram", str(nvram)]
    flags += ["--guest-os", "debian", "--disk-controller", "nvme", "--network-adapter", "vmxnet3"]
    flags += ["--manifest-algorithm", "sha1", "--compression-level", "1", "--architecture", "x86_64"]
    done = vmforge("convert", str(image), str(data), "--to", "ova", *flags)
    assert (done.status, done.err) == (0, "")
    with tarfile.open(tmp_path / "debian-12.8.ova") as archive:
        members = archive.getnames()
        assert members == [
            "debian-12.8.ovf",
            "debian-12.8.mf",
            "debian-12.8-disk1.vmdk",
            "debian-12.8-disk2.vmdk",
            "debian-12.8-efivars.fd",
        ]
        archive.extractall(tmp_path / "unpacked")
    text = (tmp_path / "unpacked" / members[0]).read_text()
    texts = {element.text for element in ElementTree.fromstring(text.rstrip()).iter()}
    assert {"web", "2048", "VmxNet3", "vmware.nvme.controller"} <= texts
    assert (tmp_path / "unpacked" / members[1]).read_text().startswith("SHA1(debian-12.8.ovf)= ")
    compare(image, tmp_path / "unpacked" / members[2])
    compare(data, tmp_path / "unpacked" / members[3])


def test_a_signed_ovf_for_virtualbox(vmforge: Callable[..., Any], image: Path, tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=test"]
    subprocess.run([*command, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    flags = ["--hypervisor", "virtualbox", "--ovf-version", "2.0"]
    flags += ["--signing-key", str(key), "--signing-certificate", str(certificate), "--output"]
    done = vmforge("convert", str(image), "--to", "ovf", *flags, f"{tmp_path}/out/web.ovf")
    assert (done.status, done.err) == (0, "")
    assert names(tmp_path / "out") == ["web-disk1.vmdk", "web.cert", "web.mf", "web.ovf"]
    again = vmforge("convert", str(image), "--to", "ovf", "--output", f"{tmp_path}/out/web")
    assert again.status == 1


@pytest.mark.parametrize(
    ("arguments", "status", "error"),
    [
        (["{image}"], 2, "Missing option '--to'"),
        (["{image}", "--to", "qcow"], 1, "`{image}` is the image itself"),
        (["{image}", "--to", "vmdx"], 2, "`vmdx` is no format"),
        (["{image}", "--to", "docx"], 2, "`docx` is no format"),
        (["{folder}/none", "--to", "vdi"], 1, "the image `{folder}/none` does not exist"),
        (["{folder}", "--to", "vdi"], 1, "the image `{folder}` is no file"),
        (["{folder}/x.raw.gz", "--to", "vdi"], 1, "`{folder}/x.raw.gz` is an archive or compressed"),
        (
            ["{folder}/x", "--to", "vdi", "--compression", "lz4"],
            2,
            "`--compression lz4` is no choice",
        ),
        (["{image}", "--to", "vdi", "--cpus", "2"], 2, "a `vdi` holds a disk and knows nothing of `--cpus`"),
        (["{image}", "--to", "ova", "--memory", "much"], 2, "`--memory`: `much` is not a size"),
        (["{image}", "--to", "ova", "--firmware", "efi"], 2, "`--firmware efi` is no choice"),
        (["{image}", "--to", "ova", "--nvram", "x"], 2, "`--nvram` is of no use without `--firmware uefi`"),
        (["{image}", "--to", "ova", "--signing-key", "x"], 2, "`--signing-key` and `--signing-certificate`"),
        (["{image}", "{folder}/x", "--to", "vdi", "--output", "y"], 2, "`--output y` is no folder"),
        (["{image}", "{image}", "--to", "vdi"], 2, "two images would be written to"),
    ],
)
def test_what_makes_no_sense(
    vmforge: Callable[..., Any], image: Path, arguments: list[str], status: int, error: str
) -> None:
    folder = image.parent
    for name in ("x.raw.gz", "x"):
        (folder / name).write_bytes(bytes(512))
    places = {"image": image, "folder": folder}
    before = names(folder)
    done = vmforge("convert", *(argument.format(**places) for argument in arguments))
    assert done.status == status
    assert f"error: {error.format(**places)}" in done.err
    assert "Traceback" not in done.err
    assert (done.out, names(folder)) == ("", before)


def test_interrupted_it_leaves_nothing(tmp_path: Path) -> None:
    image = tmp_path / "large.raw"
    with image.open("wb") as file:
        file.write(random.Random(1).randbytes(MIB) * 64)
    command = [sys.executable, "-m", "vmforge", "convert", str(image), "--to", "raw.xz"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        while len(names(tmp_path)) == 1 and process.poll() is None:
            time.sleep(0.01)  # until the staged file appears
        process.send_signal(signal.SIGINT)
        out, error = process.communicate()
    assert process.returncode == 130
    assert error == "error: interrupted; nothing unfinished was left\n"
    assert (out, names(tmp_path)) == ("", ["large.raw"])


def test_a_full_disk(vmforge: Callable[..., Any], image: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from vmforge.images import disk

    def no_room(*arguments: Any, **options: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(disk, "write_stream_optimized", no_room)
    done = vmforge("convert", str(image), "--to", "vmdk")
    assert done.status == 1
    assert done.err.startswith(f"error: no space left in `{image.parent}`")
    assert done.err.endswith("hint: free some space there and try again\n")
