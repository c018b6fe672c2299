"""What vmforge may ask of the network, and where: one policy that every door to it asks.

Offline, nothing but this machine is asked: files, and servers on its loopback addresses. A mirror's place
takes that of the URL that it stands for; what is kept is kept under the URL that the template names.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

from vmforge.errors import VmforgeError
from vmforge.sdk.values import expand_home

OFFLINE_VARIABLE = "VMFORGE_OFFLINE"
_FALSE = ("", "0", "f", "false", "no", "off")
_REMOTE_SCHEMES = ("http", "https")


class NetworkRefused(VmforgeError):
    """Something would be asked of the network although the build is offline."""


class RemoteKind(StrEnum):
    """What goes over the network, as users are told of it. GUEST is what the guest fetches by itself, and
    PROGRAM what a program of this machine does: vmforge can only say so."""

    MEDIUM = "medium"
    CHECKSUMS = "checksum list"
    DATA = "data source"
    SECRET = "secret"
    UPLOAD = "upload"
    CLOUD = "cloud"
    PROGRAM = "program"
    GUEST = "guest"

    @property
    def is_ours(self) -> bool:
        """Whether vmforge itself goes to the network for it, and so can refuse to."""
        return self not in (RemoteKind.PROGRAM, RemoteKind.GUEST)


@dataclass(frozen=True, slots=True)
class RemoteInput:
    """Something that a build takes from the network, or sends there.

    `what` names it in a sentence (`the ISO`). Any of `urls` will do. `key` is what it is kept under in the
    shared store (`sha256:HEX`, `url:URL`, `listed:...`), with `extension`; empty when it never is. A file at
    `target` stands for it as well. The list with its checksum must be signed by one of the keys in `keyring`,
    detached where there is a place of a `signature`; `keys` is what tells these keys from others.
    """

    kind: RemoteKind
    what: str
    urls: tuple[str, ...] = ()
    checksum: str = ""
    key: str = ""
    extension: str = ""
    target: Path | None = None
    keyring: Path | None = None
    signature: str = ""
    keys: str = ""

    @property
    def places(self) -> tuple[str, ...]:
        """The URLs as they may be shown."""
        return tuple(shown_url(url) for url in self.urls)


@dataclass(frozen=True, slots=True)
class Mirror:
    """`place` stands for every URL that begins with `prefix`."""

    prefix: str
    place: str

    @classmethod
    def parse(cls, prefix: str, place: str) -> Mirror:
        """Raises ValueError with a message for the user."""
        begin, end = urlsplit(prefix.strip()), urlsplit(place.strip())
        if begin.scheme.lower() not in _REMOTE_SCHEMES or not begin.netloc:
            raise ValueError(f"`{prefix}` is no `http://` or `https://` URL that a mirror could stand for")
        if begin.query or begin.fragment or end.query or end.fragment:
            raise ValueError(f"`{prefix}` and `{place}` must be the beginnings of URLs, without `?` and `#`")
        local = end.scheme.lower() == "file" and end.netloc in ("", "localhost") and end.path.startswith("/")
        if not local and not (end.scheme.lower() in _REMOTE_SCHEMES and end.netloc):
            raise ValueError(f"`{place}` is no place of a mirror: write `https://...`, or `file:///...`")
        if prefix.strip().endswith("/") != place.strip().endswith("/"):
            raise ValueError(f"`{prefix}` and `{place}` must both end with `/`, or neither")
        return cls(_normal(prefix.strip()), place.strip())

    def rest_of(self, url: str) -> str | None:
        """What of a URL is left behind the prefix; None where it does not begin with that."""
        normal = _normal(url)
        rest = normal.removeprefix(self.prefix)
        if not normal.startswith(self.prefix):
            return None
        # `https://a/b` is no beginning of `https://a/bc`, nor `https://a` of `https://a.example`
        whole = not rest or self.prefix.endswith("/") or rest[0] in "/?#"
        return rest if whole else None


@dataclass(frozen=True, slots=True)
class Mirrors:
    """The mirrors; the longest prefix that fits wins, and of two that are equal the first."""

    entries: tuple[Mirror, ...] = ()

    @classmethod
    def of(cls, pairs: Iterable[tuple[str, str]]) -> Mirrors:
        """Raises ValueError with a message for the user."""
        return cls(tuple(Mirror.parse(prefix, place) for prefix, place in pairs))

    def place_of(self, url: str) -> str:
        """Where a URL is to be asked for; itself when it has no mirror. A mirror's place is never looked up
        again."""
        best = max(
            (mirror for mirror in self.entries if mirror.rest_of(url) is not None),
            key=lambda mirror: len(mirror.prefix),
            default=None,
        )
        if best is None:
            return url
        rest = best.rest_of(url) or ""
        if best.place.lower().startswith("file:"):
            rest = rest.partition("?")[0].partition("#")[0]
        if ".." in unquote(rest).split("/"):
            return url  # a mirror's folder is not left
        if rest.startswith("/"):
            # Debian's installer asks for `debian//dists/...`, which not every server takes for one slash
            rest = ("" if best.place.endswith("/") else "/") + rest.lstrip("/")
        return best.place + rest


class Network:
    """The policy of one run, and what it was found to lack. Safe to use from several threads."""

    def __init__(self, *, offline: bool = False, mirrors: Mirrors | None = None) -> None:
        self.offline = offline
        self.mirrors = mirrors or Mirrors()
        self._missing: list[RemoteInput] = []
        self._lock = threading.Lock()

    def locate(self, url: str) -> str:
        """Where to ask for a URL: itself, or a mirror. Raises `NetworkRefused` offline, unless that is on
        this machine."""
        place = self.mirrors.place_of(url)
        if self.offline and not is_local(place):
            hint = "leave `--offline` out, or see docs/air-gap.md: bundles and mirrors"
            raise NetworkRefused(f"offline: `{shown_url(place)}` is not asked", hint=hint)
        return place

    def allows(self, url: str) -> bool:
        """Whether a URL, or its mirror, may be asked."""
        return not self.offline or is_local(self.mirrors.place_of(url))

    def miss(self, missing: RemoteInput) -> None:
        """Note what is not here and may not be fetched, to be told with all else."""
        with self._lock:
            if missing not in self._missing:
                self._missing.append(missing)

    @property
    def missing(self) -> tuple[RemoteInput, ...]:
        """What `miss` was told of, in that order."""
        with self._lock:
            return tuple(self._missing)


def is_offline(environment: Mapping[str, str]) -> bool:
    """Whether the environment asks for no network (`VMFORGE_OFFLINE=1`)."""
    return environment.get(OFFLINE_VARIABLE, "").strip().lower() not in _FALSE


def is_local(url: str) -> bool:
    """Whether a URL, or a path, leads nowhere but to this machine: a file, or a loopback address."""
    scheme, separator, _ = url.partition("://")
    if not separator or scheme.lower() == "file":
        return True
    if scheme.lower() == "s3":  # a bucket's name is no host's
        return False
    try:
        return is_loopback(urlsplit(url).hostname or "")
    except ValueError:
        return False


def is_loopback(host: str) -> bool:
    """Whether a host is this machine by its loopback interface (RFC 6761, section 6.3, and RFC 1122)."""
    if host.lower().rstrip(".") == "localhost":
        return True
    import ipaddress  # few runs ask

    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def file_of(url: str) -> Path | None:
    """The file that a `file:` URL, or a path, names; None for what is on a server."""
    scheme, separator, rest = url.partition("://")
    if not separator:
        return expand_home(Path(url.removeprefix("file:")))
    if scheme.lower() != "file":
        return None
    return Path(unquote(rest.removeprefix("localhost") if rest.startswith("localhost/") else rest))


def shown_url(url: str) -> str:
    """A URL without its password, and without its query, which may hold a key."""
    if "://" not in url:
        return url
    try:
        parts = urlsplit(url)
    except ValueError:
        return url.partition("://")[0] + "://..."
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def _normal(url: str) -> str:
    """A URL whose scheme and host are in lower case."""
    scheme, separator, rest = url.partition("://")
    if not separator:
        return url
    end = min((at for at in (rest.find(c) for c in "/?#") if at >= 0), default=len(rest))
    return f"{scheme.lower()}://{rest[:end].lower()}{rest[end:]}"
