"""Where VirtualBox's machines come from: an installer's disc, an appliance, or VirtualBox itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from vmforge.builders.installing.contract import Media
from vmforge.builders.iso import IsoOptions
from vmforge.builders.virtualbox import commands
from vmforge.builders.virtualbox.commands import Command
from vmforge.builders.virtualbox.config import (
    AdditionsMode,
    NicType,
    VirtualBoxIsoConfig,
    VirtualBoxOptions,
    VirtualBoxOvfConfig,
    VirtualBoxVmConfig,
)
from vmforge.builders.virtualbox.machine import ON, VirtualBox
from vmforge.builders.virtualbox.storage import Controller, Place, free_places, plan, spare_controller
from vmforge.errors import HostError
from vmforge.sdk import APPLIANCE, Appliance, BuildContext, FirmwareKind, Size

_CARDS: Final = {NicType.VIRTIO: "virtio-net", NicType.PRO_1000_MT_DESKTOP: "e1000"}
_BUSES: Final = {"pcie": "nvme", "virtio": "virtio-scsi"}


class InstalledMachine(VirtualBox):
    """A new machine that an installer's disc is put into."""

    def __init__(self, config: VirtualBoxIsoConfig, context: BuildContext) -> None:
        super().__init__(config, context)
        self.hardware = config
        self._discs: list[Place] = []

    def make(self, media: Media) -> None:
        wanted = [media.medium]
        if self.hardware.guest_additions_mode is AdditionsMode.ATTACH:
            wanted.append(self.additions)
        wanted += [media.cd] if media.cd is not None else []
        try:
            places = plan(self.hardware, self.hardware.disc_buses(cd=media.cd is not None))
        except ValueError as error:
            raise HostError(str(error), hint='set `hard_drive_interface = "sata"`') from error
        self.remember(self.name)
        self.tool.run_all(commands.create_machine(self.name, self.hardware, self.major))
        disks = self._disk_paths(len(places.disks))
        self.tool.run_all(commands.create_storage(self.name, self.hardware, places, disks))
        for place, medium in zip(places.discs, wanted, strict=True):
            if medium is not None:
                self.tool.run(commands.attach_disc(self.name, place, medium))
                self._discs.append(place)

    def take_out(self) -> Iterator[Command]:
        bundled = self._discs[:1] if self.config.bundle_iso else []
        return (commands.detach_disc(self.name, place) for place in self._discs if place not in bundled)

    def described(self, files: tuple[Path, ...]) -> dict[str, object]:
        disks = tuple(path for path in files if path.suffix == ".vmdk")
        if not disks:
            return {}
        config = self.hardware
        bus = config.hard_drive_interface.value
        machine = Appliance(
            name=self.name,
            disks=disks,
            cpus=config.cpus,
            memory=Size(config.memory * 1024**2),
            firmware=FirmwareKind.UEFI if config.uses_efi else FirmwareKind.BIOS,
            disk_bus=_BUSES.get(bus, bus),
            network_model=_CARDS.get(config.nic_type, "e1000"),
        )
        return {APPLIANCE: machine}

    def _disk_paths(self, count: int) -> list[Path]:
        """Where Packer puts the disks, which templates' own commands may name."""
        names = [self.name, *(f"{self.name}-{number}" for number in range(1, count))]
        return [self.folder.absolute() / f"{name}.vdi" for name in names]


class AdoptedMachine(VirtualBox):
    """A machine that has its disks already; the build's discs get what drives it has room for."""

    def __init__(self, config: VirtualBoxOptions, context: BuildContext) -> None:
        super().__init__(config, context)
        self._discs: list[Place] = []
        self._controller: Controller | None = None

    def insert(self, media: Media) -> None:
        """Put the build's discs in."""
        discs = [media.cd] if media.cd is not None else []
        if self.additions is not None and self.config.guest_additions_mode is AdditionsMode.ATTACH:
            discs.insert(0, self.additions)
        if not discs:
            return
        for place, disc in zip(self._places(len(discs)), discs, strict=True):
            self.tool.run(commands.attach_disc(self.name, place, disc))
            self._discs.append(place)

    def take_out(self) -> Iterator[Command]:
        if self.config.bundle_iso:
            return
        yield from (commands.detach_disc(self.name, place) for place in self._discs)
        if self._controller is not None:
            yield ("storagectl", self.name, "--name", self._controller.name, "--remove")

    def _places(self, count: int) -> list[Place]:
        bus = self.config.guest_additions_interface or ""
        info = self.tool.info(self.name) or {}
        free = list(free_places(info, bus))
        if len(free) >= count:
            return free[:count]
        self._controller = spare_controller(info, count, bus)
        if self._controller is None:
            message = f"the machine `{self.name}` has no free drive for {count} discs of the build"
            raise HostError(message, hint="add a controller for discs to it")
        self.tool.run(("storagectl", self.name, *self._controller.arguments))
        name, fixed = self._controller.name, self._controller.ports is None
        return [Place(name, *(divmod(number, 2) if fixed else (number, 0))) for number in range(count)]


class ImportedMachine(AdoptedMachine):
    """A machine made of an OVF or OVA file."""

    def __init__(self, config: VirtualBoxOvfConfig, context: BuildContext) -> None:
        super().__init__(config, context)
        self.source = config

    def medium(self) -> IsoOptions:
        return appliance_medium(self.source)

    def make(self, media: Media) -> None:
        assert media.medium is not None
        options, flags = self.source.import_opts, self.source.import_flags
        self.remember(self.name)
        self.tool.run(commands.import_appliance(media.medium, self.name, options, flags))
        self.insert(media)


def appliance_medium(config: VirtualBoxOvfConfig) -> IsoOptions:
    """The appliance's file as something to be fetched."""
    return IsoOptions(
        iso_url=config.source_path,
        iso_checksum=config.checksum or "none",
        iso_checksum_type=config.checksum_type,
        iso_target_path=Path(config.target_path) if config.target_path else None,
        iso_target_extension=Path(config.source_path.partition("?")[0]).suffix.lstrip(".") or "ova",
    )


@dataclass(frozen=True)
class _Snapshot:
    """A snapshot of a machine; `path` has those that it lies below."""

    path: str
    uuid: str


class ExistingMachine(AdoptedMachine):
    """A machine that VirtualBox has already. It is put back into the state that it was in, by a snapshot that
    the build makes of it, unless it is to keep what the build changed."""

    def __init__(self, config: VirtualBoxVmConfig, context: BuildContext) -> None:
        super().__init__(config, context)
        self.source = config
        self._before = self._current = ""

    def prepare(self, leftover: str) -> None:
        self.version = self.tool.version()
        info = self._info()
        if leftover:
            self.context.ui.message(
                f"putting `{self.name}` back to where it was before a build that was killed"
            )
            self._before = leftover
            self.destroy()
            info = self._info()
        if info.get("VMState") in ON:
            raise HostError(f"the machine `{self.name}` is {info['VMState']}", hint="switch it off")
        self._snapshots = tuple(_snapshots(info))
        self._current = info.get("CurrentSnapshotUUID", "")
        if self.source.attach_snapshot:
            self._base()
        if self._replaced() is not None and not self.source.force_delete_snapshot:
            hint = "set `force_delete_snapshot = true` to replace it"
            raise HostError(f"`{self.name}` has a snapshot `{self.source.target_snapshot}`", hint=hint)

    def make(self, media: Media) -> None:
        self._before = f"vmforge-{self.context.run_uuid[:8]}"
        self.remember(self._before)
        self.tool.run(("snapshot", self.name, "take", self._before))
        if self.source.attach_snapshot:
            self.tool.run(("snapshot", self.name, "restore", self._base().uuid))
        self.insert(media)

    def after_export(self) -> None:
        if self.source.target_snapshot:
            replaced = self._replaced()
            if replaced is not None:
                self.tool.run(("snapshot", self.name, "delete", replaced.uuid))
                self._current = "" if self._current == replaced.uuid else self._current
            self.tool.run(("snapshot", self.name, "take", self.source.target_snapshot))
            # the one before has children now, and cannot be gone back to and deleted
            if self._current and not self.keeps_machine:
                self.tool.run(("snapshot", self.name, "restore", self._current))
        if self.source.target_snapshot or self.keeps_machine:
            self.tool.run(("snapshot", self.name, "delete", self._before))
            self._before = ""

    def remove(self) -> None:
        """Put the user's machine back, as far as the build has touched it."""
        tool, before = self.tool.undoing, self._before
        info = tool.info(self.name)
        if not before or info is None:
            return
        if info.get("VMState") in ON:
            tool.run(("controlvm", self.name, "poweroff"))
        if any(snapshot.path.endswith(before) for snapshot in _snapshots(info)):
            tool.run(("snapshot", self.name, "restore", before))
            tool.run(("snapshot", self.name, "delete", before))
        self._before = ""

    def _info(self) -> dict[str, str]:
        info = self.tool.info(self.name)
        if info is None:
            hint = "`VBoxManage list vms` lists the machines"
            raise HostError(f"VirtualBox has no machine `{self.name}`", hint=hint)
        return info

    def _base(self) -> _Snapshot:
        found = self._named(self.source.attach_snapshot)
        if found is None:
            known = ", ".join(f"`{snapshot.path}`" for snapshot in self._snapshots) or "none"
            message = f"the machine `{self.name}` has no snapshot `{self.source.attach_snapshot}`"
            raise HostError(message, hint=f"it has {known}")
        return found

    def _replaced(self) -> _Snapshot | None:
        """The snapshot that has the name of the new one."""
        return self._named(self.source.target_snapshot) if self.source.target_snapshot else None

    def _named(self, path: str) -> _Snapshot | None:
        end = f"/{path.strip('/')}"
        return next((found for found in self._snapshots if f"/{found.path}".endswith(end)), None)


def _snapshots(info: dict[str, str]) -> Iterator[_Snapshot]:
    """The snapshots in `showvminfo`: `SnapshotName-1-2` is the second one below the first."""
    for key, name in info.items():
        place = key.removeprefix("SnapshotName")
        if place == key or (place and not place.startswith("-")):
            continue
        parts = place.split("-")
        parents = [info.get("SnapshotName" + "-".join(parts[:n]), "") for n in range(1, len(parts))]
        yield _Snapshot("/".join((*parents, name)), info.get(f"SnapshotUUID{place}", ""))
