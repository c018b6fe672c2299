"""A build's machine in Hyper-V."""

from __future__ import annotations

import json
import shutil
from abc import abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from vmforge.builders.hyperv.config import AdditionsMode, HyperVIsoConfig, HyperVOptions, HyperVVmcxConfig
from vmforge.builders.hyperv.powershell import Argument, PowerShell
from vmforge.builders.installing.booting import grouped_keyboard
from vmforge.builders.installing.contract import Console, Hypervisor, Media
from vmforge.builders.services import HostAddress
from vmforge.errors import CommunicatorError, HostError
from vmforge.sdk import Artifact, BuildContext, Endpoint, FileArtifact

BUILDER_ID: Final = "MSOpenTech.hyperv"

_DISKS: Final = (".vhd", ".vhdx")
_OFF: Final = ("", "Off", "Saved")


class HyperV(Hypervisor):
    """What both builders have in common; they differ in where the machine comes from."""

    title = "Hyper-V"

    def __init__(self, config: HyperVOptions, context: BuildContext) -> None:
        super().__init__(config, context)
        self.config = config
        self.folder = config.output_directory or Path(f"output-{context.name}")
        self.switch = ""
        # on the Hyper-V host, as that calls it
        self.build_folder = ""
        self._made_switch = False
        self._shell: PowerShell | None = None

    @abstractmethod
    def make(self, media: Media) -> Path | None:
        """Make the machine; returns the installer's disc, if that is to be put in."""

    # -- the hypervisor

    @property
    def shell(self) -> PowerShell:
        if self._shell is None:
            self._shell = PowerShell.find(self.context.cancellation)
        return self._shell

    @property
    def output(self) -> Path:
        return self.folder

    @property
    def keeps_machine(self) -> bool:
        return self.config.keep_registered

    def prepare(self, leftover: str) -> None:
        self.shell.run("host")
        if leftover:
            self.context.ui.message(f"deleting the machine `{self.name}` of a build that was killed")
            self.shell.run("delete", json.loads(leftover))
        elif self.state():
            if not self.context.force:
                hint = "give `-force` to replace it, or set another `vm_name`"
                raise HostError(f"Hyper-V has a machine `{self.name}` already", hint=hint)
            self.tell("delete")
        options: dict[str, Argument] = {"Name": self.config.switch_name, "VlanId": self.config.switch_vlan_id}
        self.switch, *made = self.shell.run("switch", options).splitlines()
        self._made_switch = made == ["made"]

    def host_address(self) -> HostAddress:
        address = self.shell.run("host_address", {"Switch": self.switch})
        # in WSL this machine is another than the one on the switch, which forwards to it
        return HostAddress("0.0.0.0" if self.shell.in_wsl else address, address)

    def create(self, media: Media, remember: Callable[[str], None]) -> None:
        name = f"vmforge-{self.context.run_uuid}"
        self.build_folder = self.shell.run("folder", {"Below": self.config.temp_path, "Name": name})
        remember(json.dumps(self._to_delete()))
        installer = self.make(media)
        self._configure()
        self._insert(installer, media)

    def start(self) -> None:
        self.context.data["ID"] = self.name
        self.tell("start", Window=not self.config.headless)

    @contextmanager
    def console(self) -> Iterator[Console]:
        from vmforge.console.grouped import Stroke
        from vmforge.console.key_formats import scan_codes

        def send(strokes: tuple[Stroke, ...]) -> None:
            data = b"".join(scan_codes(stroke.place, stroke.down) for stroke in strokes)
            self.tell("type", Codes=data.hex(" "))

        yield Console(grouped_keyboard(self.config, self.context, send))

    def endpoint(self) -> Endpoint:
        address = self.tell("address")
        if not address:
            hint = "see that it gets one by DHCP and runs the integration services, or set `ssh_host`"
            raise CommunicatorError("Hyper-V does not know the guest's address yet", hint=hint)
        return Endpoint(address, self.context.connector.port)

    def is_running(self) -> bool:
        return self.state() not in _OFF

    def power_button(self) -> None:
        self.tell("stop")

    def power_off(self) -> None:
        self.tell("stop", TurnOff=True)

    def finish(self) -> None:
        self.tell("eject", Generation=self.config.generation)
        if not self.config.skip_compaction:
            self.tell("compact")
        only = self.config.skip_export
        exported = self.shell.local(self.tell("export", Folder=self.build_folder, DisksOnly=only))
        for path in sorted(exported.iterdir()):
            shutil.move(path, self.folder.absolute() / path.name)

    def artifact(self, files: tuple[Path, ...]) -> Artifact:
        description = f"VM files in directory: {self.folder}"
        state: dict[str, object] = {"vm_name": self.name, "generated_data": dict(self.context.data)}
        return FileArtifact(BUILDER_ID, "VM", files, description, self.folder, state)

    def destroy(self) -> None:
        self.shell.undoing.run("delete", self._to_delete())

    def how_to_end(self) -> str:
        return f"end it with `Stop-VM -Name {self.name} -TurnOff`"

    # -- parts

    def state(self) -> str:
        """What Hyper-V says of the machine; empty when it has none of that name."""
        return self.tell("state")

    def tell(self, script: str, **arguments: Argument) -> str:
        """Run a script about the machine."""
        return self.shell.run(script, {"Name": self.name, **arguments})

    def _to_delete(self) -> dict[str, Argument]:
        made = self.switch if self._made_switch else ""
        return {"Name": self.name, "Folder": self.build_folder, "MadeSwitch": made}

    def _configure(self) -> None:
        config = self.config
        self.tell(
            "configure",
            Generation=config.generation,
            Cpus=config.cpus,
            DynamicMemory=config.enable_dynamic_memory,
            Nested=config.enable_virtualization_extensions,
            MacSpoofing=config.enable_mac_spoofing,
            MacAddress=config.mac_address,
            VlanId=config.vlan_id,
            LegacyNetwork=isinstance(config, HyperVIsoConfig) and config.use_legacy_network_adapter,
            Switch=self.switch,
            SecureBoot=config.enable_secure_boot,
            SecureBootTemplate=config.secure_boot_template.value if config.enable_secure_boot else None,
            Tpm=config.enable_tpm,
        )
        addresses = (*config.mac_addresses, *[""] * len(config.switches_names))
        for switch, address in zip(config.switches_names, addresses, strict=False):
            self.tell("add_network", Switch=switch, MacAddress=address)
        for number, size in enumerate(config.disk_additional_size, 1):
            place: dict[str, Argument] = {"Folder": self.build_folder, "File": f"{self.name}-{number}.vhdx"}
            self.tell("add_disk", **place, DiskMiB=size.mebibytes, BlockMiB=config.disk_block_size)

    def _insert(self, installer: Path | None, media: Media) -> None:
        config = self.config
        disc = self.tell("insert_disc", Path=self._within_reach(installer)) if installer is not None else ""
        discs = [Path(path) for path in config.secondary_iso_images]
        if config.guest_additions_mode is AdditionsMode.ATTACH and config.guest_additions_path:
            discs.append(Path(config.guest_additions_path))
        for path in (*discs, *([media.cd] if media.cd is not None else [])):
            self.tell("insert_disc", Path=self._within_reach(path))
        if media.floppy is not None:
            # Hyper-V takes no other extension
            floppy = media.floppy.rename(media.floppy.with_suffix(".vfd"))
            self.tell("insert_floppy", Path=self._within_reach(floppy))
        first = config.first_boot_device or ("CD" if installer is not None else "")
        if first or config.boot_order:
            order = "|".join(config.boot_order)
            self.tell("boot_order", Generation=config.generation, First=first, Order=order, Disc=disc)

    def _within_reach(self, path: Path) -> Path:
        """A file where Hyper-V's service can read it: of WSL's own disk it cannot."""
        if not self.shell.in_wsl or path.absolute().is_relative_to("/mnt"):
            return path
        return Path(shutil.copy2(path, self.shell.local(self.build_folder)))


class InstalledMachine(HyperV):
    """A new machine that an installer's disc is put into, or that boots a copy of a disk."""

    def __init__(self, config: HyperVIsoConfig, context: BuildContext) -> None:
        super().__init__(config, context)
        self.hardware = config

    def make(self, media: Media) -> Path | None:
        assert media.medium is not None
        config = self.hardware
        is_disk = media.medium.suffix.lower() in _DISKS
        self.tell(
            "create",
            Folder=self.build_folder,
            Generation=config.generation,
            MemoryMiB=config.memory,
            DiskMiB=config.disk_size.mebibytes,
            BlockMiB=config.disk_block_size,
            Switch=self.switch,
            Version=config.configuration_version,
            Source=self._within_reach(media.medium) if is_disk else None,
            Differencing=config.differencing_disk,
            Fixed=config.use_fixed_vhd_format,
        )
        return None if is_disk else media.medium


class ClonedMachine(HyperV):
    """A copy of another machine."""

    def __init__(self, config: HyperVVmcxConfig, context: BuildContext) -> None:
        super().__init__(config, context)
        self.source = config

    def make(self, media: Media) -> Path | None:
        config = self.source
        exported = config.clone_from_vmcx_path
        self.tell(
            "clone",
            Folder=self.build_folder,
            Exported=Path(exported) if exported else None,
            Machine=config.clone_from_vm_name,
            Snapshot=config.clone_from_snapshot_name,
            AllSnapshots=config.clone_all_snapshots,
            CopyInCompare=config.copy_in_compare,
            MemoryMiB=config.memory,
            DiskMiB=config.disk_size.mebibytes if config.disk_size is not None else None,
            Switch=self.switch,
        )
        return None
