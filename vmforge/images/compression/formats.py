"""Which archive and which compression the name of a file asks for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum


class Archive(StrEnum):
    NONE = ""
    TAR = "tar"
    ZIP = "zip"


class Algorithm(StrEnum):
    NONE = ""
    GZIP = "gzip"
    BGZF = "bgzf"
    BZIP2 = "bzip2"
    XZ = "xz"
    LZ4 = "lz4"
    ZSTD = "zstd"


@dataclass(frozen=True, slots=True)
class Format:
    """What a file is: an archive or not, compressed or not."""

    archive: Archive
    algorithm: Algorithm


DEFAULT = Format(Archive.TAR, Algorithm.GZIP)

_ALGORITHMS = {
    "gz": Algorithm.GZIP,
    "bgz": Algorithm.BGZF,
    "bgzf": Algorithm.BGZF,
    "bz2": Algorithm.BZIP2,
    "bzip2": Algorithm.BZIP2,
    "xz": Algorithm.XZ,
    "lz4": Algorithm.LZ4,
    "zst": Algorithm.ZSTD,
    "zstd": Algorithm.ZSTD,
}
_WHOLE = {
    "tar": Format(Archive.TAR, Algorithm.NONE),
    "zip": Format(Archive.ZIP, Algorithm.NONE),
    "tgz": DEFAULT,
    "tbz2": Format(Archive.TAR, Algorithm.BZIP2),
    "txz": Format(Archive.TAR, Algorithm.XZ),
    "tzst": Format(Archive.TAR, Algorithm.ZSTD),
}
_EXTENSION = re.compile(r"\.([a-z0-9]+)")

KNOWN_FORMATS = (*_WHOLE, *_ALGORITHMS, *(f"tar.{name}" for name in _ALGORITHMS))


def detect_format(name: str, format: str = "") -> Format:
    """The format of a file called `name`, or of one with the extension `format` when that is given.

    A name without a known extension means a gzipped tar archive, as in Packer.
    """
    extensions = _EXTENSION.findall(f"{name}.{format}" if format else name)
    last = extensions[-1] if extensions else ""
    if last in _WHOLE:
        return _WHOLE[last]
    if last not in _ALGORITHMS:
        return DEFAULT
    is_tar = extensions[-2:-1] == ["tar"]
    return Format(Archive.TAR if is_tar else Archive.NONE, _ALGORITHMS[last])
