"""The mark of a build in a machine's description, for hypervisors on which others look for what it left."""

from __future__ import annotations

import re
from typing import Final

from vmforge.sdk.mark import RunMark

_ENTRY: Final = re.compile(r"\b(vmforge-[a-z]+)=([a-z0-9_-]+)")


def mark_text(mark: RunMark) -> str:
    """A build's mark, an entry in a line."""
    return "\n".join(f"{name}={value}" for name, value in mark.tags.items())


def read_mark_text(text: str) -> RunMark | None:
    """The mark in a description; None when it has none."""
    return RunMark.read(dict(_ENTRY.findall(text)))
