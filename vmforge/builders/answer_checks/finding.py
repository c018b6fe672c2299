"""A finding about an answer file."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """Something wrong in an answer file.

    `line` counts from 1 and is 0 where the file as a whole is meant (something is missing). A warning is what
    vmforge's own rules hold against the text; anything else was rejected by the system's own validator, or by
    a parser of the file's format: no installer reads that. `message` and `hint` are in the house style of
    errors.
    """

    line: int
    message: str
    hint: str = ""
    warning: bool = False

    def text(self, name: str) -> str:
        """The finding as one sentence, with the place in the file called `name`."""
        place = f"{name}:{self.line}" if self.line else name
        return f"{place}: {self.message}"


def warning(line: int, message: str, hint: str = "") -> Finding:
    """A finding of vmforge's own rules."""
    return Finding(line, message, hint, warning=True)
