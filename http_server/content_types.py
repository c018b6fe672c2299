"""Which content type a file is sent with. The table is our own, so that every host answers alike."""

from __future__ import annotations

import codecs
from pathlib import PurePosixPath

_TEXT = "text/plain; charset=utf-8"
_BINARY = "application/octet-stream"

_BY_EXTENSION = {
    # answer files: installers that look at the type want text
    ".cfg": _TEXT,
    ".conf": _TEXT,
    ".ipxe": _TEXT,
    ".ks": _TEXT,
    ".preseed": _TEXT,
    ".sh": _TEXT,
    ".seed": _TEXT,
    ".toml": _TEXT,
    ".txt": _TEXT,
    ".yaml": _TEXT,
    ".yml": _TEXT,
    ".css": "text/css; charset=utf-8",
    ".htm": "text/html; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".xml": "text/xml; charset=utf-8",
    ".gif": "image/gif",
    ".jpg": "image/jpeg",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".deb": "application/vnd.debian.binary-package",
    ".rpm": "application/x-rpm",
    ".bz2": "application/x-bzip2",
    ".gz": "application/gzip",
    ".iso": "application/x-iso9660-image",
    ".tar": "application/x-tar",
    ".tgz": "application/gzip",
    ".xz": "application/x-xz",
    ".zip": "application/zip",
    ".zst": "application/zstd",
}


def content_type(path: str, beginning: bytes) -> str:
    """The type for a path; where the extension says nothing (`/user-data`), what its beginning looks like."""
    known = _BY_EXTENSION.get(PurePosixPath(path).suffix.lower())
    if known is not None:
        return known
    return _TEXT if _is_text(beginning) else _BINARY


def _is_text(beginning: bytes) -> bool:
    if b"\0" in beginning:
        return False
    try:
        # not final: the beginning may end inside a character
        codecs.getincrementaldecoder("utf-8")().decode(beginning, final=False)
    except UnicodeDecodeError:
        return False
    return True
