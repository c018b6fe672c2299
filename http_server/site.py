"""What a server offers: a folder, or contents by path. Maps a request's path to what it means."""

from __future__ import annotations

import difflib
import hashlib
import html
import io
import os
import posixpath
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import BinaryIO, Protocol
from urllib.parse import quote, unquote

from http_server.content_types import content_type

# Enough to find a typo in any folder of answer files, without walking a whole mirror.
_MOST_PATHS = 5000


@dataclass(slots=True)
class Resource:
    """An open file of `size` bytes; whoever gets it closes `stream`. `modified`: seconds since the epoch."""

    stream: BinaryIO
    size: int
    content_type: str
    tag: str
    modified: float | None = None


@dataclass(frozen=True, slots=True)
class Redirect:
    """The resource is a folder, whose path ends with a slash."""

    location: str


@dataclass(frozen=True, slots=True)
class Refused:
    """Nothing is sent for this path: `status` and the sentence that says why."""

    status: int
    reason: str


Found = Resource | Redirect | Refused


class Site(Protocol):
    def find(self, path: str) -> Found:
        """What a clean path (see `clean_path`) leads to."""

    def paths(self) -> Iterator[str]:
        """The paths of what is offered, each beginning with a slash."""


def clean_path(target: str) -> str | None:
    """The path of a request's target, decoded and without `.`, `..` and empty parts.

    It begins with a slash, never leads above the root, and ends with a slash where the target's
    did. None for what no file can be called.
    """
    if target.startswith(("http://", "https://")):
        target = "/" + target.partition("://")[2].partition("/")[2]
    path = unquote(target.partition("?")[0].partition("#")[0], errors="surrogateescape")
    return None if "\0" in path or "\\" in path else _normal(path)


def _normal(path: str) -> str:
    clean = posixpath.normpath("/" + path.lstrip("/"))
    is_folder = path.endswith(("/", "/.", "/..")) and clean != "/"
    return f"{clean}/" if is_folder else clean


def nearest(site: Site, path: str) -> str | None:
    """The offered path that is most like `path`: the same name in another folder, or a typo away."""
    offered = list(islice(site.paths(), _MOST_PATHS))
    name = posixpath.basename(path).lower()
    same_name = [other for other in offered if name and posixpath.basename(other).lower() == name]
    by_lower = {other.lower(): other for other in same_name or offered}
    close = difflib.get_close_matches(path.lower(), by_lower, n=1, cutoff=0.0 if same_name else 0.6)
    return by_lower[close[0]] if close else None


class ContentSite:
    """Contents by path. The paths may lack the slash at the beginning."""

    def __init__(self, content: Mapping[str, str | bytes]) -> None:
        self._content = {
            _normal(path): body.encode() if isinstance(body, str) else body for path, body in content.items()
        }

    def find(self, path: str) -> Found:
        body = self._content.get(path)
        if body is None:
            return Refused(404, f"nothing is offered at `{path}`")
        return _resource_of(path, body)

    def paths(self) -> Iterator[str]:
        return iter(sorted(self._content))


class FolderSite:
    """The files of a folder. Links are followed as long as they stay inside it.

    Raises NotADirectoryError or FileNotFoundError for what is no folder.
    """

    def __init__(self, directory: Path) -> None:
        self._root = directory.resolve(strict=True)
        if not self._root.is_dir():
            raise NotADirectoryError(f"`{directory}` is not a folder")

    def find(self, path: str) -> Found:
        try:
            real = self._resolve(path)
            if real is None:
                return Refused(403, f"`{path}` is a link that leads out of the served folder")
            if real.is_dir():
                return self._find_folder(path, real)
            if path.endswith("/") or not stat.S_ISREG(real.stat().st_mode):
                return Refused(404, f"`{path}` is not a file")
            return _resource_of_file(path, real)
        except PermissionError:
            return Refused(403, f"`{path}` cannot be read by the server")
        except (OSError, ValueError, RuntimeError):  # RuntimeError: links in a circle
            return Refused(404, f"there is no file `{path}`")

    def paths(self) -> Iterator[str]:
        for folder, folders, files in os.walk(self._root):
            folders.sort()
            for path in (Path(folder) / name for name in sorted(files)):
                if not path.is_symlink() or self._is_inside(path):
                    yield "/" + path.relative_to(self._root).as_posix()

    def _is_inside(self, link: Path) -> bool:
        try:
            return link.resolve(strict=True).is_relative_to(self._root)
        except (OSError, RuntimeError):
            return False

    def _resolve(self, path: str) -> Path | None:
        """The real file behind a path, which exists; None when that lies outside of the folder."""
        real = (self._root / path.lstrip("/")).resolve(strict=True)
        return real if real.is_relative_to(self._root) else None

    def _find_folder(self, path: str, real: Path) -> Found:
        if not path.endswith("/"):
            return Redirect(quote(posixpath.basename(path), errors="surrogateescape") + "/")
        index = self._root / path.lstrip("/") / "index.html"
        if index.is_file():
            return self.find(path + "index.html")
        return _resource_of("index.html", _listing(real))


class WidenedSite:
    """A site, and contents at paths where it offers nothing."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self.more = ContentSite({})

    def find(self, path: str) -> Found:
        found = self._site.find(path)
        if not isinstance(found, Refused) or found.status != 404:
            return found
        further = self.more.find(path)
        return found if isinstance(further, Refused) else further

    def paths(self) -> Iterator[str]:
        own = list(self._site.paths())
        yield from own
        yield from (path for path in self.more.paths() if path not in own)


def _resource_of(path: str, body: bytes) -> Resource:
    tag = hashlib.sha256(body).hexdigest()[:32]
    return Resource(io.BytesIO(body), len(body), content_type(path, body[:1024]), f'"{tag}"')


def _resource_of_file(path: str, real: Path) -> Resource:
    stream = real.open("rb")
    try:
        status = os.fstat(stream.fileno())
        kind = content_type(path, stream.read(1024))
    except BaseException:
        stream.close()
        raise
    tag = f'"{status.st_mtime_ns:x}-{status.st_size:x}"'
    return Resource(stream, status.st_size, kind, tag, status.st_mtime)


def _listing(folder: Path) -> bytes:
    names = sorted(f"{entry.name}/" if entry.is_dir() else entry.name for entry in folder.iterdir())
    links = []
    for name in names:
        target = quote(name, errors="surrogateescape")
        links.append(f'<a href="{target}">{html.escape(name)}</a>\n')
    page = f"<!doctype html>\n<meta charset=utf-8>\n<pre>\n{''.join(links)}</pre>\n"
    return page.encode(errors="replace")
