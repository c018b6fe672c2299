"""What a clone is made of: another machine, or an OVA; and how it comes to differ from that."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

from pyVmomi import vim

from vmforge.builders.iso import HeldIso, IsoOptions
from vmforge.builders.vsphere import hardware
from vmforge.builders.vsphere.client import Vsphere
from vmforge.builders.vsphere.config import DiskController, NetworkAdapter, RemoteSource, VsphereCloneConfig
from vmforge.builders.vsphere.customization import customization
from vmforge.builders.vsphere.inventory import Inventory
from vmforge.builders.vsphere.machine import VsphereMachine
from vmforge.builders.vsphere.ovf import Destination, OvfSource, import_ovf
from vmforge.builders.vsphere.transfer import Transfer
from vmforge.errors import VmforgeError
from vmforge.sdk import BuildContext

Backing = Callable[[str], Any]


@dataclass
class Origin:
    config: VsphereCloneConfig
    context: BuildContext
    vsphere: Vsphere
    inventory: Inventory
    name: str

    def clone(self, folder: Any, pool: Any, datastore: Any, host: Any, notes: str) -> Any:
        """A clone of the template, with these notes; the API's object."""
        entity = self.inventory.machine(self.config.template)
        if entity is None:
            raise VmforgeError(
                f"vsphere: there is no template `{self.config.template}`", hint="see `template`"
            )
        machine = VsphereMachine(self.vsphere, entity)
        place = vim.vm.RelocateSpec(pool=pool, datastore=datastore, host=host)
        spec = vim.vm.CloneSpec(
            location=place,
            powerOn=False,
            template=False,
            config=vim.vm.ConfigSpec(annotation=notes, vAppConfig=self._vapp(machine)),
            customization=self._customization(),
        )
        if self.config.linked_clone:
            spec.snapshot = machine.ask("snapshot", "currentSnapshot")
            if spec.snapshot is None:
                hint = "build it with `create_snapshot = true`, or leave `linked_clone` out"
                raise VmforgeError(f"vsphere: `{self.config.template}` has no snapshot", hint=hint)
            place.diskMoveType = "createNewChildDiskBacking"
        return self.vsphere.run(lambda: entity.CloneVM_Task(folder, self.name, spec), "cloning the machine")

    def deploy(self, folder: Any, pool: Any, datastore: Any, host: Any, network: Any, notes: str) -> Any:
        """A machine made of the remote OVA; the API's object."""
        assert self.config.remote_source is not None
        medium = remote_medium(self.config.remote_source)
        retrieved = self.context.steps.enter("Retrieving the OVA", HeldIso(medium, self.context))
        transfer = Transfer(self.vsphere.access, lambda: self.vsphere.cookie, self.vsphere.cancellation)
        vapp = self.config.vapp
        where = Destination(
            pool,
            datastore,
            folder,
            host,
            {None: network},
            deployment=vapp.deployment_option if vapp else "",
            properties=vapp.properties if vapp else {},
        )
        source = OvfSource(_named_ova(retrieved.path, self.context.scratch))
        return import_ovf(self.vsphere, transfer, source, self.name, notes, where, self.context.ui)

    def adapt(self, machine: VsphereMachine, backing: Backing, isos: Sequence[str], floppy: str) -> None:
        """Change the clone's hardware as the options have it."""
        spec = vim.vm.ConfigSpec()
        hardware.configure(spec, self.config)
        devices, keys = machine.devices, hardware.Keys()
        spec.deviceChange = [
            *self._larger_disk(devices),
            *self._more_disks(devices, keys),
            *self._cards(devices, backing, keys),
            *hardware.cdroms(self.config, isos, keys, devices),
            *self._floppy(devices, floppy, keys),
            *hardware.further(self.config, keys, devices),
        ]
        machine.change(spec)

    def _customization(self) -> Any:
        block = self.config.customize
        if block is None:
            return None
        sysprep = block.windows_sysprep_text
        if block.windows_sysprep_file is not None:
            sysprep = block.windows_sysprep_file.read_text(encoding="utf-8")
        return customization(block, self.name, sysprep)

    def _vapp(self, machine: VsphereMachine) -> Any:
        """The values of the properties that the template has."""
        wanted = dict(self.config.vapp.properties) if self.config.vapp else {}
        if not wanted:
            return None
        known = {one.id: one for one in machine.ask("config", "vAppConfig", "property") or ()}
        if strange := sorted(set(wanted) - set(known)):
            listed = ", ".join(f"`{name}`" for name in sorted(known))
            hint = f"known are {listed}" if known else "it was not made of an OVF"
            raise VmforgeError(f"vsphere: the template has no vApp property `{strange[0]}`", hint=hint)
        changed = [
            vim.vApp.PropertySpec(
                operation="edit", info=vim.vApp.PropertyInfo(key=known[name].key, id=name, value=value)
            )
            for name, value in wanted.items()
        ]
        return vim.vApp.VmConfigSpec(property=changed)

    def _larger_disk(self, devices: Iterable[Any]) -> Iterator[Any]:
        size = self.config.disk_size
        if size is None:
            return
        disks = hardware.of_kind(devices, "VirtualDisk")
        if not disks:
            raise VmforgeError(
                "vsphere: the origin has no disk that could be made larger", hint="see `disk_size`"
            )
        if size.bytes // 1024 < disks[0].capacityInKB:
            hint = f"its disk has {disks[0].capacityInKB // 1024} MiB"
            raise VmforgeError("vsphere: `disk_size` is smaller than the origin's disk", hint=hint)
        disks[0].capacityInKB = size.bytes // 1024
        disks[0].capacityInBytes = size.bytes
        yield hardware.edited(disks[0])

    def _more_disks(self, devices: Sequence[Any], keys: hardware.Keys) -> Iterator[Any]:
        if not self.config.storage:
            return
        kinds = self.config.disk_controller_type
        if kinds:
            taken = [one.busNumber for one in hardware.of_kind(devices, "VirtualSCSIController")]
            first = max(taken, default=-1) + 1
            changes = hardware.disks(kinds, self.config.storage, keys)
            for number, change in zip(count(first), changes[: len(kinds)], strict=False):
                change.device.busNumber = number
            yield from changes
            return
        owners = hardware.of_kind(devices, "VirtualSCSIController")
        if not owners:
            controller = hardware.controller(DiskController.LSILOGIC, 0, keys)
            yield controller
            owners = [controller.device]
        units = iter(hardware.free_units(devices, owners[0].key))
        for block in self.config.storage:
            yield hardware.disk(block, owners[0].key, next(units), keys)

    def _cards(self, devices: Iterable[Any], backing: Backing, keys: hardware.Keys) -> Iterator[Any]:
        """The first cards are changed, and others added."""
        present = hardware.of_kind(devices, "VirtualEthernetCard")
        wanted = list(self.config.network_adapters)
        if not wanted and (self.config.network or self.config.mac_address):
            wanted = [NetworkAdapter(network=self.config.network, mac_address=self.config.mac_address)]
        for number, block in enumerate(wanted):
            if number >= len(present):
                yield hardware.card(block, backing(block.network), keys)
                continue
            if block.network:
                present[number].backing = backing(block.network)
            hardware.adapt_card(present[number], block)
            yield hardware.edited(present[number])

    def _floppy(self, devices: Iterable[Any], image: str, keys: hardware.Keys) -> list[Any]:
        if not image:
            return []
        present = hardware.of_kind(devices, "VirtualFloppy")
        if not present:
            return [hardware.floppy_drive(image, keys)]
        made = hardware.floppy_drive(image, keys).device
        present[0].backing, present[0].connectable = made.backing, made.connectable
        return [hardware.edited(present[0])]


def remote_medium(source: RemoteSource) -> IsoOptions:
    """The OVA of a remote source, as something to be fetched."""
    parts = urlsplit(source.url)
    if source.username:
        password = source.password.value if source.password else ""
        login = f"{quote(source.username, safe='')}:{quote(password, safe='')}"
        parts = parts._replace(netloc=f"{login}@{parts.netloc}")
    return replace(IsoOptions(), iso_url=urlunsplit(parts), iso_checksum="none", iso_target_extension="ova")


def _named_ova(path: Path, scratch: Path) -> Path:
    """The file under a name that says what it is: the cache's may not."""
    if path.suffix.lower() in (".ova", ".ovf"):
        return path
    link = scratch.absolute() / "origin.ova"
    link.unlink(missing_ok=True)
    link.symlink_to(path)
    return link
