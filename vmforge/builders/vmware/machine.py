"""A build's machine in VMware Workstation or Fusion: a folder with a VMX file, which is the output
directory."""

from __future__ import annotations

import secrets
import socket
from abc import abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from vmforge.builders.installing.addresses import address_towards
from vmforge.builders.installing.contract import Console, Hypervisor, Media
from vmforge.builders.ports import PortReservation
from vmforge.builders.services import HostAddress
from vmforge.builders.vmware import vmx as entries
from vmforge.builders.vmware.config import ExportFormat, VMwareOptions
from vmforge.builders.vmware.leases import lease_files, leased_address
from vmforge.builders.vmware.tools import VMwareTools, compact_disk, convert
from vmforge.builders.vmware.vmx import Vmx
from vmforge.errors import CommunicatorError, HostError, VmforgeError
from vmforge.hypervisor.network import interface_address
from vmforge.sdk import Artifact, BuildContext, Communicator, Endpoint, FileArtifact, Secret

if TYPE_CHECKING:
    from vmforge.console.vnc import VncConsole

BUILDER_ID: Final = "mitchellh.vmware"

# What makes a machine; logs, locks and the like go.
_KEPT: Final = (".nvram", ".vmdk", ".vmsd", ".vmx", ".vmxf", ".vmsn")
_PASSWORD_LENGTH: Final = 8  # VNC looks at no more
_ANYWHERE: Final = "192.0.2.1"  # RFC 5737: of no use but to ask which way the default route goes
_DEVICES: Final = {"nat": "vmnet8", "hostonly": "vmnet1"}


class VMware(Hypervisor):
    """What both builders have in common; they differ in where the machine comes from."""

    title = "VMware"

    def __init__(self, config: VMwareOptions, context: BuildContext) -> None:
        super().__init__(config, context)
        self.config = config
        self.tools = VMwareTools.of(context.cancellation, config.fusion_app_path)
        self.folder = config.output_directory or Path(f"output-{context.name}")
        self.vmx_path = self.folder.absolute() / f"{self.name}.vmx"
        self._vnc_port = 0
        self._password: Secret | None = None
        self._reservation: PortReservation | None = None
        self._discs: list[str] = []

    # -- where the machine comes from

    @abstractmethod
    def make(self, media: Media) -> Vmx:
        """Make the machine's disks; returns its VMX file as it is before the build's own entries."""

    @abstractmethod
    def cd_place(self, vmx: Vmx) -> str:
        """Where the CD that is made for the build goes."""

    # -- the hypervisor

    @property
    def output(self) -> Path:
        return self.folder

    @property
    def record_name(self) -> str:
        return str(self.vmx_path)

    @property
    def keeps_machine(self) -> bool:
        return True  # its files are the artifact

    def prepare(self, leftover: str) -> None:
        if self.config.remote_type:
            hint = "use the builder `vsphere-iso`"
            raise HostError("vmforge does not build on ESXi over SSH (`remote_type`)", hint=hint)
        self.tools.vmrun_program.find()
        if self.config.local_format is not ExportFormat.VMX:
            self.tools.ovftool.find()
        if self.tools.is_running(self.vmx_path):
            if not leftover and not self.context.force:
                hint = "switch it off, or give `-force`"
                raise HostError(f"the machine `{self.vmx_path}` is running", hint=hint)
            self.tools.vmrun("stop", self.vmx_path, "hard")

    def host_address(self) -> HostAddress:
        kind, device = entries.network_entries(getattr(self.config, "network", "nat"))
        if self.config.http_interface:
            address = interface_address(self.config.http_interface)
        elif kind == "bridged":
            address = address_towards(_ANYWHERE)
        else:
            address = interface_address(_DEVICES.get(kind, device.lower()))
        return HostAddress(address, address)

    def create(self, media: Media, remember: Callable[[str], None]) -> None:
        remember(str(self.vmx_path))
        vmx = self.make(media)
        if media.cd is not None:
            place = self.cd_place(vmx)
            vmx.update(entries.disc(place, media.cd))
            self._discs.append(place)
        if media.floppy is not None:
            vmx.update(entries.floppy(media.floppy))
        vmx.update(self.config.vmx_data)
        if self.config.display_name:
            vmx.set("displayName", self.config.display_name)
        vmx.update(self._open_vnc() if not self.config.disable_vnc else {})
        self.vmx_path.write_text(str(vmx), encoding="utf-8")

    def start(self) -> None:
        if self._reservation is not None:
            self._reservation.__exit__(None, None, None)  # VMware listens there now
            self._reservation = None
        self.context.data["ID"] = self.name
        self.tools.vmrun("start", self.vmx_path, "nogui" if self.config.headless else "gui")
        if self._vnc_port:
            password = f", password `{self._password.value}`" if self._password is not None else ""
            where = f"{self.config.vnc_bind_address}:{self._vnc_port}"
            self.context.ui.message(f"watch it with a VNC viewer at `{where}`{password}")

    @contextmanager
    def console(self) -> Iterator[Console]:
        from vmforge.console.sight import Sight

        with self._screen() as screen:
            yield Console(screen, Sight(screen))

    def endpoint(self) -> Endpoint:
        return Endpoint(self._guest_address(), self.context.connector.port)

    def is_running(self) -> bool:
        return self.tools.is_running(self.vmx_path)

    def power_button(self) -> None:
        try:
            self.tools.vmrun("stop", self.vmx_path, "soft")
        except VmforgeError as error:  # the guest lacks the tools that would do it
            self.context.ui.message(error.message)

    def power_off(self) -> None:
        self.tools.vmrun("stop", self.vmx_path, "hard")

    def reached(self, communicator: Communicator) -> None:
        flavor = self.config.tools_upload_flavor
        if flavor is None:
            return
        disc = self.config.tools_source_path or self.tools.tools_disc(flavor)
        path = self.context.render(self.config.tools_upload_path, {"Flavor": flavor.value})
        self.context.ui.message(f"uploading VMware's tools to `{path}`")
        communicator.upload(disc, path)

    def finish(self) -> None:
        self._tidy()
        if not self.config.skip_compaction:
            for disk in self._disks():
                compact_disk(self.tools, disk)
        self._close()
        if self.config.snapshot_name:
            self.tools.vmrun("snapshot", self.vmx_path, self.config.snapshot_name)
        kind = self.config.local_format
        if kind is not ExportFormat.VMX:
            target = self.folder.absolute() / f"{self.name}.{kind}"
            convert(self.tools, self.vmx_path, target, self.config.ovftool_options)

    def artifact(self, files: tuple[Path, ...]) -> Artifact:
        description = f"VM files in directory: {self.folder}"
        state: dict[str, object] = {
            "artifact.conf.format": self.config.local_format.value,
            "vm_name": self.name,
            "generated_data": dict(self.context.data),
            **self.described(files),
        }
        return FileArtifact(BUILDER_ID, self.name, files, description, self.folder, state)

    def described(self, files: tuple[Path, ...]) -> dict[str, object]:
        """What more the artifact says of itself."""
        return {}

    def destroy(self) -> None:
        """Only what runs has to be ended: the files go with the output directory."""
        if self._reservation is not None:
            self._reservation.__exit__(None, None, None)
            self._reservation = None
        tools = self.tools.undoing
        if self.vmx_path.exists() and tools.is_running(self.vmx_path):
            tools.vmrun("stop", self.vmx_path, "hard")

    def how_to_end(self) -> str:
        return f"end it with `vmrun -T {self.tools.product} stop {self.vmx_path} hard`"

    # -- parts

    def _open_vnc(self) -> dict[str, str]:
        ports = range(self.config.vnc_port_min, self.config.vnc_port_max + 1)
        self._reservation = PortReservation(ports)
        self._vnc_port = self._reservation.__enter__()
        if not self.config.vnc_disable_password:
            self._password = Secret(secrets.token_hex(_PASSWORD_LENGTH // 2))
        password = self._password.value if self._password is not None else ""
        return entries.vnc(self.config.vnc_bind_address, self._vnc_port, password)

    def _screen(self) -> VncConsole:
        from vmforge.console.vnc import VncConsole

        bound = self.config.vnc_bind_address
        host = "127.0.0.1" if bound in ("", "0.0.0.0") else bound

        def connect() -> socket.socket:
            return socket.create_connection((host, self._vnc_port), timeout=10)

        return VncConsole(connect, self.context.cancellation, password=self._password)

    def _guest_address(self) -> str:
        """As the guest's tools report it, or as VMware's DHCP server has leased it."""
        address = self.tools.guest_address(self.vmx_path)
        if address:
            return address
        vmx = Vmx.parse(self.vmx_path.read_text(encoding="utf-8", errors="replace"))
        kind = vmx.get("ethernet0.connectionType", "nat")
        device = _DEVICES.get(kind) or vmx.get("ethernet0.vnet").lower()
        card = entries.hardware_address(vmx)
        address = leased_address(card, lease_files(device)) if card else ""
        if not address:
            hint = "let the guest get its address by DHCP or have `open-vm-tools`, or set `ssh_host`"
            raise CommunicatorError("VMware does not know the guest's address yet", hint=hint)
        return address

    def _disks(self) -> list[Path]:
        """The machine's disks; an extent of one that is split is no disk."""
        vmx = Vmx.parse(self.vmx_path.read_text(encoding="utf-8", errors="replace"))
        named = (vmx.get(name) for name in vmx.names() if name.lower().endswith(".filename"))
        disks = (self.vmx_path.parent / name for name in named if name.endswith(".vmdk"))
        return [disk for disk in disks if disk.is_file()]

    def _tidy(self) -> None:
        """Delete what VMware leaves beside the machine."""
        from vmforge.builders.output import is_marker

        for path in sorted(self.folder.absolute().iterdir()):
            if path.is_file() and path.suffix.lower() not in _KEPT and not is_marker(path):
                path.unlink()

    def _close(self) -> None:
        """Take the build's own entries out of the VMX file, and put the template's in."""
        vmx = Vmx.parse(self.vmx_path.read_text(encoding="utf-8", errors="replace"))
        for place in self._discs:
            vmx.update(entries.no_disc(place))
        vmx.update(entries.NO_FLOPPY)
        vmx.update(entries.NO_VNC)
        vmx.update(self.config.vmx_data_post)
        if self.config.vmx_remove_ethernet_interfaces:
            entries.without_network(vmx)
        staged = self.vmx_path.with_suffix(".vmx.part")
        staged.write_text(str(vmx), encoding="utf-8")
        staged.replace(self.vmx_path)
