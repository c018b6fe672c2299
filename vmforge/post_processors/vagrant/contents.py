"""What goes into the box of each provider."""

from __future__ import annotations

import shutil
import tarfile
from dataclasses import dataclass
from pathlib import Path

from vmforge.errors import VmforgeError
from vmforge.images.box import hyperv, virtualbox, vmware
from vmforge.images.box.archive import BoxContents
from vmforge.images.box.libvirt import libvirt_box
from vmforge.post_processors.vagrant.config import Provider
from vmforge.sdk import APPLIANCE, Appliance, Artifact, BuildContext, Cancellation, Ui, appliance_of


def default_provider(artifact: Artifact) -> Provider:
    """The provider that an artifact's files are of; libvirt for plain disks."""
    suffixes = _suffixes(artifact)
    if ".vmx" in suffixes:  # which may have an OVF or OVA file of the same machine beside it
        return Provider.VMWARE
    if ".vmcx" in suffixes:
        return Provider.HYPERV
    return Provider.VIRTUALBOX if suffixes & {".ovf", ".ova"} else Provider.LIBVIRT


def described_machine(artifact: Artifact, name: str) -> Appliance:
    """The machine that an artifact is. Of one that was exported as a package the hardware is in the
    package."""
    if ".ova" in _suffixes(artifact) and APPLIANCE not in artifact.state:
        return Appliance(name=name, disks=())
    return appliance_of(artifact, name)


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
        if not self.machine.disks and provider is not Provider.VIRTUALBOX:
            hint = "give the post-processor the machine's disks"
            raise VmforgeError(f"the artifact has no disk image for a `{provider}` box", hint=hint)
        if provider is Provider.LIBVIRT:
            return libvirt_box(*self._place(), architecture=self.architecture)
        suffixes = _suffixes(self.artifact)
        if provider is Provider.HYPERV:
            return self._hyperv_box(suffixes)
        if provider is Provider.VIRTUALBOX:
            if ".ovf" in suffixes:
                return virtualbox.exported_box(self.artifact.files, self.architecture)
            if ".ova" in suffixes:
                return virtualbox.exported_box(self._unpacked(), self.architecture)
            return virtualbox.virtualbox_box(*self._place(), architecture=self.architecture, level=self.level)
        if ".vmx" in suffixes:
            return vmware.exported_box(self.artifact.files, self.architecture)
        return vmware.vmware_box(*self._place(), architecture=self.architecture)

    def _hyperv_box(self, suffixes: set[str]) -> BoxContents:
        if ".vmcx" not in suffixes:
            hint = "build it with `hyperv-iso`, or name what Hyper-V has exported with `artifice`"
            raise VmforgeError("a box for Hyper-V is made of a machine that Hyper-V has exported", hint=hint)
        return hyperv.exported_box(self.artifact.files, self.architecture)

    def _unpacked(self) -> tuple[Path, ...]:
        """The files in an OVA file, in the workspace."""
        package = next(path for path in self.artifact.files if path.suffix.lower() == ".ova")
        try:
            with tarfile.open(package) as members:
                for member in members:
                    source = members.extractfile(member) if "/" not in member.name else None
                    if source is not None:
                        with source, (self.workspace / member.name).open("wb") as target:
                            shutil.copyfileobj(source, target)
        except (OSError, tarfile.TarError) as error:
            raise VmforgeError(f"`{package}` cannot be unpacked: {error}") from error
        return tuple(sorted(path for path in self.workspace.iterdir() if path.is_file()))

    def _place(self) -> tuple[Appliance, Path, Ui, Cancellation]:
        return self.machine, self.workspace, self.context.ui, self.context.cancellation


def _suffixes(artifact: Artifact) -> set[str]:
    return {path.suffix.lower() for path in artifact.files}
