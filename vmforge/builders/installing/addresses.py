"""Which of this machine's addresses a guest elsewhere reaches."""

from __future__ import annotations

import socket

from vmforge.builders.services import HostAddress
from vmforge.errors import HostError
from vmforge.hypervisor.network import interface_address

_ANY_PORT = 9  # discard: nothing is sent


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
