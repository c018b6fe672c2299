"""The variables that a shell text sets, by the lines that set them."""

from __future__ import annotations

import re
from collections.abc import Mapping

_ASSIGNMENT = re.compile(
    r"""^[ \t]*(?:export[ \t]+)?([A-Za-z_]\w*)=("(?:[^"\\]|\\.)*"|'[^']*'|[^\s;]*)""", re.MULTILINE
)


def assignments(text: str) -> Mapping[str, tuple[int, str]]:
    """Name -> (line, value without its quotes) of every variable set at the start of a line; the last one
    holds, as in the shell."""
    found = {}
    for match in _ASSIGNMENT.finditer(text):
        line = text[: match.start(1)].count("\n") + 1
        value = match[2][1:-1] if match[2][:1] in ("'", '"') and len(match[2]) > 1 else match[2]
        found[match[1]] = (line, value)
    return found
