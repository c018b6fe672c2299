"""What is wrong with a `{{ }}` text, said with its place."""

from __future__ import annotations

import re
from collections.abc import Iterable

from vmforge.diagnostics import did_you_mean

_LONGEST_EXCERPT = 60


class TemplateError(ValueError):
    """A `{{ }}` text that cannot be parsed or rendered; its text is a message for the user."""


def template_error(text: str, position: int, problem: str, advice: str = "") -> TemplateError:
    """The error for `problem` at `position` (characters from 0) of `text`, quoting the action there.

    `advice` follows the place: `did you mean ...?`.
    """
    message = f"{problem} {_place(text, position)}"
    return TemplateError(f"{message}; {advice}" if advice else message)


def field_error(text: str, position: int, name: str, known: Iterable[str]) -> TemplateError:
    """The error for a field that the data do not have; `known` are those that they have."""
    fields = [f".{field}" for field in sorted(known)]
    listed = (
        "known are " + ", ".join(f"`{field}`" for field in fields) if fields else "there are no fields here"
    )
    advice = f"{did_you_mean(f'.{name}', fields)} {listed}".strip()
    return template_error(text, position, f"unknown field `.{name}`", advice)


def _place(text: str, position: int) -> str:
    line = text.count("\n", 0, position) + 1
    column = position - (text.rfind("\n", 0, position) + 1) + 1
    return f"in `{_excerpt(text, position)}` (line {line}, column {column})"


def _excerpt(text: str, position: int) -> str:
    """The action around the position, on one line."""
    start = max(text.rfind("{{", 0, position + 2), 0)
    end = text.find("}}", max(position, start))
    action = text[start:] if end < 0 else text[start : end + 2]
    line = re.sub(r"\s+", " ", action)
    return line if len(line) <= _LONGEST_EXCERPT else line[: _LONGEST_EXCERPT - 3] + "..."
