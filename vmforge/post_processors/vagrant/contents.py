"""What goes into the box of each provider."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from vmforge.images.box import virtualbox, vmware
from vmforge.images.box.archive import BoxContents
from vmforge.images.box.libvirt import libvirt_box
from vmforge.post_processors.vagrant.config import Provider
from vmforge.sdk import Appliance, Artifact, BuildContext, Cancellation, Ui


def default_provider(artifact: Artifact) -> Provider:
    """The provider that an artifact's files are of; libvirt for plain disks."""
    suffixes = _suffixes(artifact)
    if ".ovf" in suffixes:
        return Provider.VIRTUALBOX
    return Provider.VMWARE if ".vmx" in suffixes else Provider.LIBVIRT


@dataclass(frozen=True)
class BoxMaker:
    """Makes the contents of an artifact's boxes, before what the template adds to them. Copies of the
    disks are made in `workspace`; where they are compressed, with `level` from 1 to 9."""

    artifact: Artifact
    machine: Appliance
    architecture: str
    level: int
    workspace: Path
    context: BuildContext

    def make(self, provider: Provider) -> BoxContents:
        """Raises `VmforgeError` when a disk cannot be read or there is no room for the copies."""
        if provider is Provider.LIBVIRT:
            return libvirt_box(*self._place(), architecture=self.architecture)
        suffixes = _suffixes(self.artifact)
        if provider is Provider.VIRTUALBOX:
            if ".ovf" in suffixes:
                return virtualbox.exported_box(self.artifact.files, self.architecture)
            return virtualbox.virtualbox_box(*self._place(), architecture=self.architecture, level=self.level)
        if ".vmx" in suffixes:
            return vmware.exported_box(self.artifact.files, self.architecture)
        return vmware.vmware_box(*self._place(), architecture=self.architecture)

    def _place(self) -> tuple[Appliance, Path, Ui, Cancellation]:
        return self.machine, self.workspace, self.context.ui, self.context.cancellation


def _suffixes(artifact: Artifact) -> set[str]:
    return {path.suffix.lower() for path in artifact.files}
