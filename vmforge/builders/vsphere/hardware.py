"""From the options to the API's specifications of machines and devices: functions of values.

pyVmomi's classes are the API's (`vim.vm.ConfigSpec`). A device that is to be made has a negative key.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import count
from typing import Any, Final

from pyVmomi import vim

from vmforge.builders.vsphere.config import (
    CdromType,
    DiskController,
    Firmware,
    HardwareOptions,
    MediaOptions,
    NetworkAdapter,
    PassthroughDevice,
    Storage,
    UsbController,
    VsphereIsoConfig,
)
from vmforge.errors import VmforgeError

_CONTROLLERS: Final[dict[DiskController, Any]] = {
    DiskController.LSILOGIC: vim.vm.device.VirtualLsiLogicController,
    DiskController.LSILOGIC_SAS: vim.vm.device.VirtualLsiLogicSASController,
    DiskController.PVSCSI: vim.vm.device.ParaVirtualSCSIController,
    DiskController.NVME: vim.vm.device.VirtualNVMEController,
    DiskController.SCSI: vim.vm.device.VirtualLsiLogicController,
    DiskController.SATA: vim.vm.device.VirtualAHCIController,
}
_CARDS: Final[dict[str, Any]] = {
    "e1000": vim.vm.device.VirtualE1000,
    "e1000e": vim.vm.device.VirtualE1000e,
    "vmxnet2": vim.vm.device.VirtualVmxnet2,
    "vmxnet3": vim.vm.device.VirtualVmxnet3,
    "vmxnet3vrdma": vim.vm.device.VirtualVmxnet3Vrdma,
    "pcnet32": vim.vm.device.VirtualPCNet32,
    "sriov": vim.vm.device.VirtualSriovEthernetCard,
}
CARDS: Final = tuple(_CARDS)
# Every machine has two IDE controllers, with these keys and two places each.
_IDE: Final = (200, 201)
# The adapter's own place on a SCSI bus.
_RESERVED_UNIT: Final = 7
_PLACES: Final = 15
_MEBIBYTE: Final = 1024**2


class Keys:
    """Keys for devices that are to be made."""

    def __init__(self) -> None:
        self._next = count(-1, -1)

    def new(self) -> int:
        return next(self._next)


def machine_spec(
    config: VsphereIsoConfig, datastore: str, networks: Sequence[Any], isos: Sequence[str], floppy: str
) -> Any:
    """A new machine. `networks` are the backings of its cards, `isos` and `floppy` paths on datastores."""
    keys = Keys()
    spec = vim.vm.ConfigSpec(
        name=config.vm_name,
        guestId=config.guest_os_type,
        files=vim.vm.FileInfo(vmPathName=f"[{datastore}]"),
        version=f"vmx-{config.vm_version}" if config.vm_version is not None else None,
    )
    configure(spec, config)
    kinds = config.disk_controller_type or (DiskController.LSILOGIC,)
    drives = disks(kinds, config.storage, keys)
    spec.deviceChange = [
        *drives,
        *(card(one, backing, keys) for one, backing in zip(config.network_adapters, networks, strict=True)),
        *usb_controllers(config.usb_controller or (UsbController.USB,), keys),
        *cdroms(config, isos, keys, [change.device for change in drives]),
        *([floppy_drive(floppy, keys)] if floppy else ()),
        *further(config, keys),
    ]
    return spec


def configure(spec: Any, config: HardwareOptions) -> None:
    """Put into a specification what the options say of the hardware, apart from devices."""
    spec.numCPUs = config.CPUs
    spec.numCoresPerSocket = config.cpu_cores
    spec.memoryMB = config.RAM
    spec.cpuHotAddEnabled = config.CPU_hot_plug
    spec.memoryHotAddEnabled = config.RAM_hot_plug
    spec.memoryReservationLockedToMax = config.RAM_reserve_all or None
    spec.nestedHVEnabled = config.NestedHV
    if config.CPU_reservation is not None or config.CPU_limit is not None:
        spec.cpuAllocation = vim.ResourceAllocationInfo(
            reservation=config.CPU_reservation, limit=config.CPU_limit
        )
    if config.RAM_reservation is not None:
        spec.memoryAllocation = vim.ResourceAllocationInfo(reservation=config.RAM_reservation)
    if config.firmware is not None:
        spec.firmware = "bios" if config.firmware is Firmware.BIOS else "efi"
    if config.firmware is Firmware.EFI_SECURE or config.force_bios_setup:
        spec.bootOptions = vim.vm.BootOptions(
            efiSecureBootEnabled=config.firmware is Firmware.EFI_SECURE or None,
            enterBIOSSetup=config.force_bios_setup or None,
        )
    if config.vbs_enabled or config.vvtd_enabled:
        spec.flags = vim.vm.FlagInfo(vbsEnabled=config.vbs_enabled, vvtdEnabled=config.vvtd_enabled)
    if config.tools_sync_time or config.tools_upgrade_policy:
        spec.tools = vim.vm.ToolsConfigInfo(
            syncTimeWithHost=config.tools_sync_time or None,
            toolsUpgradePolicy="upgradeAtPowerCycle" if config.tools_upgrade_policy else None,
        )
    spec.extraConfig = [
        vim.option.OptionValue(key=key, value=value) for key, value in config.configuration_parameters.items()
    ]


def disks(kinds: Sequence[DiskController], storage: Iterable[Storage], keys: Keys) -> list[Any]:
    """New disks, with new controllers for them."""
    controllers = [controller(kind, _bus(kinds[:number], kind), keys) for number, kind in enumerate(kinds)]
    units = {one.device.key: _units() for one in controllers}
    found = list(controllers)
    for block in storage:
        owner = controllers[block.disk_controller_index].device
        found.append(disk(block, owner.key, next(units[owner.key]), keys))
    return found


def _bus(before: Sequence[DiskController], kind: DiskController) -> int:
    """The number of a controller among those of its kind: all SCSI ones are of one."""

    def family(one: DiskController) -> DiskController:
        return one if one in (DiskController.NVME, DiskController.SATA) else DiskController.SCSI

    return [family(one) for one in before].count(family(kind))


def controller(kind: DiskController, bus: int, keys: Keys) -> Any:
    """A new disk controller."""
    device = _CONTROLLERS[kind](key=keys.new(), busNumber=bus)
    if isinstance(device, vim.vm.device.VirtualSCSIController):
        device.sharedBus = vim.vm.device.VirtualSCSIController.Sharing.noSharing
    return added(device)


def disk(block: Storage, controller_key: int, unit: int, keys: Keys) -> Any:
    """A new disk at a place of a controller."""
    backing = vim.vm.device.VirtualDisk.FlatVer2BackingInfo(
        fileName="",
        diskMode="persistent",
        thinProvisioned=block.disk_thin_provisioned,
        eagerlyScrub=block.disk_eagerly_scrub,
    )
    device = vim.vm.device.VirtualDisk(
        key=keys.new(),
        controllerKey=controller_key,
        unitNumber=unit,
        capacityInKB=block.disk_size.bytes // 1024,
        backing=backing,
    )
    change = added(device)
    change.fileOperation = vim.vm.device.VirtualDeviceSpec.FileOperation.create
    return change


def free_units(devices: Iterable[Any], controller_key: int) -> Iterable[int]:
    """The places of a controller that are free."""
    taken = {device.unitNumber for device in devices if device.controllerKey == controller_key}
    return (unit for unit in _units() if unit not in taken)


def card(block: NetworkAdapter, backing: Any, keys: Keys) -> Any:
    """A new network card."""
    device = _CARDS[block.network_card.lower()](key=keys.new(), backing=backing)
    adapt_card(device, block)
    device.connectable = vim.vm.device.VirtualDevice.ConnectInfo(
        startConnected=True, allowGuestControl=True, connected=True
    )
    return added(device)


def adapt_card(device: Any, block: NetworkAdapter) -> None:
    """Put into a card what its block says."""
    if block.mac_address:
        device.macAddress = block.mac_address
        device.addressType = "manual"
    if block.passthrough:
        device.uptCompatibilityEnabled = True


def network_backing(network: Any) -> Any:
    """What a card's `backing` is on a network: a standard one, or a distributed switch's port group."""
    if isinstance(network, vim.dvs.DistributedVirtualPortgroup):
        switch = network.config.distributedVirtualSwitch
        port = vim.dvs.PortConnection(portgroupKey=network.key, switchUuid=switch.uuid)
        return vim.vm.device.VirtualEthernetCard.DistributedVirtualPortBackingInfo(port=port)
    if isinstance(network, vim.OpaqueNetwork):
        summary = network.summary
        return vim.vm.device.VirtualEthernetCard.OpaqueNetworkBackingInfo(
            opaqueNetworkId=summary.opaqueNetworkId, opaqueNetworkType=summary.opaqueNetworkType
        )
    return vim.vm.device.VirtualEthernetCard.NetworkBackingInfo(deviceName=network.name, network=network)


def usb_controllers(kinds: Iterable[UsbController], keys: Keys) -> list[Any]:
    types = {
        UsbController.USB: vim.vm.device.VirtualUSBController,
        UsbController.XHCI: vim.vm.device.VirtualUSBXHCIController,
    }
    return [added(types[kind](key=keys.new(), busNumber=0)) for kind in kinds]


def cdroms(config: MediaOptions, isos: Sequence[str], keys: Keys, devices: Iterable[Any] = ()) -> list[Any]:
    """New CD drives with ISOs of datastores in them (`""` for an empty one), beside the `devices`."""
    if not isos:
        return []
    devices = list(devices)
    if config.cdrom_type is CdromType.SATA:
        ahci = next((one for one in devices if isinstance(one, vim.vm.device.VirtualAHCIController)), None)
        made = [] if ahci is not None else [controller(DiskController.SATA, 0, keys)]
        key = ahci.key if ahci is not None else made[0].device.key
        units = iter(free_units(devices, key))
        return [*made, *(cdrom(iso, key, next(units), keys) for iso in isos)]
    places = [(key, unit) for key in _ide_keys(devices) for unit in (0, 1)]
    taken = {(one.controllerKey, one.unitNumber) for one in devices}
    free = [place for place in places if place not in taken]
    if len(free) < len(isos):
        hint = 'set `cdrom_type = "sata"`'
        raise VmforgeError(f"vsphere: there is no room for {len(isos)} CDs on IDE", hint=hint)
    return [cdrom(iso, key, unit, keys) for iso, (key, unit) in zip(isos, free, strict=False)]


def cdrom(iso: str, controller_key: int, unit: int, keys: Keys) -> Any:
    """A new CD drive."""
    backings = vim.vm.device.VirtualCdrom
    backing = (
        backings.IsoBackingInfo(fileName=iso)
        if iso
        else backings.RemotePassthroughBackingInfo(deviceName="", exclusive=False, useAutoDetect=False)
    )
    device = backings(key=keys.new(), controllerKey=controller_key, unitNumber=unit, backing=backing)
    device.connectable = vim.vm.device.VirtualDevice.ConnectInfo(
        startConnected=bool(iso), allowGuestControl=True, connected=bool(iso)
    )
    return added(device)


def floppy_drive(image: str, keys: Keys) -> Any:
    """A new floppy drive with an image of a datastore in it."""
    backing = vim.vm.device.VirtualFloppy.ImageBackingInfo(fileName=image)
    connectable = vim.vm.device.VirtualDevice.ConnectInfo(
        startConnected=True, allowGuestControl=True, connected=True
    )
    return added(vim.vm.device.VirtualFloppy(key=keys.new(), backing=backing, connectable=connectable))


def further(config: HardwareOptions, keys: Keys, devices: Iterable[Any] = ()) -> list[Any]:
    """Devices that the hardware's options ask for beside the `devices` there are."""
    found = []
    if config.vTPM and not any(isinstance(one, vim.vm.device.VirtualTPM) for one in devices):
        found.append(added(vim.vm.device.VirtualTPM(key=keys.new())))
    if config.video_ram is not None or config.displays is not None:
        found.append(_video(config, devices, keys))
    if config.precision_clock not in ("", "none"):
        backing = vim.vm.device.VirtualPrecisionClock.SystemClockBackingInfo(
            protocol=f"{config.precision_clock}"
        )
        found.append(added(vim.vm.device.VirtualPrecisionClock(key=keys.new(), backing=backing)))
    if config.vgpu_profile:
        gpu = vim.vm.device.VirtualPCIPassthrough.VmiopBackingInfo(vgpu=config.vgpu_profile)
        found.append(added(vim.vm.device.VirtualPCIPassthrough(key=keys.new(), backing=gpu)))
    if config.pci_passthrough_allowed_device:
        allowed = [_allowed(block) for block in config.pci_passthrough_allowed_device]
        dynamic = vim.vm.device.VirtualPCIPassthrough.DynamicBackingInfo(deviceName="", allowedDevice=allowed)
        found.append(added(vim.vm.device.VirtualPCIPassthrough(key=keys.new(), backing=dynamic)))
    return found


def boot_order(order: str, devices: Iterable[Any]) -> Any:
    """The boot options for an order as `disk,cdrom,ethernet,floppy`, of the `devices` there are."""
    devices = list(devices)
    boot = vim.vm.BootOptions
    found: list[Any] = []
    for name in (part.strip() for part in order.split(",") if part.strip()):
        if name == "disk":
            owned = [one for one in devices if isinstance(one, vim.vm.device.VirtualDisk)]
            found += [boot.BootableDiskDevice(deviceKey=one.key) for one in owned]
        elif name == "ethernet":
            cards = [one for one in devices if isinstance(one, vim.vm.device.VirtualEthernetCard)]
            found += [boot.BootableEthernetDevice(deviceKey=one.key) for one in cards]
        elif name == "cdrom":
            found.append(boot.BootableCdromDevice())
        elif name == "floppy":
            found.append(boot.BootableFloppyDevice())
    return boot(bootOrder=found)


def added(device: Any) -> Any:
    return vim.vm.device.VirtualDeviceSpec(operation="add", device=device)


def edited(device: Any) -> Any:
    return vim.vm.device.VirtualDeviceSpec(operation="edit", device=device)


def removed(device: Any) -> Any:
    return vim.vm.device.VirtualDeviceSpec(operation="remove", device=device)


def of_kind(devices: Iterable[Any], kind: str) -> list[Any]:
    """The devices of one of the API's classes (`VirtualCdrom`), subclasses included."""
    return [device for device in devices if isinstance(device, getattr(vim.vm.device, kind))]


def _video(config: HardwareOptions, devices: Iterable[Any], keys: Keys) -> Any:
    cards = of_kind(devices, "VirtualVideoCard")
    # a new machine's has the key 500, also in the specification that makes it
    device = cards[0] if cards else vim.vm.device.VirtualVideoCard(key=500)
    device.videoRamSizeInKB = config.video_ram or device.videoRamSizeInKB
    device.numDisplays = config.displays or device.numDisplays
    device.useAutoDetect = False
    return edited(device) if cards else added(device)


def _allowed(block: PassthroughDevice) -> Any:
    def number(text: str) -> int:
        return int(text, 16) if text else 0

    return vim.vm.device.VirtualPCIPassthrough.AllowedDevice(
        vendorId=number(block.vendor_id),
        deviceId=number(block.device_id),
        subVendorId=number(block.sub_vendor_id),
        subDeviceId=number(block.sub_device_id),
    )


def _ide_keys(devices: Iterable[Any]) -> tuple[int, ...]:
    found = tuple(one.key for one in of_kind(devices, "VirtualIDEController"))
    return found or _IDE


def _units() -> Iterator[int]:
    return iter([unit for unit in range(_PLACES + 1) if unit != _RESERVED_UNIT])
