"""Where files go: the URLs of the `upload` post-processor, read and given out to the files."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from vmforge.errors import VmforgeError


class Scheme(StrEnum):
    """The kinds of destinations. `RSYNC_SSH` is what `HOST:PATH` means; `OCI_HTTP` is for registries
    without encryption."""

    HTTP = "http"
    HTTPS = "https"
    S3 = "s3"
    SFTP = "sftp"
    SCP = "scp"
    RSYNC = "rsync"
    RSYNC_SSH = "rsync+ssh"
    OCI = "oci"
    OCI_HTTP = "oci+http"


# The schemes that push all files at once, as one thing with one name.
_WHOLE = (Scheme.OCI, Scheme.OCI_HTTP)
# The schemes whose paths are URLs: `%20` is a space there. In the others it is `%20`.
_QUOTED = (Scheme.HTTP, Scheme.HTTPS)

_REMOTE_SHELL = re.compile(r"(?:(?P<user>[^@/:\s]+)@)?(?P<host>\[[^\]/]+\]|[^@/:\[\]\s]+):(?P<path>.+)")
_REGISTRY_NAME = re.compile(r"[a-z0-9]+(?:[._/-]+[a-z0-9]+)*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")


@dataclass(frozen=True, kw_only=True)
class Destination:
    """A destination, taken apart. `path` begins with `/` where it is absolute; `tag` is a registry's."""

    scheme: Scheme
    host: str
    path: str
    user: str = ""
    password: str = ""
    port: int | None = None
    tag: str = ""

    @property
    def is_folder(self) -> bool:
        return self.path.endswith("/")

    @property
    def server(self) -> str:
        """The host and, where it is given, the port."""
        return self.host if self.port is None else f"{self.host}:{self.port}"

    def __str__(self) -> str:
        """As it is written, without the password."""
        user = f"{self.user}@" if self.user else ""
        if self.scheme is Scheme.RSYNC_SSH:
            return f"{user}{self.host}:{self.path}"
        if self.scheme in _WHOLE:
            return f"{self.scheme}://{self.server}{self.path}:{self.tag}"
        return f"{self.scheme}://{user}{self.server}{self.path}"


@dataclass(frozen=True, slots=True)
class Transfer:
    """Files and the one destination that they go to: one file each, but for registries."""

    files: tuple[Path, ...]
    destination: Destination


def parse_destination(text: str) -> Destination:
    """Read `https://…`, `s3://…`, `sftp://…`, `scp://…`, `rsync://…`, `oci://…` or `[USER@]HOST:PATH`.

    Raises ValueError with a message for the user, which never holds a password.
    """
    scheme, separator, _ = text.partition("://")
    if not separator:
        return _remote_shell(text)
    if scheme not in set(Scheme) - {Scheme.RSYNC_SSH}:
        known = ", ".join(f"`{kind}://`" for kind in Scheme if kind is not Scheme.RSYNC_SSH)
        raise ValueError(f"`{scheme}://` is no destination; known are {known} and `HOST:PATH`")
    try:
        parts = urlsplit(text)
        port, host = parts.port, parts.hostname or ""
    except ValueError:
        raise ValueError(f"the server in a `{scheme}://` destination cannot be read") from None
    if ":" in host:
        host = f"[{host}]"
    if scheme == Scheme.S3:
        host = parts.netloc  # a bucket's name is no host's
    path = parts.path if scheme in (Scheme.HTTP, Scheme.HTTPS) else text.split("://", 1)[1].partition("/")[2]
    if scheme in (Scheme.HTTP, Scheme.HTTPS):
        path += f"?{parts.query}" if parts.query else ""
    elif path or text.endswith("/"):
        path = f"/{path}"
    destination = Destination(
        scheme=Scheme(scheme),
        host=host,
        path=path,
        user=unquote(parts.username or "") if scheme != Scheme.S3 else "",
        password=unquote(parts.password or "") if scheme != Scheme.S3 else "",
        port=port,
    )
    return _checked(_with_tag(destination) if destination.scheme in _WHOLE else destination)


def transfers(files: Sequence[Path], destinations: Sequence[Destination]) -> Iterator[Transfer]:
    """What goes where. A destination that ends with `/` is a folder, in which files keep their names.

    Raises `VmforgeError` for several files that shall go to one name.
    """
    for destination in destinations:
        if destination.scheme in _WHOLE:
            yield Transfer(tuple(files), destination)
        elif destination.is_folder:
            yield from (Transfer((path,), _inside(destination, path.name)) for path in files)
        elif len(files) == 1:
            yield Transfer((files[0],), destination)
        else:
            message = f"`{destination}` can take one file, but the artifact has {len(files)}"
            raise VmforgeError(message, hint="end it with `/`, and the files keep their names in there")


def _inside(folder: Destination, name: str) -> Destination:
    return replace(folder, path=folder.path + (quote(name) if folder.scheme in _QUOTED else name))


def _remote_shell(text: str) -> Destination:
    match = _REMOTE_SHELL.fullmatch(text)
    if match is None:
        raise ValueError(f"`{text}` is no destination; write a URL, or `HOST:PATH`")
    found = Destination(
        scheme=Scheme.RSYNC_SSH, host=match["host"], path=match["path"], user=match["user"] or ""
    )
    return _checked(found)


def _with_tag(destination: Destination) -> Destination:
    name, _, tag = destination.path.partition(":")
    if not _REGISTRY_NAME.fullmatch(name.strip("/")):
        raise ValueError(
            f"`{name.strip('/')}` is no name of a repository; it is lower case, as in `images/debian`"
        )
    if not _TAG.fullmatch(tag or "latest"):
        raise ValueError(f"`{tag}` is no tag")
    return replace(destination, path=f"/{name.strip('/')}", tag=tag or "latest")


def _checked(destination: Destination) -> Destination:
    if not destination.host:
        raise ValueError(f"`{destination}` names no server")
    if destination.host.startswith("-") or destination.user.startswith("-"):
        raise ValueError(f"`{destination}`: names of servers and users do not begin with `-`")
    if destination.path in ("", "/") and destination.scheme is Scheme.RSYNC:
        raise ValueError(f"`{destination}` names no module")
    return destination
