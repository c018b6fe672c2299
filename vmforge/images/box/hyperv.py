"""Boxes for Hyper-V: an exported machine, in the folders that Hyper-V makes
(https://developer.hashicorp.com/vagrant/docs/providers/hyperv/boxes)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vmforge.images.box.archive import BoxContents, BoxFile
from vmforge.images.box.vagrantfile import vagrantfile

_FOLDERS = ("Virtual Machines", "Virtual Hard Disks")


def exported_box(paths: Sequence[Path], architecture: str) -> BoxContents:
    """The contents of a box of what Hyper-V has exported; its snapshots stay out."""
    files = tuple(
        BoxFile(f"{path.parent.name}/{path.name}", path) for path in paths if path.parent.name in _FOLDERS
    )
    return BoxContents({"provider": "hyperv", "architecture": architecture}, vagrantfile([]), files)
