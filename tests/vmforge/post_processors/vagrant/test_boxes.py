"""The boxes that `vagrant` makes, taken apart; tests/integration/test_vagrant.py gives one to Vagrant."""

from __future__ import annotations

import gzip
import os
import re
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest

from tests.vmforge.post_processors.vagrant.conftest import (
    MIB,
    Process,
    make_disk,
    same_disk,
    unpack,
)
from vmforge.errors import Interrupted, VmforgeError
from vmforge.hypervisor import disks
from vmforge.post_processors.vagrant import VagrantPostProcessor
from vmforge.post_processors.vagrant.boxes import BOXES, Box, boxes_of
from vmforge.sdk import Cancellation, FileArtifact, FirmwareKind, PostProcessor
from vmforge.sdk.testing import RecordingUi, configure, fake_context

OVMF_SIZE = 540672


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    return make_disk(tmp_path / "base.qcow2")


def test_a_disk_for_libvirt(tmp_path: Path, disk: Path, process: Process, ui: RecordingUi) -> None:
    processed = process([disk])
    (box,) = processed.artifact.files if processed.artifact else ()
    assert str(box) == "packer_base_libvirt_amd64.box"
    found = unpack(box, tmp_path / "box")
    assert found.names == ["metadata.json", "Vagrantfile", "box.img"]
    assert found.metadata == {
        "provider": "libvirt",
        "architecture": "amd64",
        "format": "qcow2",
        "virtual_size": 1,
        "disks": [{"path": "box.img", "format": "qcow2"}],
    }
    assert (found.folder / "box.img").read_bytes() == disk.read_bytes()
    assert ui.texts("progress") == ["Packing packer_base_libvirt_amd64.box"]
    assert ui.texts("message")[0].startswith("`packer_base_libvirt_amd64.box`: 1.")


def test_the_artifact(disk: Path, process: Process) -> None:
    processed = process([disk])
    assert not processed.keep_input
    assert not processed.must_keep
    assert processed.artifact is not None
    box = Path("packer_base_libvirt_amd64.box")
    assert processed.artifact.builder_id == "mitchellh.post-processor.vagrant"
    assert processed.artifact.id == "libvirt"
    assert str(processed.artifact) == f"'libvirt' provider box: {box}"
    assert boxes_of(processed.artifact) == (Box(box, "libvirt", "amd64"),)
    processed.artifact.destroy()
    assert not box.exists()


def test_several_disks(tmp_path: Path, disk: Path, process: Process) -> None:
    data = make_disk(tmp_path / "data.qcow2", size=3 * MIB, seed=2)
    process([disk, data], {"output": "x.box"})
    found = unpack(tmp_path / "x.box", tmp_path / "box")
    assert found.metadata["disks"] == [
        {"path": "box.img", "format": "qcow2"},
        {"path": "box_1.img", "format": "qcow2"},
    ]
    assert same_disk(found.folder / "box_1.img", data)


@pytest.mark.parametrize(("mebibytes", "gibibytes"), [(1024, 1), (1025, 2), (1500, 2), (5, 1)])
def test_sizes_are_rounded_up(tmp_path: Path, process: Process, mebibytes: int, gibibytes: int) -> None:
    """Vagrant cuts off what is beyond the size that the box states."""
    disk = tmp_path / "d.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", disk, f"{mebibytes}M"], check=True)
    process([disk], {"output": "x.box"})
    assert unpack(tmp_path / "x.box", tmp_path / "box").metadata["virtual_size"] == gibibytes


@pytest.mark.parametrize("format", ["raw", "vmdk", "layer"])
def test_a_disk_becomes_a_qcow2_of_its_own(
    tmp_path: Path, disk: Path, process: Process, ui: RecordingUi, format: str
) -> None:
    """Vagrant refuses other formats, and takes an image with another below it, which it does not have."""
    given = tmp_path / f"given.{format}"
    if format == "layer":
        arguments = ["create", "-q", "-f", "qcow2", "-b", str(disk), "-F", "qcow2", str(given)]
    else:
        arguments = ["convert", "-O", format, str(disk), str(given)]
    subprocess.run(["qemu-img", *arguments], check=True)
    process([given], {"output": "x.box"})
    found = unpack(tmp_path / "x.box", tmp_path / "box").folder / "box.img"
    seen = disks.info(found, Cancellation())
    assert (seen.format, seen.backing) == ("qcow2", None)
    assert same_disk(found, disk)
    assert f"Converting given.{format} to qcow2" in ui.texts("progress")
    assert [path.name for path in tmp_path.iterdir() if "partial" in path.name] == []


def ruby(text: str) -> None:
    """Have Ruby look at a Vagrantfile, where there is one."""
    if shutil.which("ruby"):
        subprocess.run(["ruby", "-c"], input=text, text=True, check=True, stdout=subprocess.DEVNULL)


@pytest.mark.parametrize("accelerator", ["kvm", "tcg"])
def test_libvirts_vagrantfile(tmp_path: Path, disk: Path, process: Process, accelerator: str) -> None:
    process([disk], {"output": "x.box"}, accelerator=accelerator, disk_bus="sata", network_model="e1000")
    text = unpack(tmp_path / "x.box", tmp_path / "box").vagrantfile
    assert 'libvirt.driver = kvm ? "kvm" : "qemu"' in text
    assert "libvirt.disk_bus = 'sata'" in text
    assert "libvirt.nic_model_type = 'e1000'" in text
    assert "nvram" not in text
    ruby(text)


def test_uefi_variables_go_along(tmp_path: Path, disk: Path, process: Process) -> None:
    variables = tmp_path / "efivars.fd"
    variables.write_bytes(bytes(OVMF_SIZE))
    process([disk], {"output": "x.box"}, firmware=FirmwareKind.UEFI, nvram=variables)
    found = unpack(tmp_path / "x.box", tmp_path / "box")
    assert found.names[-1] == "efivars.fd"
    assert (found.folder / "efivars.fd").stat().st_size == OVMF_SIZE
    assert "libvirt.loader = ['/usr/share/OVMF/OVMF_CODE_4M.fd', " in found.vagrantfile
    assert 'libvirt.nvram = File.expand_path("efivars.fd", __dir__)' in found.vagrantfile
    ruby(found.vagrantfile)


def test_one_disk_for_three_clients(tmp_path: Path, disk: Path, process: Process) -> None:
    providers = ["libvirt", "virtualbox", "vmware_desktop"]
    processed = process([disk], {"providers": providers})
    assert processed.artifact is not None
    assert processed.artifact.id == ",".join(providers)
    boxes = [unpack(path, tmp_path / path.stem) for path in processed.artifact.files]
    assert [box.metadata["provider"] for box in boxes] == providers
    for box in boxes:
        ruby(box.vagrantfile)
        for image in [*box.folder.glob("*.vmdk"), *box.folder.glob("*.img")]:
            assert same_disk(image, disk)
    state = processed.artifact.state[BOXES]
    assert isinstance(state, tuple)
    assert [box.provider for box in state] == providers


def test_virtualboxs_box(tmp_path: Path, disk: Path, process: Process) -> None:
    process([disk], {"provider_override": "virtualbox", "output": "x.box"}, cpus=3)
    box = unpack(tmp_path / "x.box", tmp_path / "box")
    assert sorted(box.names[2:]) == ["box-disk1.vmdk", "box.ovf"]
    kind = subprocess.run(
        ["qemu-img", "info", box.folder / "box-disk1.vmdk"], capture_output=True, text=True, check=True
    )
    assert "streamOptimized" in kind.stdout
    mac = re.search(r"config.vm.base_mac = '(080027[0-9A-F]{6})'", box.vagrantfile)
    assert mac
    descriptor = (box.folder / "box.ovf").read_text()
    assert ":".join(re.findall("..", mac[1])) in descriptor
    assert 'ovf:href="box-disk1.vmdk"' in descriptor


def test_vmwares_box(tmp_path: Path, disk: Path, process: Process) -> None:
    process([disk], {"provider_override": "vmware", "output": "{{ .Provider }}.box"})
    box = unpack(tmp_path / "vmware.box", tmp_path / "box")
    assert box.metadata == {"provider": "vmware_desktop", "architecture": "amd64"}
    kind = subprocess.run(
        ["qemu-img", "info", box.folder / "disk1.vmdk"], capture_output=True, text=True, check=True
    )
    assert "monolithicSparse" in kind.stdout
    assert '"disk1.vmdk"' in (box.folder / "box.vmx").read_text()


def test_what_virtualbox_exported(tmp_path: Path, disk: Path, process: Process) -> None:
    """As in Packer, where `artifice` names the files of a VirtualBox build."""
    descriptor = tmp_path / "vm.ovf"
    descriptor.write_text('<Envelope><Adapter MACAddress="080027ABCDEF"/></Envelope>')
    vmdk, sums = tmp_path / "vm-disk001.vmdk", tmp_path / "vm.mf"
    subprocess.run(["qemu-img", "convert", "-O", "vmdk", disk, vmdk], check=True)
    sums.write_text("SHA1 ...")
    process([vmdk, descriptor, sums], {"output": "x.box"}, plain=True)
    box = unpack(tmp_path / "x.box", tmp_path / "box")
    assert box.names[2:] == ["vm-disk001.vmdk", "box.ovf"]
    assert "config.vm.base_mac = '080027ABCDEF'" in box.vagrantfile


def test_what_virtualbox_packed(tmp_path: Path, process: Process) -> None:
    (tmp_path / "vm.ovf").write_text('<Envelope><Adapter MACAddress="080027ABCDEF"/></Envelope>')
    (tmp_path / "vm-disk001.vmdk").write_text("disk")
    with tarfile.open(tmp_path / "vm.ova", "w") as package:
        for name in ("vm.ovf", "vm-disk001.vmdk"):
            package.add(tmp_path / name, name)
    process([tmp_path / "vm.ova"], {"output": "x.box"}, plain=True)
    box = unpack(tmp_path / "x.box", tmp_path / "box")
    assert sorted(box.names[2:]) == ["box.ovf", "vm-disk001.vmdk"]
    assert box.metadata["provider"] == "virtualbox"


def test_what_hyperv_exported(tmp_path: Path, process: Process) -> None:
    files = []
    for name in ("Virtual Machines/A.vmcx", "Virtual Hard Disks/vm.vhdx", "Snapshots/B.vmcx"):
        path = tmp_path / name
        path.parent.mkdir()
        path.write_text(name)
        files.append(path)
    process(files, {"output": "x.box"}, plain=True)
    box = unpack(tmp_path / "x.box", tmp_path / "box")
    assert box.metadata == {"provider": "hyperv", "architecture": "amd64"}
    assert box.names[2:] == ["Virtual Machines/A.vmcx", "Virtual Hard Disks/vm.vhdx"]


def test_a_box_for_hyperv_is_hypervs_own(disk: Path, process: Process) -> None:
    with pytest.raises(VmforgeError, match="is made of a machine that Hyper-V has exported"):
        process([disk], {"provider_override": "hyperv", "override": {"hyperv": {"output": "x.box"}}})


def test_what_is_packed_is_no_box_of_another_provider(tmp_path: Path, process: Process) -> None:
    (tmp_path / "vm.ova").write_text("")
    with pytest.raises(VmforgeError, match="has no disk image for a `libvirt` box"):
        process([tmp_path / "vm.ova"], {"provider_override": "libvirt"}, plain=True)


def test_what_vmware_left(tmp_path: Path, disk: Path, process: Process) -> None:
    names = ["vm.vmx", "vm.nvram", "vmware.log"]
    for name in names:
        (tmp_path / name).write_text(name)
    files = [tmp_path / name for name in names]
    vmdk = tmp_path / "disk.vmdk"
    subprocess.run(["qemu-img", "convert", "-O", "vmdk", disk, vmdk], check=True)
    process([*files, vmdk], {"output": "x.box"}, plain=True)
    assert unpack(tmp_path / "x.box", tmp_path / "box").names[2:] == ["vm.vmx", "vm.nvram", "disk.vmdk"]


def test_what_the_template_adds(tmp_path: Path, disk: Path, process: Process) -> None:
    (tmp_path / "notes.txt").write_text("notes")
    (tmp_path / "mine.rb").write_text(
        "# {{ .Provider }} {{ .BuildName }} {{ .Architecture }} {{ .ArtifactId }}\n"
    )
    options = {
        "output": "{{ .BuildName }}-{{ .Provider }}-{{ .Architecture }}-{{ .ArtifactId }}.box",
        "include": ["notes.txt"],
        "vagrantfile_template": "mine.rb",
        "architecture": "arm64",
    }
    process([disk], options)
    box = unpack(tmp_path / "base-libvirt-arm64-VM.box", tmp_path / "box")
    assert box.names[-1] == "notes.txt"
    assert box.vagrantfile.endswith("end\n\n# libvirt base arm64 VM\n")
    assert box.metadata["architecture"] == "arm64"


@pytest.mark.parametrize("name", ["libvirt", "virtualbox", "vmware", "vmware_desktop"])
def test_overrides(tmp_path: Path, disk: Path, process: Process, name: str) -> None:
    (tmp_path / "other").write_text("other")
    (tmp_path / "other.rb").write_text("# other")
    other = {
        "output": "other.box",
        "compression_level": 0,
        "include": ["other"],
        "vagrantfile_template": "other.rb",
        "vagrantfile_template_generated": True,
        "architecture": "mips",
    }
    process([disk], {"provider_override": name, "override": {name: other, "aws": {"output": "a"}}})
    box = unpack(tmp_path / "other.box", tmp_path / "box")
    assert box.names[-1] == "other"
    assert box.metadata["architecture"] == "mips"
    assert box.vagrantfile.endswith("# other\n")
    assert (tmp_path / "other.box").read_bytes()[257:262] == b"ustar"


@pytest.mark.parametrize(
    "provider",
    ["aws", "azure", "digitalocean", "docker", "file", "google", "lxc", "parallels", "scaleway"],
)
def test_overrides_of_packers_other_providers(
    tmp_path: Path, disk: Path, process: Process, provider: str
) -> None:
    process([disk], {"output": "x.box", "override": {provider: {"output": "y.box"}}})
    assert (tmp_path / "x.box").exists()
    assert not (tmp_path / "y.box").exists()


@pytest.mark.parametrize(("level", "smaller"), [(1, 6), (6, 9), (-1, 9)])
def test_compression_levels(tmp_path: Path, process: Process, level: int, smaller: int) -> None:
    disk = tmp_path / "d.raw"
    disk.write_bytes(
        b"".join(path.read_bytes() for path in sorted(Path("/usr/share/common-licenses").iterdir()))
    )
    disk.write_bytes(disk.read_bytes() + bytes(-disk.stat().st_size % 512))
    sizes = []
    for number in (level, smaller):
        process([disk], {"output": f"{number}.box", "compression_level": number})
        sizes.append((tmp_path / f"{number}.box").stat().st_size)
    assert sizes[0] > sizes[1]


@pytest.mark.parametrize(
    ("name", "magic"), [("x.box", b"\x1f\x8b"), ("x.box.zst", b"(\xb5/\xfd"), ("x.box.xz", b"\xfd7zXZ")]
)
def test_compressions(tmp_path: Path, disk: Path, process: Process, name: str, magic: bytes) -> None:
    process([disk], {"output": name})
    assert (tmp_path / name).read_bytes().startswith(magic)


def test_equal_disks_make_equal_boxes(tmp_path: Path, disk: Path, process: Process) -> None:
    for name in ("a.box", "b.box"):
        process([disk], {"output": name})
    assert gzip.decompress((tmp_path / "a.box").read_bytes())[:13] == b"metadata.json"
    assert (tmp_path / "a.box").read_bytes() == (tmp_path / "b.box").read_bytes()


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"output": ""}, "`output` is empty"),
        ({"output": "{{ .Providr }}"}, "did you mean `.Provider`?"),
        ({"output": "x.zip"}, "a box is no zip archive"),
        ({"compression_level": 10}, "`compression_level` is 10"),
        ({"vagrantfile_template": "gone.rb"}, "there is no file `gone.rb`"),
        ({"override": {"libvirt": {"vagrantfile_template": "gone.rb"}}}, "there is no file `gone.rb`"),
        ({"override": {"libvrt": {}}}, "unknown option `libvrt`"),
        ({"providers": ["libvirt"], "provider_override": "libvirt"}, "say the same thing"),
        ({"providers": ["vmware", "vmware_desktop"]}, "`providers` names a provider twice"),
        ({"providers": ["libvirt", "virtualbox"], "output": "x.box"}, "is the same for every provider"),
        ({"provider_override": "parallels"}, "`parallels` is none of `libvirt`"),
    ],
)
def test_wrong_options(options: dict[str, Any], expected: str) -> None:
    with pytest.raises(ValueError, match=re.escape(expected)):
        configure(VagrantPostProcessor, options)


def test_a_generated_vagrantfile_may_be_missing_at_first(
    tmp_path: Path, disk: Path, process: Process
) -> None:
    options = {"vagrantfile_template": "made.rb", "vagrantfile_template_generated": True, "output": "x.box"}
    with pytest.raises(VmforgeError, match=r"`vagrantfile_template` `made\.rb` cannot be read"):
        process([disk], options)
    assert not (tmp_path / "x.box").exists()
    (tmp_path / "made.rb").write_text("# made")
    process([disk], options)
    assert "# made" in unpack(tmp_path / "x.box", tmp_path / "box").vagrantfile


@pytest.mark.parametrize("name", ["metadata.json", "Vagrantfile", "box.img"])
def test_files_that_the_box_has_already(tmp_path: Path, disk: Path, process: Process, name: str) -> None:
    (tmp_path / name).write_text("mine")
    with pytest.raises(VmforgeError, match=f"`include` holds `{name}`, but the box has"):
        process([disk], {"include": [name]})


def test_a_wrong_template_of_the_vagrantfile(tmp_path: Path, disk: Path, process: Process) -> None:
    (tmp_path / "t.rb").write_text("{{ .Nothing }}")
    with pytest.raises(VmforgeError, match=r"`vagrantfile_template` `t\.rb`: "):
        process([disk], {"vagrantfile_template": "t.rb"})


def test_an_artifact_without_disks(tmp_path: Path, process: Process) -> None:
    (tmp_path / "a.txt").write_text("a")
    (tmp_path / "b.txt").write_text("b")
    with pytest.raises(VmforgeError, match="there is no disk image in the artifact of `base`"):
        process([tmp_path / "a.txt", tmp_path / "b.txt"], plain=True)


def test_the_artifacts_own_disk_is_not_written(disk: Path, process: Process) -> None:
    before = disk.read_bytes()
    with pytest.raises(VmforgeError, match="`output` is the artifact's own file"):
        process([disk], {"output": str(disk)})
    assert disk.read_bytes() == before


def test_cancellation_leaves_nothing(tmp_path: Path, disk: Path) -> None:
    component = configure(VagrantPostProcessor, {"output": str(tmp_path / "x.box")})
    assert isinstance(component, PostProcessor)
    cancellation = Cancellation()
    cancellation.cancel()
    before = set(tmp_path.iterdir())
    with pytest.raises(Interrupted):
        component.process(
            fake_context(tmp_path, cancellation=cancellation), FileArtifact("x", "VM", (disk,), "a disk")
        )
    assert set(tmp_path.iterdir()) == before


def test_a_full_disk_leaves_the_old_box(
    tmp_path: Path, disk: Path, process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "x.box").write_text("old")

    real = os.fdopen

    def full(descriptor: int, *arguments: Any, **options: Any) -> Any:
        if arguments[:1] == ("wb",):
            with Path("/dev/full").open("wb", buffering=0) as device:
                os.dup2(device.fileno(), descriptor)
        return real(descriptor, *arguments, **options)

    monkeypatch.setattr("vmforge.images.staging.os.fdopen", full)
    with pytest.raises(VmforgeError, match="no space left") as caught:
        process([disk], {"output": "x.box"})
    assert "run the post-processor `vagrant` again" in caught.value.hint
    assert (tmp_path / "x.box").read_text() == "old"
