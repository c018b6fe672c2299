"""What a look at the user's machine found: the lines of `vmforge doctor`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Health(StrEnum):
    OK = "ok"
    WARNING = "warning"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class HostFinding:
    """One thing looked at. `remedy` is the command or order that mends it."""

    name: str
    health: Health
    text: str
    remedy: str = ""
