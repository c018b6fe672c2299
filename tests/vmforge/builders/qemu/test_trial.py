"""A finished image booted for a test: the same machine on an overlay, without what installed it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from vmforge.builders.qemu.config import DiskFormat, QemuConfig
from vmforge.builders.qemu.hardware import Media, domain_spec
from vmforge.builders.qemu.trial import trial_config
from vmforge.errors import VmforgeError
from vmforge.hypervisor.domain import domain_xml
from vmforge.sdk import Appliance

MakeConfig = Callable[..., QemuConfig]


def test_nothing_is_installed_again(qemu: MakeConfig, tmp_path: Path) -> None:
    config = qemu(
        iso_urls=["a", "b"],
        iso_url="",
        boot_command=["<enter>"],
        http_content={"/a": "b"},
        cd_content={"a": "b"},
        minimise="zero",
        format="raw",
        cpus=2,
        memory=1024,
        cloud_init={},
    )
    trial = trial_config(config, Appliance(name="web", disks=(tmp_path / "disk",), nvram=tmp_path / "vars"))
    assert trial.iso_url == str(tmp_path / "disk") and trial.iso_urls == ()
    assert trial.disk_image and trial.use_backing_file and trial.skip_resize_disk
    assert trial.format is DiskFormat.QCOW2 and not trial.compacts
    assert trial.steps == () and not trial.serves and not trial.wants_cd
    assert trial.efi_firmware_vars == tmp_path / "vars"
    assert (trial.cpus, trial.memory, trial.cloud_init) == (2, 1024, config.cloud_init)


def test_one_disk_only(qemu: MakeConfig, tmp_path: Path) -> None:
    appliance = Appliance(name="web", disks=(tmp_path / "a", tmp_path / "b"))
    with pytest.raises(VmforgeError, match="several disks"):
        trial_config(qemu(), appliance)


@pytest.mark.parametrize(
    ("machine", "interface", "expected"),
    [
        ("q35", "virtio", 'device="disk"'),
        ("pc", "virtio", 'device="disk"'),
        ("pc", "ide", 'device="cdrom"'),
        ("q35", "sata", 'device="cdrom"'),
    ],
)
def test_guests_see_the_seed_as_they_see_their_disk(
    qemu: MakeConfig, tmp_path: Path, machine: str, interface: str, expected: str
) -> None:
    """Kernels made for clouds have virtio, and some of them no AHCI, which is all that q35 has for CDs."""
    config = qemu(machine_type=machine, disk_interface=interface, disk_image=True)
    seed = tmp_path / "seed.iso"
    media = Media((tmp_path / "disk",), DiskFormat.QCOW2, (), None, None, tmp_path / "log", seed)
    xml = domain_xml(domain_spec(config, media, "tcg"))
    before = xml[: xml.index(str(seed))].rindex("<disk ")
    element = xml[before : xml.index("</disk>", before)]
    assert expected in element and "<readonly" in element
