"""Checksums as templates state them, and the lists in which publishers put them.

`iso_checksum` is `none`, a type and a digest (`sha256:HEX`), a bare digest whose length tells the type,
or `file:` and the place of a list in the format of GNU coreutils (`HEX *name`) or BSD
(`SHA256 (name) = HEX`).
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from vmforge.cache import hash_file

__all__ = [
    "Algorithm",
    "Checksum",
    "ChecksumList",
    "ListedChecksum",
    "hash_file",
    "parse_checksum",
    "parse_list",
]


class Algorithm(StrEnum):
    """The types of checksum, named as in templates and in hashlib; the strongest last."""

    MD5 = "md5"
    SHA1 = "sha1"
    SHA256 = "sha256"
    SHA512 = "sha512"

    @property
    def digits(self) -> int:
        """The length of a digest in hexadecimal digits."""
        return _DIGITS[self]


_DIGITS = {Algorithm.MD5: 32, Algorithm.SHA1: 40, Algorithm.SHA256: 64, Algorithm.SHA512: 128}
_BY_DIGITS = {digits: algorithm for algorithm, digits in _DIGITS.items()}
_HEX = re.compile(r"[0-9a-fA-F]+")


@dataclass(frozen=True, slots=True)
class Checksum:
    """A stated checksum; `digest` in lower-case hex."""

    algorithm: Algorithm
    digest: str

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.digest}"


@dataclass(frozen=True, slots=True)
class ChecksumList:
    """`file:LOCATION`: the checksum stands in a list at a URL or path."""

    location: str


@dataclass(frozen=True, slots=True)
class ListedChecksum:
    """One line of a list. `name` as written there; empty in a list that is only a digest."""

    checksum: Checksum
    name: str


def parse_checksum(text: str) -> Checksum | ChecksumList | None:
    """Read an `iso_checksum`; None for `none`. Raises ValueError with a message for the user."""
    text = text.strip()
    if text.lower() == "none":
        return None
    kind, colon, rest = text.partition(":")
    if colon and kind.lower() == "file":
        return ChecksumList(_list_location(rest))
    if "://" in text or (colon and kind.lower() not in list(Algorithm)):
        raise ValueError(
            f"`{text}` is not a checksum; "
            "write `sha256:` and the digest, `file:` and the place of a list, or `none`"
        )
    if not colon:
        return _bare_digest(text)
    algorithm = Algorithm(kind.lower())
    if not _HEX.fullmatch(rest) or len(rest) != algorithm.digits:
        raise ValueError(f"a {algorithm} checksum has {algorithm.digits} hexadecimal digits, not `{rest}`")
    return Checksum(algorithm, rest.lower())


def parse_list(text: str) -> list[ListedChecksum]:
    """The checksums of a list. Lines that are none (comments, signatures) are left out."""
    lines = (_BSD_LINE.fullmatch(line) or _GNU_LINE.fullmatch(line) for line in text.splitlines())
    found = []
    for match in lines:
        if match is None:
            continue
        fields = match.groupdict()
        algorithm = _BY_DIGITS.get(len(fields["digest"]))
        stated = fields.get("algorithm", "").lower().replace("sha2-", "sha").replace("-", "")
        if algorithm is None or stated not in ("", algorithm):
            continue
        found.append(ListedChecksum(Checksum(algorithm, fields["digest"].lower()), _name(fields)))
    return found


def choose(listed: Sequence[ListedChecksum], wanted: Iterable[str]) -> Checksum | None:
    """The checksum of a file that is called one of `wanted` (full paths or URLs, the likeliest first).

    A list's name counts when it is the end of the wanted one, part by part; the longest such name
    wins, and then the strongest type. Else a file of the same name in another folder counts when
    there is only one, and else a list that is only a digest, which is about any file.
    """
    places = list(wanted)
    for place in places:
        matching = [item for item in listed if _is_end_of(item.name, place)]
        if matching:
            return max(matching, key=_preference).checksum
    for place in places:
        namesakes = [item for item in listed if _parts(item.name)[-1:] == _parts(place)[-1:]]
        if len({item.name for item in namesakes}) == 1:
            return max(namesakes, key=_preference).checksum
    nameless = [item for item in listed if not item.name]
    return max(nameless, key=_preference).checksum if nameless and len(nameless) == len(listed) else None


# `SHA256 (name) = HEX`, or `SHA2-256(name)= HEX` as openssl writes it
_BSD_LINE = re.compile(
    r"\s*(?P<algorithm>MD5|SHA-?1|SHA(?:2?-)?256|SHA(?:2?-)?512)\s*\((?P<name>.+)\)\s*=\s*(?P<digest>[0-9a-f]+)\s*",
    re.IGNORECASE | re.ASCII,
)
# coreutils begins the line with a backslash where it escaped the name
_GNU_LINE = re.compile(
    r"\s*(?P<escaped>\\?)(?P<digest>[0-9a-f]{32,})(?:\s+\*?(?P<name>\S.*?))?\s*", re.IGNORECASE | re.ASCII
)


def _name(fields: dict[str, str | None]) -> str:
    name = fields["name"] or ""
    if fields.get("escaped"):
        name = re.sub(r"\\([\\nr])", lambda match: {"\\": "\\", "n": "\n", "r": "\r"}[match[1]], name)
    return name


def _preference(item: ListedChecksum) -> tuple[int, int]:
    return len(_parts(item.name)), item.checksum.algorithm.digits


def _is_end_of(name: str, place: str) -> bool:
    parts = _parts(name)
    return bool(parts) and _parts(place)[-len(parts) :] == parts


def _parts(path: str) -> list[str]:
    return [part for part in posixpath.normpath(path).split("/") if part not in ("", ".", "..")]


def _list_location(rest: str) -> str:
    if not rest.strip():
        raise ValueError("`file:` needs the URL or path of a list of checksums")
    return rest


def _bare_digest(text: str) -> Checksum:
    algorithm = _BY_DIGITS.get(len(text))
    if algorithm is None or not _HEX.fullmatch(text):
        lengths = ", ".join(f"{digits} ({name})" for name, digits in _DIGITS.items())
        raise ValueError(f"`{text}` is not a checksum: a digest has {lengths} hexadecimal digits")
    return Checksum(algorithm, text.lower())
