"""Boxes for VMware Workstation and Fusion: a `.vmx` file with growing disks
(https://developer.hashicorp.com/vagrant/docs/providers/vmware/boxes)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vmforge.images.box.architectures import vagrant_architecture
from vmforge.images.box.archive import BoxContents, BoxFile
from vmforge.images.box.conversion import convert
from vmforge.images.box.vagrantfile import vagrantfile
from vmforge.images.hardware import DiskController, Hypervisor, disk_controller
from vmforge.images.vmx import VmxOptions, vmx_text
from vmforge.sdk import Appliance, Cancellation, Ui

# What the plug-in wants of a machine's files; logs and locks are not among them.
_SUFFIXES = {".nvram", ".vmdk", ".vmsd", ".vmx", ".vmxf"}


def vmware_box(
    appliance: Appliance,
    workspace: Path,
    ui: Ui,
    cancellation: Cancellation,
    *,
    architecture: str = "",
) -> BoxContents:
    """The contents of a box for VMware, whose disks are written into `workspace`."""
    options = VmxOptions()
    ide = disk_controller(appliance, options, Hypervisor.VMWARE) is DiskController.IDE
    # clones refer to the box's disk, which stream-optimized disks cannot be used for
    kind = f"subformat=monolithicSparse,adapter_type={'ide' if ide else 'lsilogic'}"
    files = []
    for number, disk in enumerate(appliance.disks, 1):
        target = workspace / f"disk{number}.vmdk"
        convert(disk, target, "vmdk", ui, cancellation, extra=("-o", kind))
        files.append(BoxFile(target.name, target))
    descriptor = workspace / "box.vmx"
    descriptor.write_text(vmx_text(appliance, [file.name for file in files], options), encoding="utf-8")
    found = architecture or vagrant_architecture(appliance.architecture)
    return _contents(found, (BoxFile(descriptor.name, descriptor), *files))


def exported_box(paths: Sequence[Path], architecture: str) -> BoxContents:
    """The contents of a box of a machine's own files."""
    files = tuple(BoxFile(path.name, path) for path in paths if path.suffix.lower() in _SUFFIXES)
    return _contents(architecture, files)


def _contents(architecture: str, files: tuple[BoxFile, ...]) -> BoxContents:
    metadata = {"provider": "vmware_desktop", "architecture": architecture}
    return BoxContents(metadata, vagrantfile([]), files)
