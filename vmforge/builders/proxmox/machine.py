"""A machine on a Proxmox node: what a build asks of it, by its number."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vmforge.builders.proxmox.client import Parameters, Proxmox
from vmforge.errors import CommunicatorError
from vmforge.sdk.cloud import CloudError

if TYPE_CHECKING:
    from vmforge.console.grouped import ChordReader, Stroke

_STOP_SECONDS = 120.0
_GONE_SECONDS = 300.0


@dataclass(frozen=True)
class ProxmoxMachine:
    proxmox: Proxmox
    node: str
    number: int

    @property
    def path(self) -> str:
        return f"nodes/{self.node}/qemu/{self.number}"

    def config(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.proxmox.get(f"{self.path}/config")
        return found

    def change(self, parameters: Parameters) -> None:
        """Change its configuration; `delete` names what is to be taken out of it."""
        task = self.proxmox.post(f"{self.path}/config", parameters)
        self.proxmox.wait(task, f"changing the machine {self.number}")

    def start(self) -> None:
        self.proxmox.wait(
            self.proxmox.post(f"{self.path}/status/start"), f"starting the machine {self.number}"
        )

    def is_off(self) -> bool:
        return bool(self._status() == "stopped")

    def power_button(self) -> None:
        """Press its power button, and do not wait: the task ends when the guest does, or in vain."""
        self.proxmox.post(f"{self.path}/status/shutdown", {"timeout": 600})

    def power_off(self) -> None:
        """Cut its power."""
        # the task of the power button holds a lock until it ends
        parameters = {"overrule-shutdown": 1}
        try:
            task = self.proxmox.post(f"{self.path}/status/stop", parameters)
        except CloudError as error:
            if error.status != 400:
                raise
            task = self.proxmox.post(
                f"{self.path}/status/stop"
            )  # before Proxmox 8 there was no such parameter
        self.proxmox.wait(task, f"stopping the machine {self.number}", _STOP_SECONDS)

    def delete(self) -> None:
        """Stop and delete it with its disks; nothing when it is gone."""
        try:
            if not self.is_off():
                self.power_off()
            task = self.proxmox.delete(self.path, purge=1, **{"destroy-unreferenced-disks": 1})
        except CloudError as error:
            if error.is_absence:
                return
            raise
        self.proxmox.wait(task, f"deleting the machine {self.number}", _GONE_SECONDS)

    def to_template(self) -> None:
        task = self.proxmox.post(f"{self.path}/template")
        self.proxmox.wait(task, f"making a template of the machine {self.number}")

    def press(self, reader: ChordReader, strokes: tuple[Stroke, ...]) -> None:
        """Press and release keys, in chords as `reader` makes them."""
        from vmforge.console.key_formats import qemu_name

        for chord in reader.read(strokes):
            self.proxmox.put(f"{self.path}/sendkey", {"key": "-".join(map(qemu_name, chord))})

    def address(self, interface: str) -> str:
        """The guest's address, as its agent tells. Raises `CommunicatorError` while it does not."""
        try:
            answer = self.proxmox.get(f"{self.path}/agent/network-get-interfaces")
        except CloudError as error:
            if error.status != 500:
                raise
            hint = "see that `qemu-guest-agent` runs in it, or set `qemu_agent = false` and `ssh_host`"
            raise CommunicatorError(
                f"the guest's agent does not tell its address: {error.message}", hint=hint
            ) from None
        found = first_address(answer.get("result", ()), interface)
        if not found:
            where = f" on `{interface}`" if interface else ""
            raise CommunicatorError(
                f"the guest has no address{where} yet", hint="see its network, and `vm_interface`"
            )
        return found

    def _status(self) -> str:
        return str(self.proxmox.get(f"{self.path}/status/current")["status"])


def first_address(interfaces: Any, wanted: str) -> str:
    """The first address that other machines can reach, IPv4 before IPv6, in an agent's answer (QEMU's
    `guest-network-get-interfaces`); empty for none."""
    found: dict[int, str] = {}
    for interface in interfaces or ():
        if wanted and interface.get("name") != wanted:
            continue
        for entry in interface.get("ip-addresses") or ():
            try:
                address = ipaddress.ip_address(str(entry.get("ip-address", "")).partition("%")[0])
            except ValueError:
                continue
            # an interface that is asked for by its name is taken at its word
            if not address.is_link_local and (wanted or not address.is_loopback):
                found.setdefault(address.version, str(address))
    return found.get(4) or found.get(6) or ""
