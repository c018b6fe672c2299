"""A machine in vSphere's inventory: what a build asks of it."""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from vmforge.builders.installing.marks import read_mark_text
from vmforge.builders.vsphere.client import Vsphere
from vmforge.builders.vsphere.config import WaitOptions
from vmforge.errors import CommunicatorError, MachineError
from vmforge.sdk.cloud import CloudError
from vmforge.sdk.mark import RunMark

if TYPE_CHECKING:
    from vmforge.console.grouped import ChordReader, Stroke

# Page 7 of USB's usage tables (keyboards), as vSphere wants it beside a key's usage.
_KEYBOARD_PAGE: Final = 7
_FIRST_MODIFIER, _LAST_MODIFIER = 0xE0, 0xE7
_MODIFIERS: Final = (
    "leftControl",
    "leftShift",
    "leftAlt",
    "leftGui",
    "rightControl",
    "rightShift",
    "rightAlt",
    "rightGui",
)


@dataclass(frozen=True)
class VsphereMachine:
    """`entity` is the API's own object (`vim.VirtualMachine`)."""

    vsphere: Vsphere
    entity: Any

    @property
    def id(self) -> str:
        return str(self.entity._moId)

    @property
    def name(self) -> str:
        return str(self.ask("name"))

    def ask(self, *path: str) -> Any:
        """A property, by the names that lead to it; None where it is not set."""
        whole = ".".join(path)
        return self.vsphere.properties(self.entity, whole).get(whole)

    @property
    def devices(self) -> list[Any]:
        return list(self.ask("config", "hardware", "device") or ())

    @property
    def mark(self) -> RunMark | None:
        """The mark of the build that made it; None also when it is gone."""
        try:
            return read_mark_text(str(self.ask("config", "annotation") or ""))
        except CloudError as error:
            if error.is_absence:
                return None
            raise

    def change(self, spec: Any, what: str = "changing the machine") -> None:
        self.vsphere.run(lambda: self.entity.ReconfigVM_Task(spec), what)

    def start(self) -> None:
        self.vsphere.run(self.entity.PowerOnVM_Task, "starting the machine")

    def is_off(self) -> bool:
        return str(self.ask("runtime", "powerState")) == "poweredOff"

    def power_button(self) -> None:
        """Have VMware Tools shut the guest down. Raises `MachineError` where it has none."""
        try:
            self.vsphere.do(self.entity.ShutdownGuest)
        except CloudError as error:
            if error.code == "ToolsUnavailable":
                hint = "install VMware Tools (`open-vm-tools`) in the guest, or set `shutdown_command`"
                raise MachineError("the guest has no VMware Tools that shut it down", hint=hint) from None
            if error.code != "InvalidPowerState":  # it went off in that moment
                raise

    def power_off(self) -> None:
        try:
            self.vsphere.run(self.entity.PowerOffVM_Task, "stopping the machine")
        except CloudError as error:
            if error.code != "InvalidPowerState":
                raise

    def delete(self) -> None:
        """Stop and delete it with its disks; nothing when it is gone."""
        try:
            if not self.is_off():
                self.power_off()
            self.vsphere.run(self.entity.Destroy_Task, "deleting the machine")
        except CloudError as error:
            if not error.is_absence:
                raise

    def snapshot(self, name: str, description: str = "") -> None:
        self.vsphere.run(
            lambda: self.entity.CreateSnapshot_Task(name, description, False, False), "making a snapshot"
        )

    def to_template(self) -> None:
        self.vsphere.do(self.entity.MarkAsTemplate)

    def press(self, reader: ChordReader, strokes: tuple[Stroke, ...]) -> None:
        """Press and release keys, in chords as `reader` makes them."""
        from pyVmomi import vim

        events = [_key_event(vim.UsbScanCodeSpec, chord) for chord in reader.read(strokes)]
        if events:
            spec = vim.UsbScanCodeSpec(keyEvents=events)
            self.vsphere.do(lambda: self.entity.PutUsbScanCodes(spec))

    def addresses(self) -> list[str]:
        """All addresses of the guest that VMware Tools tell of, those of its cards first."""
        cards = self.ask("guest", "net") or ()
        found = [str(address) for card in cards for address in card.ipAddress or ()]
        first = self.ask("guest", "ipAddress")
        return list(dict.fromkeys([*found, *([str(first)] if first else [])]))


def _key_event(spec: Any, chord: Iterable[int]) -> Any:
    """Keys that are pressed together: modifiers, and one key, if there is one."""
    from vmforge.console.key_formats import usb_usage

    usages = [usb_usage(place) for place in chord]
    held = {
        _MODIFIERS[usage - _FIRST_MODIFIER]: True
        for usage in usages
        if _FIRST_MODIFIER <= usage <= _LAST_MODIFIER
    }
    keys = [usage for usage in usages if not _FIRST_MODIFIER <= usage <= _LAST_MODIFIER]
    code = keys[-1] if keys else usages[-1]
    modifiers = spec.ModifierType(**held) if held and keys else None
    return spec.KeyEvent(usbHidCode=code << 16 | _KEYBOARD_PAGE, modifiers=modifiers)


@dataclass
class SettledAddress:
    """The guest's address, once it has stayed the same for a while."""

    options: WaitOptions
    addresses: Callable[[], list[str]]
    clock: Callable[[], float] = time.monotonic
    _seen: str = field(default="", init=False)
    _since: float = field(default=0.0, init=False)
    _settled: str = field(default="", init=False)

    def look(self) -> str:
        """Raises `CommunicatorError` while there is none."""
        found = next(filter(self._fits, self.addresses()), "")
        if not found and self._settled:
            return self._settled  # a guest that restarts tells none for a moment
        if not found:
            where = f" in `{self.options.ip_wait_address}`" if self.options.ip_wait_address else ""
            hint = "see that VMware Tools run in the guest, or set `ssh_host` (`winrm_host`)"
            raise CommunicatorError(f"VMware Tools tell no address of the guest{where} yet", hint=hint)
        if found != self._seen:
            self._seen, self._since = found, self.clock()
        if found != self._settled and self.clock() - self._since < self.options.ip_settle_timeout.seconds:
            raise CommunicatorError(f"the guest's address `{found}` is to stay the same for a while first")
        self._settled = found
        return found

    def _fits(self, address: str) -> bool:
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            return False
        if not self.options.ip_wait_address:
            return not parsed.is_link_local
        wanted = ipaddress.ip_network(self.options.ip_wait_address, strict=False)
        return parsed in wanted and (not parsed.is_link_local or wanted.is_link_local)
