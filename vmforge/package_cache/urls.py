"""What a request asks for, by which key it is kept, and whether its content can ever change."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

_PORTS: Final = {"http": 80, "https": 443}
_HOST: Final = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_.])?|\[[0-9A-Fa-f:.]+\]", re.ASCII)
_AUTHORITY: Final = re.compile(rf"({_HOST.pattern}):(\d{{1,5}})", re.ASCII)
_VISIBLE: Final = re.compile(r"[!-~]+", re.ASCII)
_ESCAPE: Final = re.compile(r"%([0-9A-Fa-f]{2})")
# Escaped by some clients and not by others, and never meaning anything else: `libstdc%2b%2b6`.
_UNESCAPED: Final = re.compile(r"[A-Za-z0-9._~+:@!$,;=()*'-]")

_BY_HASH: Final = re.compile(r"/by-hash/(?:MD5Sum|SHA1|SHA256|SHA512)/[0-9a-f]{32,128}$", re.IGNORECASE)
_SHA_NAMED: Final = re.compile(r"(?:^|/)(?:[0-9a-f]{128}|[0-9a-f]{64}|[0-9a-f]{40})(?:-[^/]*)?$")
_SHA256_NAMED: Final = re.compile(r"(?:^|/)([0-9a-f]{64})(?:-[^/]*)?$")
_PACKAGES: Final = (
    # Debian: only below pool/, where a version's file is never replaced; flat archives do replace it
    re.compile(r"/pool/(?:.*/)?[^/_]+_[^/_]+(?:_[^/_]+)?\.(?:deb|udeb|ddeb|dsc|changes|diff\.gz)$"),
    re.compile(r"/pool/(?:.*/)?[^/_]+_[^/_]+\.tar\.(?:gz|xz|bz2|zst)(?:\.asc)?$"),
    re.compile(r"/[^/]+-\d[^/-]*-[^/-]+\.[a-z0-9_]+\.(?:rpm|drpm)$"),
    re.compile(r"/[^/]+-\d[^/-]*-r\d+\.apk$"),
    re.compile(r"/[^/]+-\d[^/-]*-\d[^/-]*-[a-z0-9_]+\.pkg\.tar\.(?:zst|xz|gz)(?:\.sig)?$"),
)


class Refused(Exception):
    """A request that is answered with `status` and a sentence."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Target:
    """Where a request leads. `path` is the client's own, with its query; `host` is in lower case."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def authority(self) -> str:
        """Host and port as URLs and the header `Host` have them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        """The URL in the one form by which its content is kept."""
        return f"{self.scheme}://{self.authority}{_ESCAPE.sub(_normal_escape, self.path)}"

    @property
    def asked(self) -> str:
        """The URL as it was asked for."""
        return f"{self.scheme}://{self.authority}{self.path}"


def parse_target(text: str) -> Target:
    """The target of a request to a proxy (RFC 9112, section 3.2.2). Raises Refused."""
    if not _VISIBLE.fullmatch(text):
        raise Refused(400, "the target of the request is no URL")
    if text.startswith("/") or text == "*":
        raise Refused(400, "this is a proxy for packages: ask it for whole URLs, `http://host/path`")
    scheme, separator, _ = text.partition("://")
    if not separator or scheme.lower() not in _PORTS:
        raise Refused(400, f"this proxy fetches over HTTP only, not `{text[:200]}`")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise Refused(400, f"the target of the request is no URL: {error}") from None
    if "@" in parts.netloc:
        raise Refused(400, "names and passwords belong into the header `Authorization`, not into the URL")
    return _target(parts.scheme, parts.hostname or "", port, parts.path or "/", parts.query)


def parse_authority(text: str) -> tuple[str, int]:
    """Host and port of a CONNECT (RFC 9112, section 3.2.3). Raises Refused."""
    match = _AUTHORITY.fullmatch(text)
    if match is None or not 0 < int(match[2]) < 65536:
        raise Refused(400, "a tunnel needs a host and a port, `host:443`")
    return match[1].strip("[]").lower(), int(match[2])


def _target(scheme: str, host: str, port: int | None, path: str, query: str) -> Target:
    written = f"[{host}]" if ":" in host else host
    if not _HOST.fullmatch(written) or port == 0:
        raise Refused(400, f"`{host[:200]}` is not the name of a host")
    return Target(scheme, host, port or _PORTS[scheme], path + (f"?{query}" if query else ""))


def _normal_escape(match: re.Match[str]) -> str:
    character = chr(int(match[1], 16))
    return character if _UNESCAPED.fullmatch(character) else f"%{match[1].upper()}"


def is_lasting(url: str) -> bool:
    """Whether what a URL leads to never changes: packages with a version in their name, files named by
    their own checksum."""
    path, query, _ = url.partition("?")
    if query:
        return False
    named_by_content = _BY_HASH.search(path) or _SHA_NAMED.search(path)
    return named_by_content is not None or any(pattern.search(path) for pattern in _PACKAGES)


def stated_sha256(url: str) -> str | None:
    """The SHA-256 that a file's name states."""
    match = _SHA256_NAMED.search(url)
    return match[1] if match else None
