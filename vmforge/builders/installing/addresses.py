"""Which of this machine's addresses a guest elsewhere reaches."""

from __future__ import annotations

import fcntl
import socket
import struct

from vmforge.builders.installing.contract import HostAddress
from vmforge.errors import HostError

_SIOCGIFADDR, _NAME_SIZE = 0x8915, 16  # netdevice(7)
_ANY_PORT = 9  # discard: nothing is sent


def interface_address(interface: str) -> str:
    """This machine's IPv4 address on a network interface. Raises `HostError` when it has none."""
    name = interface.encode()[: _NAME_SIZE - 1]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            answer = fcntl.ioctl(probe, _SIOCGIFADDR, struct.pack("256s", name))
        except OSError as error:
            raise HostError(
                f"the interface `{interface}` has no address on this machine: {error.strerror}",
                hint=f"look at `ip address show {interface}`",
            ) from error
    return socket.inet_ntoa(answer[20:24])


def address_towards(host: str) -> str:
    """This machine's address on the way to another one. Raises `HostError` when there is no way."""
    try:
        family, kind, _, _, where = socket.getaddrinfo(host, _ANY_PORT, type=socket.SOCK_DGRAM)[0]
        with socket.socket(family, kind) as probe:
            probe.connect(where)
            return str(probe.getsockname()[0])
    except OSError as error:
        hint = "set `http_interface` or `http_bind_address` to what the guest reaches"
        raise HostError(f"there is no way from here to `{host}`: {error.strerror}", hint=hint) from error


def host_address_towards(host: str, interface: str = "") -> HostAddress:
    """Where guests of the hypervisor `host` reach this machine: on `interface`, if the user names one
    (`http_interface`)."""
    address = interface_address(interface) if interface else address_towards(host)
    return HostAddress(address, address)
