"""The screen's way out: VNC."""

from __future__ import annotations

from dataclasses import dataclass
from xml.etree.ElementTree import Element

from vmforge.hypervisor.devices.element import child, element
from vmforge.sdk.values import Secret


@dataclass(frozen=True, slots=True)
class Vnc:
    """A VNC server on a unix socket of libvirt's choice; on TCP only when `address` names one.

    With an address, the first free port from `port_min` to `port_max` is used. QEMU looks at the
    first eight characters of the password, which viewers need, `VirtualMachine.open_console` does not.
    """

    address: str = ""
    port_min: int = 5900
    port_max: int = 6000
    password: Secret | None = None

    def xml(self, port: int | None = None) -> Element:
        graphics = element("graphics", type_="vnc")
        if self.address:
            graphics.set("port", str(self.port_min if port is None else port))
            graphics.set("autoport", "no")
            child(graphics, "listen", type_="address", address=self.address)
        else:
            child(graphics, "listen", type_="socket")
        if self.password:
            graphics.set("passwd", self.password.value)
        return graphics
