"""The `export` post-processor on a real disk: its files, what it tells, what it hands on."""

from __future__ import annotations

import random
import re
import subprocess
import tarfile
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from vmforge.errors import HostError, Interrupted, VmforgeError
from vmforge.images import export as module
from vmforge.post_processors.export import ExportPostProcessor
from vmforge.sdk import (
    APPLIANCE,
    Appliance,
    Artifact,
    BuildContext,
    FileArtifact,
    FirmwareKind,
    PostProcessor,
    Size,
    appliance_of,
)
from vmforge.sdk.testing import RecordingUi, configure, fake_context

MIB = 1 << 20
NOISE = random.Random(3).randbytes(300_000)


@pytest.fixture
def artifact(tmp_path: Path) -> FileArtifact:
    """What the qemu builder leaves of a machine with two disks."""
    folder = tmp_path / "output"
    folder.mkdir()
    disks = (folder / "base", folder / "base-1")
    for number, disk in enumerate(disks):
        raw = tmp_path / "raw"
        raw.write_bytes((b"disk %d\n" % number * 50_000 + NOISE).ljust((3 + number) * MIB, b"\0"))
        subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", raw, disk], check=True)
    nvram = folder / "efivars.fd"
    nvram.write_bytes(b"variables")
    appliance = Appliance(
        name="base",
        disks=disks,
        cpus=2,
        memory=Size.parse("512M"),
        firmware=FirmwareKind.UEFI,
        nvram=nvram,
    )
    state = {APPLIANCE: appliance, "diskName": "base"}
    return FileArtifact("transcend.qemu", "VM", (*disks, nvram), "a machine", folder, state)


def export(folder: Path, artifact: Artifact, context: BuildContext | None = None, **options: Any) -> Artifact:
    options.setdefault("output", str(folder / "out" / "web"))
    component = configure(ExportPostProcessor, options)
    assert isinstance(component, PostProcessor)
    processed = component.process(context or fake_context(folder), artifact)
    assert not processed.keep_input and not processed.must_keep
    assert processed.artifact is not None
    return processed.artifact


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def compare(first: Path, second: Path) -> None:
    subprocess.run(["qemu-img", "compare", first, second], check=True)


def test_every_disk_becomes_a_file(tmp_path: Path, artifact: FileArtifact) -> None:
    ui = RecordingUi()
    made = export(tmp_path, artifact, fake_context(tmp_path, ui=ui), format="vmdk")
    out = tmp_path / "out"
    assert made.files == (out / "web.vmdk", out / "web-1.vmdk", out / "web-efivars.fd")
    assert (made.builder_id, made.id) == ("vmforge.post-processor.export", "")
    assert str(made) == f"exported files: {out}/web.vmdk, {out}/web-1.vmdk"
    for source, target in zip(artifact.files, made.files[:2], strict=False):
        compare(source, target)
    (told,) = ui.texts("message")
    assert re.fullmatch(r"`.*web.vmdk`, `.*web-1.vmdk`: [\d.]+ .iB became [\d.]+ .iB; .* sees 7.0 MiB", told)
    assert ui.texts("progress") == [f"Writing {out}/web.vmdk"]


def test_the_machine_is_handed_on_with_its_new_disks(tmp_path: Path, artifact: FileArtifact) -> None:
    made = export(tmp_path, artifact, formats=["raw.gz", "vdi", "qcow2"])
    appliance = appliance_of(made, "base")
    out = tmp_path / "out"
    assert appliance.disks == (out / "web.vdi", out / "web-1.vdi")
    assert appliance.nvram == out / "web-efivars.fd"
    assert appliance.nvram.read_bytes() == b"variables"
    assert (appliance.cpus, appliance.memory, appliance.firmware) == (
        2,
        Size.parse("512M"),
        FirmwareKind.UEFI,
    )
    assert made.state["diskName"] == "base"
    assert len(made.files) == 7


def test_a_chain_of_exports(tmp_path: Path, artifact: FileArtifact) -> None:
    first = export(tmp_path, artifact, format="qcow2", compression="zstd", output=str(tmp_path / "a" / "x"))
    artifact.destroy()
    second = export(tmp_path, first, format="ova", output=str(tmp_path / "b" / "x"))
    assert names(tmp_path / "b") == ["x.ova"]
    with tarfile.open(second.files[0]) as archive:
        assert archive.getnames() == ["x.ovf", "x.mf", "x-disk1.vmdk", "x-disk2.vmdk", "x-efivars.fd"]


def test_an_ova_has_the_hardware_that_is_asked_for(tmp_path: Path, artifact: FileArtifact) -> None:
    more = tmp_path / "README.txt"
    more.write_text("read me")
    made = export(
        tmp_path,
        artifact,
        formats=["ova"],
        output=str(tmp_path / "out" / "{{.BuildName}}-{{.BuilderType}}.ova"),
        cpus=4,
        memory=2048,
        firmware="uefi",
        secure_boot=True,
        guest_os="debian",
        hardware_version=19,
        disk_controller="pvscsi",
        network_adapter="vmxnet3",
        networks=["front", "back"],
        product="Web",
        product_version="1.2",
        product_url="https://example.org/web",
        vendor="Example",
        vendor_url="https://example.org",
        annotation="a note",
        eula="as is",
        manifest_algorithm="sha512",
        include_nvram=False,
        include=[str(more)],
        compression_level=1,
    )
    (path,) = made.files
    assert path == tmp_path / "out" / "base-qemu.ova"
    with tarfile.open(path) as archive:
        assert archive.getnames()[2:] == ["base-qemu-disk1.vmdk", "base-qemu-disk2.vmdk", "README.txt"]
        descriptor, manifest = (archive.extractfile(name) for name in archive.getnames()[:2])
        assert descriptor is not None and manifest is not None
        text = descriptor.read().decode()
        assert manifest.read().startswith(b"SHA512(base-qemu.ovf)= ")
    texts = {element.text for element in ElementTree.fromstring(text.rstrip()).iter() if element.text}
    wanted = {"4", "2048", "vmx-19", "VirtualSCSI", "VmxNet3", "front", "back", "Web", "1.2", "Example"}
    assert wanted | {"a note", "as is", "https://example.org/web", "https://example.org"} <= texts
    assert 'vmw:value="efi"' in text and "debian10_64Guest" in text
    assert 'vmw:key="bootOptions.efiSecureBootEnabled" vmw:value="true"' in text


def test_an_ovf_is_a_folder_of_files(tmp_path: Path, artifact: FileArtifact) -> None:
    made = export(tmp_path, artifact, format="ovf", ovf_version="2.0", hypervisor="virtualbox")
    out = tmp_path / "out"
    assert sorted(path.name for path in made.files) == names(out)
    assert out / "web.ovf" in made.files
    text = (out / "web.ovf").read_text()
    assert "http://schemas.dmtf.org/ovf/envelope/2" in text and "virtualbox" in text


def test_a_signed_package(tmp_path: Path, artifact: FileArtifact) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=test"]
    subprocess.run([*command, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    made = export(
        tmp_path, artifact, format="ova", signing_key=str(key), signing_certificate=str(certificate)
    )
    with tarfile.open(made.files[0]) as archive:
        assert archive.getnames()[:3] == ["web.ovf", "web.mf", "web.cert"]


def test_files_without_a_description_are_disks(tmp_path: Path, artifact: FileArtifact) -> None:
    disk = artifact.files[0]
    plain = FileArtifact("packer.post-processor.artifice", "", (disk,), "files")
    made = export(tmp_path, plain, format="vhd")
    assert made.files == (tmp_path / "out" / "web.vhd",)
    compare(disk, made.files[0])


def test_the_default_output(tmp_path: Path, artifact: FileArtifact, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    component = configure(ExportPostProcessor, {"format": "vhdx"})
    assert isinstance(component, PostProcessor)
    made = component.process(fake_context(tmp_path), artifact).artifact
    assert made is not None
    assert made.files[0] == Path("vmforge_base_qemu.vhdx")


def test_an_export_onto_the_image_itself_is_refused(tmp_path: Path, artifact: FileArtifact) -> None:
    image = artifact.files[0].rename(tmp_path / "output" / "x.qcow2")
    before = image.read_bytes()
    plain = FileArtifact("x", "", (image,), "files")
    with pytest.raises(VmforgeError, match="is the image itself"):
        export(tmp_path, plain, format="qcow2", output=str(tmp_path / "output" / "x"))
    assert image.read_bytes() == before


def test_a_failure_leaves_nothing(
    tmp_path: Path, artifact: FileArtifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the formats before, nor the disks before."""
    written = []

    def fail(job: Any) -> None:
        if len(written) == 3:
            raise HostError("no space left")
        job.target.parent.mkdir(exist_ok=True)
        job.target.write_text("x")
        written.append(job.target)

    monkeypatch.setattr(module, "write_disk", fail)
    with pytest.raises(HostError, match="no space left"):
        export(tmp_path, artifact, formats=["vdi", "vhdx"])
    assert len(written) == 3
    assert names(tmp_path / "out") == []
    assert len(names(tmp_path / "output")) == 3


@pytest.mark.parametrize("format", ["vmdk", "qcow2", "ova", "raw.gz"])
def test_interrupted(tmp_path: Path, artifact: FileArtifact, format: str) -> None:
    context = fake_context(tmp_path)
    context.cancellation.cancel()
    with pytest.raises(Interrupted):
        export(tmp_path, artifact, context, format=format)
    assert not (tmp_path / "out").exists() or names(tmp_path / "out") == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "no format is named"),
        ({"format": "vid"}, "`vid`"),
        ({"formats": ["qcow2"], "output": ""}, "`output` is empty"),
        ({"formats": ["qcow2"], "output": "{{.Nothing}}"}, "Nothing"),
        ({"formats": ["qcow2"], "compression_level": 10}, "`compression_level` is 10"),
        ({"formats": ["ova"], "signing_key": "key.pem"}, "`signing_key` is of no use without"),
        ({"formats": ["ova"], "signing_certificate": "c.pem"}, "`signing_certificate` is of no use without"),
    ],
)
def test_options_that_make_no_sense(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        configure(ExportPostProcessor, options)


def test_a_missing_program(tmp_path: Path, artifact: FileArtifact, monkeypatch: pytest.MonkeyPatch) -> None:
    component = ExportPostProcessor(configure(ExportPostProcessor, {"formats": ["raw.gz"]}).config)
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(HostError, match="`qemu-img` is not installed"):
        component.process(fake_context(tmp_path), artifact)
