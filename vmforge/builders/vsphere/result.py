"""What becomes of a machine that is off: a snapshot, an export, a content library's item, a template."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pyVmomi import vim

from vmforge.builders.output import OutputDirectory
from vmforge.builders.vsphere import hardware
from vmforge.builders.vsphere.client import Vsphere
from vmforge.builders.vsphere.config import (
    Export,
    LibraryDestination,
    LocationOptions,
    VsphereOptions,
)
from vmforge.builders.vsphere.inventory import Inventory
from vmforge.builders.vsphere.library import Libraries
from vmforge.builders.vsphere.machine import VsphereMachine
from vmforge.builders.vsphere.ovf import export
from vmforge.builders.vsphere.transfer import Transfer
from vmforge.sdk import Artifact, BuildContext

BUILDER_ID = "jetbrains.vsphere"
# Empty notes would be taken for none, which leaves those that are there.
_NOTES = "built by vmforge"


@dataclass(frozen=True)
class VsphereArtifact:
    """A machine or template, and what was exported of it."""

    machine: VsphereMachine | None
    name: str
    datacenter: str
    files: tuple[Path, ...] = ()
    library: str = ""
    data: Mapping[str, str] = field(default_factory=dict)
    builder_id: str = BUILDER_ID

    @property
    def id(self) -> str:
        return self.name

    @property
    def state(self) -> Mapping[str, object]:
        return {
            "generated_data": dict(self.data),
            "vm_name": self.name,
            "datacenter": self.datacenter,
            "content_library_item": self.library,
        }

    def __str__(self) -> str:
        return self.name

    def destroy(self) -> None:
        if self.machine is not None:
            self.machine.delete()
        for path in self.files:
            path.unlink(missing_ok=True)


@dataclass
class Result:
    options: VsphereOptions
    context: BuildContext
    vsphere: Vsphere
    inventory: Inventory
    machine: VsphereMachine
    name: str

    def make(self, host: str, pool: str) -> Artifact:
        """Do all that the options ask for. `host` and `pool` are the API's ids of the machine's own."""
        options = self.options
        self.machine.change(self._tidied(), "tidying the machine up")
        if options.create_snapshot:
            self.machine.snapshot(options.snapshot_name)
        files = self._export(options.export) if options.export is not None else ()
        destination, item = options.content_library_destination, ""
        if destination is not None and not destination.skip_import:
            self.context.ui.message(f"putting it into the content library `{destination.library}`")
            item = self._import(destination, host, pool)
        # with the notes goes the mark of the build: from now on it is an image
        self.machine.change(vim.vm.ConfigSpec(annotation=options.notes or _NOTES))
        if options.convert_to_template:
            self.machine.to_template()
        gone = options.destroy or (destination is not None and destination.destroy and bool(item))
        return VsphereArtifact(
            None if gone else self.machine,
            self.name,
            self.inventory.path,
            files,
            item,
            dict(self.context.data),
        )

    def _tidied(self) -> Any:
        """The changes that take out what was put in for the build."""
        options, devices = self.options, self.machine.devices
        changes: list[Any] = []
        drives = hardware.of_kind(devices, "VirtualCdrom")
        kept = drives[: options.reattach_cdroms]
        for drive in drives:
            if drive not in kept and (options.remove_cdrom or options.reattach_cdroms):
                changes.append(hardware.removed(drive))
                devices.remove(drive)
            else:
                changes.append(hardware.edited(_emptied(drive)))
        missing = options.reattach_cdroms - len(kept)
        if missing > 0:
            changes += hardware.cdroms(options, [""] * missing, hardware.Keys(), devices)
        if options.wants_floppy or options.floppy_img_path:
            changes += [hardware.removed(drive) for drive in hardware.of_kind(devices, "VirtualFloppy")]
        if options.remove_network_adapter:
            changes += [hardware.removed(card) for card in hardware.of_kind(devices, "VirtualEthernetCard")]
        spec = vim.vm.ConfigSpec(deviceChange=changes)
        if not options.boot_order:
            spec.bootOptions = vim.vm.BootOptions(bootOrder=[vim.vm.BootOptions.BootableDevice()])
        return spec

    def _export(self, options: Export) -> tuple[Path, ...]:
        folder = options.output_directory or Path(f"output-{self.context.name}")
        output = OutputDirectory(folder, self.context.force or options.force)
        self.context.steps.enter("Preparing the output directory", output, quiet=True)
        folder.chmod(int(options.directory_permission, 8))
        transfer = Transfer(self.vsphere.access, lambda: self.vsphere.cookie, self.vsphere.cancellation)
        name = options.name or self.name
        export(self.vsphere, transfer, self.machine.entity, options, name, folder, self.context.ui)
        return output.commit()

    def _import(self, destination: LibraryDestination, host: str, pool: str) -> str:
        libraries = Libraries(self.vsphere.access, self.vsphere.cancellation)
        try:
            library = libraries.find(destination.library)
            if destination.ovf:
                spec = {
                    "name": destination.name or self.name,
                    "description": destination.description,
                    "flags": list(destination.ovf_flags),
                }
                return libraries.add_ovf(library, self.machine.id, spec)
            return libraries.add_template(self._template_spec(destination, library, host, pool))
        finally:
            libraries.close()

    def _template_spec(
        self, destination: LibraryDestination, library: str, host: str, pool: str
    ) -> dict[str, Any]:
        folder = self.machine.ask("parent")._moId
        placement = {"folder": folder, "resource_pool": pool, "host": host} | self._placement(destination)
        stamp = time.strftime("%Y%m%d%H%M%S", time.gmtime(self.context.started or time.time()))
        spec: dict[str, Any] = {
            "name": destination.name or f"{self.name}{stamp}",
            "description": destination.description or f"{self.name}, made by vmforge",
            "library": library,
            "source_vm": self.machine.id,
            "placement": {name: value for name, value in placement.items() if value},
        }
        if destination.datastore:
            store = self.inventory.datastore_named(destination.datastore)._moId
            spec["vm_home_storage"] = spec["disk_storage"] = {"datastore": store}
        return spec

    def _placement(self, destination: LibraryDestination) -> dict[str, str]:
        """Where the destination itself says that the template is to be."""
        found: dict[str, str] = {}
        if destination.folder:
            found["folder"] = self.inventory.folder(destination.folder)._moId
        if destination.cluster or destination.host:
            place = LocationOptions(cluster=destination.cluster, host=destination.host)
            compute, host = self.inventory.compute(place)
            found["host"] = host._moId if host is not None else ""
            found["resource_pool"] = self.inventory.pool(compute, destination.resource_pool)._moId
        return found


def _emptied(drive: Any) -> Any:
    drive.backing = vim.vm.device.VirtualCdrom.RemotePassthroughBackingInfo(
        deviceName="", exclusive=False, useAutoDetect=False
    )
    drive.connectable = vim.vm.device.VirtualDevice.ConnectInfo(
        startConnected=False, allowGuestControl=True, connected=False
    )
    return drive
