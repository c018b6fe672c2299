"""Boxes for VirtualBox: an OVF descriptor with compressed disks, which Vagrant imports as `box.ovf`
(https://developer.hashicorp.com/vagrant/docs/providers/virtualbox/boxes)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

from vmforge.images.box.architectures import vagrant_architecture
from vmforge.images.box.archive import BoxContents, BoxFile
from vmforge.images.box.vagrantfile import quote, vagrantfile
from vmforge.images.hardware import Hypervisor
from vmforge.images.ova import PackageOptions, write_ovf_folder
from vmforge.images.ovf import OvfOptions
from vmforge.sdk import Appliance, Cancellation, Ui

DESCRIPTOR = "box.ovf"
_VENDOR = "080027"  # of VirtualBox's network cards
_MAC = re.compile(r'MACAddress="([0-9A-Fa-f]{12})"')
_LEFT_OUT = {".mf", ".cert"}  # made for other names


def virtualbox_box(
    appliance: Appliance,
    workspace: Path,
    ui: Ui,
    cancellation: Cancellation,
    *,
    architecture: str = "",
    level: int = 6,
    writer: str = "vagrant",
) -> BoxContents:
    """The contents of a box for VirtualBox, whose disks are written into `workspace`."""
    mac = _mac_address(appliance)
    pairs = ":".join(mac[start : start + 2] for start in range(0, len(mac), 2))
    ovf = OvfOptions(target=Hypervisor.VIRTUALBOX, mac_address=pairs)
    options = PackageOptions(ovf=ovf, level=level, nvram=False, writer=writer)
    paths = write_ovf_folder(workspace / DESCRIPTOR, appliance, options, ui, cancellation)
    files = tuple(BoxFile(path.name, path) for path in paths if path.suffix not in _LEFT_OUT)
    return _contents(architecture or vagrant_architecture(appliance.architecture), mac, files)


def exported_box(paths: Sequence[Path], architecture: str) -> BoxContents:
    """The contents of a box of what VirtualBox itself has exported: a descriptor and its disks."""
    files = tuple(
        BoxFile(DESCRIPTOR if path.suffix.lower() == ".ovf" else path.name, path)
        for path in paths
        if path.suffix.lower() not in _LEFT_OUT
    )
    text = next(file.path for file in files if file.name == DESCRIPTOR).read_text(encoding="utf-8")
    stated = _MAC.search(text)
    return _contents(architecture, stated[1] if stated else "", files)


def _contents(architecture: str, mac: str, files: tuple[BoxFile, ...]) -> BoxContents:
    # Vagrant gives this address to the machine's first card, as the guest may know its card by it
    settings = [f"config.vm.base_mac = {quote(mac)}"] if mac else []
    metadata = {"provider": "virtualbox", "architecture": architecture}
    return BoxContents(metadata, vagrantfile(settings), files)


def _mac_address(appliance: Appliance) -> str:
    return _VENDOR + hashlib.sha256(appliance.name.encode()).hexdigest()[:6].upper()
