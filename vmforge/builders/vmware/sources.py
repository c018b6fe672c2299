"""Where VMware's machines come from: an installer's disc, or another machine."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from vmforge.builders.installing.contract import Media
from vmforge.builders.vmware import vmx as entries
from vmforge.builders.vmware.config import DiscAdapter, VMwareIsoConfig, VMwareVmxConfig
from vmforge.builders.vmware.machine import VMware
from vmforge.builders.vmware.tools import convert, create_disk, disk_adapter
from vmforge.builders.vmware.vmx import Vmx
from vmforge.errors import HostError
from vmforge.sdk import APPLIANCE, Appliance, BuildContext, FirmwareKind, Size

_APPLIANCES: Final = (".ovf", ".ova")
_BUSES: Final = {"lsilogic": "scsi", "buslogic": "scsi", "pvscsi": "scsi", "lsisas1068": "scsi"}


class InstalledMachine(VMware):
    """A new machine that an installer's disc is put into."""

    def __init__(self, config: VMwareIsoConfig, context: BuildContext) -> None:
        super().__init__(config, context)
        self.hardware = config

    def make(self, media: Media) -> Vmx:
        assert media.medium is not None
        config = self.hardware
        self.tools.vdiskmanager.find()
        sizes = (config.disk_size, *config.disk_additional_size)
        adapter = disk_adapter(config.disk_adapter_type)
        for name, size in zip(entries.disk_names(config), sizes, strict=True):
            path = self.folder.absolute() / name
            create_disk(self.tools, path, size.mebibytes, adapter, config.disk_type_id)
        self._discs.append(entries.disc_place(config.disc_adapter, 0, entries.disks_beside_discs(config)))
        vmx = entries.new_machine(config, self.name, media.medium)
        if config.vmx_template_path is None:
            return vmx
        return self._from_templates(config.vmx_template_path, vmx, media.medium)

    def cd_place(self, vmx: Vmx) -> str:
        return entries.build_disc_place(self.hardware)

    def described(self, files: tuple[Path, ...]) -> dict[str, object]:
        config = self.hardware
        names = entries.disk_names(config)
        machine = Appliance(
            name=self.name,
            disks=tuple(self.folder / name for name in names),
            cpus=config.cpus,
            memory=Size(config.memory * 1024**2),
            firmware=FirmwareKind.UEFI if config.uses_efi else FirmwareKind.BIOS,
            disk_bus=_BUSES.get(config.disk_adapter_type.value, config.disk_adapter_type.value),
            network_model=config.network_adapter_type,
        )
        return {APPLIANCE: machine}

    def _from_templates(self, template: Path, own: Vmx, iso: Path) -> Vmx:
        """The machine as the user's own template has it, and its further disks as theirs or ours have
        them."""
        config = self.hardware
        fields = template_fields(config, self.name, own, iso)
        vmx = Vmx.parse(self._render(template, fields))
        for number, name in list(enumerate(entries.disk_names(config)))[1:]:
            unit, bus = entries.disk_unit(config, number), config.disk_adapter_type.bus
            place = f"{bus}0:{unit}"
            if config.vmx_disk_template_path is None:
                vmx.update({f"{place}.present": "TRUE", f"{place}.fileName": name})
                continue
            one = {"DiskName": name, "DiskNumber": number, "DiskUnit": unit, "DiskType": bus}
            part = Vmx.parse(self._render(config.vmx_disk_template_path, fields | one))
            vmx.update({entry: part.get(entry) for entry in part.names()})
        return vmx

    def _render(self, template: Path, fields: dict[str, object]) -> str:
        try:
            return self.context.render(template.read_text(encoding="utf-8"), fields)
        except (OSError, ValueError) as error:
            raise HostError(f"the template `{template}` cannot be used: {error}") from error


def template_fields(config: VMwareIsoConfig, name: str, vmx: Vmx, iso: Path) -> dict[str, object]:
    """What templates of VMX files may use, named as in Packer."""
    kind, device = entries.network_entries(config.network)
    bus, disc = config.disk_adapter_type.bus, config.disc_adapter
    place = entries.disc_place(disc, 0, entries.disks_beside_discs(config))
    return {
        "Name": name,
        "GuestOS": config.guest_os_type,
        "Version": config.version,
        "ISOPath": str(iso),
        "Firmware": vmx.get("firmware"),
        "SecureBoot": vmx.get("uefi.secureBoot.enabled", "FALSE"),
        "CpuCount": str(config.cpus),
        "MemorySize": str(config.memory),
        "HardwareAssistedVirtualization": _flag(config.vhv_enabled),
        "DiskName": config.vmdk_name,
        "DiskNumber": 0,
        "DiskUnit": 0,
        "DiskType": bus,
        "SCSI_Present": _flag(bus == "scsi"),
        "SCSI_diskAdapterType": vmx.get("scsi0.virtualDev", "lsilogic"),
        "SATA_Present": _flag("sata" in (bus, disc)),
        "NVME_Present": _flag(bus == "nvme"),
        "CDROMType": disc.value,
        "CDROMType_PrimarySecondary": place.removeprefix(disc.value).partition(":")[0],
        "Network_Type": kind,
        "Network_Device": device,
        "Network_Adapter": config.network_adapter_type,
        "Network_Name": config.network_name,
        "Sound_Present": _flag(config.sound),
        "Usb_Present": _flag(config.usb),
        "Usb_Version": config.usb_version,
    }


def _flag(on: bool) -> str:
    return "TRUE" if on else "FALSE"


class ClonedMachine(VMware):
    """A copy of another machine."""

    def __init__(self, config: VMwareVmxConfig, context: BuildContext) -> None:
        super().__init__(config, context)
        self.source = config

    def make(self, media: Media) -> Vmx:
        source = self.source.source_path.expanduser().absolute()
        if not source.is_file():
            raise HostError(
                f"there is no machine `{source}`", hint="set `source_path` to its VMX, OVF or OVA file"
            )
        if source.suffix.lower() in _APPLIANCES:
            convert(self.tools, source, self.vmx_path)
        else:
            kind = "linked" if self.source.linked else "full"
            snapshot = (f"-snapshot={self.source.attach_snapshot}",) if self.source.attach_snapshot else ()
            clone = (str(self.vmx_path), kind, *snapshot, f"-cloneName={self.name}")
            self.tools.vmrun("clone", source, *clone)
        return Vmx.parse(self.vmx_path.read_text(encoding="utf-8", errors="replace"))

    def cd_place(self, vmx: Vmx) -> str:
        """The first place on the discs' controller that the machine leaves free."""
        adapter = self.config.cdrom_adapter_type or DiscAdapter.IDE
        channels = ("ide1:0", "ide1:1", "ide0:1") if adapter is DiscAdapter.IDE else ()
        places = channels or tuple(f"{adapter}1:{unit}" for unit in range(4))
        for place in places:
            if vmx.get(f"{place}.present").upper() != "TRUE":
                return place
        hint = "set `cdrom_adapter_type` to another controller"
        raise HostError(f"the machine has no free place for a disc on `{adapter}`", hint=hint)
