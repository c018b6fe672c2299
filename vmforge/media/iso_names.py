"""The names of a file in the trees of an ISO image: the old one, and Joliet's."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

# The Joliet specification (1995) allows 64 UTF-16 units; pycdlib counts the bytes of UTF-8.
_LONGEST_JOLIET_NAME = 64


class FolderNames:
    """The names given out in one folder of an image; no two are the same."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def iso(self, name: str, *, is_folder: bool) -> str:
        """A free name with the characters and length of interchange level 3 (ECMA-119, 7.5 and 7.6)."""
        pure = PurePosixPath(name)
        stem = _plain(name if is_folder else pure.stem)[:20]
        if is_folder:
            return self._free(stem, "")
        return self._free(stem, f".{_plain(pure.suffix[1:])[:5]};1")

    def joliet(self, name: str) -> str:
        """A free name as near to `name` as Joliet and pycdlib allow."""
        allowed = re.sub(r"[*/:;?\\\x00-\x1f]", "_", name).encode(errors="replace")
        if len(allowed) <= _LONGEST_JOLIET_NAME and allowed.decode().upper() not in self._taken:
            return self._free(allowed.decode(), "")
        suffix = PurePosixPath(allowed.decode()).suffix[:4]
        room = _LONGEST_JOLIET_NAME - len(suffix.encode()) - 5  # a number may follow
        return self._free(allowed[:room].decode(errors="ignore"), suffix)

    def _free(self, stem: str, ending: str) -> str:
        name, number = f"{stem}{ending}", 0
        while name.upper() in self._taken:
            number += 1
            name = f"{stem}_{number}{ending}"
        self._taken.add(name.upper())
        return name


def _plain(text: str) -> str:
    return re.sub(r"[^A-Z0-9_]", "_", text.upper())
