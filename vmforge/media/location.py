"""Where a medium is: a URL to fetch, or a file on this machine."""

from __future__ import annotations

import hashlib
import posixpath
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

from vmforge.errors import DownloadError
from vmforge.sdk.network import Network, NetworkRefused
from vmforge.sdk.values import expand_home


@dataclass(frozen=True, slots=True)
class Remote:
    """A URL that requests can fetch."""

    url: str

    @property
    def path(self) -> str:
        """The URL's path, decoded: what a list of checksums may name."""
        return unquote(urlsplit(self.url).path)

    @property
    def host(self) -> str:
        """The server's name, with the port where the URL has one."""
        return urlsplit(self.url).netloc.rpartition("@")[2]

    @property
    def name(self) -> str:
        """The last part of the path, for a title."""
        return posixpath.basename(self.path) or self.url

    def __str__(self) -> str:
        """The URL as it may be shown: without a password, and without a query, which may hold a key."""
        parts = urlsplit(self.url)
        return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def key_of(location: str) -> str:
    """A location as keys of the store have it, which lie on the disk: without a URL's password, and with a
    digest in place of its query, which may hold a key."""
    if "://" not in location:
        return location
    parts = urlsplit(location)
    query = hashlib.sha256(parts.query.encode()).hexdigest() if parts.query else ""
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, query, ""))


@dataclass(frozen=True, slots=True)
class Local:
    """A file on this machine, used where it is."""

    file: Path

    @property
    def path(self) -> str:
        return str(self.file)

    @property
    def name(self) -> str:
        return self.file.name

    def __str__(self) -> str:
        return str(self.file)


def parse_location(text: str, base_dir: Path) -> Remote | Local:
    """Read a URL (http, https, file) or a path; relative paths count from `base_dir`.

    Raises DownloadError for other kinds of URL.
    """
    scheme, separator, rest = text.strip().partition("://")
    if not separator:
        return Local(base_dir / expand_home(Path(text.strip().removeprefix("file:"))))
    if scheme.lower() in ("http", "https"):
        return Remote(text.strip())
    if scheme.lower() == "file":
        return Local(
            base_dir / unquote(rest.removeprefix("localhost") if rest.startswith("localhost/") else rest)
        )
    raise DownloadError(
        f"`{scheme}://` URLs cannot be fetched",
        hint="use an http, https or file URL, or a path",
    )


def mirrored(place: Remote | Local, network: Network, base_dir: Path) -> Remote | Local:
    """A mirror's file on this machine in place of a URL that it stands for. What is on a server stays as it
    is: the fetcher knows where to ask for it."""
    if isinstance(place, Local):
        return place
    try:
        found = parse_location(network.locate(place.url), base_dir)
    except NetworkRefused:
        return place
    return found if isinstance(found, Local) else place
