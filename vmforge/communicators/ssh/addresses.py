"""What stands in one string of a template: bastions, proxies, tunnels. Every `parse_` raises ValueError."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import urlsplit

_HOST = r"\[[^\]]+\]|[^\s:\[\]@,]+"
_HOP = re.compile(rf"(?:(?P<user>[^@\s]+)@)?(?P<host>{_HOST})(?::(?P<port>\d+))?")
_TUNNEL = re.compile(
    rf"(?:(?P<bind>\*|{_HOST}|):)?(?P<port>\d+):(?P<host>{_HOST}):(?P<host_port>\d+)", re.ASCII
)


@dataclass(frozen=True, slots=True)
class Hop:
    """A bastion: an SSH server on the way to the guest. `user` is empty where none is named."""

    user: str
    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


def parse_hops(text: str, default_port: int) -> tuple[Hop, ...]:
    """The bastions of `[USER@]HOST[:PORT],...`, in the order in which they are passed, as OpenSSH's
    `ProxyJump` has them."""
    return tuple(_hop(part.strip(), default_port) for part in text.split(","))


def _hop(text: str, default_port: int) -> Hop:
    if _is_address(text):  # an IPv6 address without brackets, which cannot have a port
        return Hop("", text, default_port)
    match = _HOP.fullmatch(text)
    if match is None:
        raise ValueError(f"`{text}` names no bastion; write `HOST`, `HOST:PORT` or `USER@HOST:PORT`")
    port = _port(match["port"]) if match["port"] else default_port
    return Hop(match["user"] or "", match["host"].strip("[]"), port)


class ProxyKind(StrEnum):
    SOCKS5 = "socks5"
    HTTP = "http"


@dataclass(frozen=True, slots=True)
class ProxyAddress:
    kind: ProxyKind
    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.kind}://{self.host}:{self.port}"


def parse_proxy(text: str, default_port: int) -> ProxyAddress:
    """A proxy as `HOST` (SOCKS5) or as a URL: `socks5://HOST:PORT`, `http://HOST:PORT`."""
    kind, _, rest = text.rpartition("://") if "://" in text else ("socks5", "", text)
    kind = kind.lower().replace("socks5h", "socks5")
    if kind not in list(ProxyKind):
        raise ValueError(f"a proxy of the kind `{kind}` is not known; write `socks5://` or `http://`")
    if _is_address(rest):
        return ProxyAddress(ProxyKind(kind), rest, default_port)
    parts = urlsplit(f"//{rest}")
    if "@" in parts.netloc:
        raise ValueError("a proxy's address holds no user; set `ssh_proxy_username` and `ssh_proxy_password`")
    if not parts.hostname or parts.path.strip("/"):
        raise ValueError(f"`{text}` names no proxy; write `HOST`, `socks5://HOST:PORT` or `http://HOST:PORT`")
    return ProxyAddress(ProxyKind(kind), parts.hostname, parts.port or default_port)


@dataclass(frozen=True, slots=True)
class Tunnel:
    """What comes to `port` at one end goes to `host:host_port` from the other. `bind` is the address to
    listen at: empty for all."""

    bind: str
    port: int
    host: str
    host_port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.port}:{host}:{self.host_port}"


def parse_tunnel(text: str) -> Tunnel:
    """A tunnel as OpenSSH's `-L` and `-R` have it: `[BIND:]PORT:HOST:HOSTPORT`."""
    match = _TUNNEL.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"`{text}` is no tunnel; write `PORT:HOST:HOSTPORT`, as in `8080:localhost:80`")
    bind = "localhost" if match["bind"] is None else match["bind"].strip("[]*")
    return Tunnel(bind, _port(match["port"]), match["host"].strip("[]"), _port(match["host_port"]))


def _port(text: str) -> int:
    port = int(text)
    if not 0 < port < 65536:
        raise ValueError(f"{port} is no port; ports go from 1 to 65535")
    return port


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
