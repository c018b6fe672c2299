"""Ages as flags give them, in days too: `30d`, `12h`."""

from __future__ import annotations

import re
from typing import Final

from vmforge.errors import UsageError

_DAYS: Final = re.compile(r"(\d+(?:\.\d+)?)d")


def age(text: str, flag: str) -> float:
    """A span of time in seconds. Raises `UsageError`, which names the flag."""
    from vmforge.sdk.values import Duration

    if days := _DAYS.fullmatch(text):
        return float(days[1]) * 86400
    try:
        return Duration.parse(text).seconds
    except ValueError:
        message = f"`{flag}`: `{text}` is not an age; write a number and a unit, as in `7d` or `12h`"
        raise UsageError(message) from None
