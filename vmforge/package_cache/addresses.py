"""Which addresses the proxy connects to for a guest.

The proxy must not lead a guest to what only this machine itself may see: its loopback services, and what is
link-local to it (a cloud's metadata service, say). Private networks are not kept from a guest: package
mirrors are there, and a guest reaches them without the proxy as well. A mirror that the user named is exempt.
"""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass

from vmforge.package_cache.urls import Refused


@dataclass(frozen=True, slots=True)
class Address:
    """What `socket.connect` takes."""

    family: int
    sockaddr: tuple[str, int]


def resolve(host: str, port: int, *, trusted: bool) -> list[Address]:
    """The addresses behind a name that may be connected to; every one where the user named the host.

    Raises Refused when there are only others, OSError when the name cannot be resolved.
    """
    found = [
        Address(int(family), (str(sockaddr[0]), int(sockaddr[1])))
        for family, _, _, _, sockaddr in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    ]
    allowed = [address for address in found if trusted or not is_own(address.sockaddr[0])]
    if not allowed:
        raise Refused(403, f"`{host}` is an address of the build's own machine, which guests are kept from")
    return allowed


def check_literal(host: str) -> None:
    """Raise Refused for an address that is never connected to; for where another proxy resolves names."""
    if is_own(host) or host == "localhost" or host.endswith(".localhost"):
        raise Refused(403, f"`{host}` is an address of the build's own machine, which guests are kept from")


def is_own(text: str) -> bool:
    """Whether an address means this machine alone; False for a name."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    plain = mapped or address
    return plain.is_loopback or plain.is_link_local or plain.is_unspecified or plain.is_multicast
