"""What the script in the guest says about its operations."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_LINE = re.compile(
    r"generalize: (?:system (?P<system>.*)|(?P<how>done|skipped|failed) (?P<name>[\w-]+): ?(?P<text>.*))"
)


@dataclass
class Report:
    """The operations' outcomes, gathered from the script's lines as they come.

    `system` is the guest's own name for itself (`Debian GNU/Linux 12 (bookworm)`); `done` says what was
    removed; `skipped` and `failed` hold operations and the reasons, `""` where there was nothing to remove.
    """

    system: str = ""
    done: list[str] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)

    def read(self, line: str) -> bool:
        """Take in one line; False when it is not one of the script's own."""
        match = _LINE.fullmatch(line.rstrip())
        if match is None:
            return False
        if match["how"] is None:
            self.system = match["system"]
        elif match["how"] == "done":
            self.done.append(match["text"])
        else:
            outcomes = self.skipped if match["how"] == "skipped" else self.failed
            outcomes[match["name"]] = match["text"]
        return True

    @property
    def started(self) -> bool:
        """Whether the script got as far as its first operation."""
        return bool(self.system)

    def __str__(self) -> str:
        removed = ", ".join(self.done) or "there was nothing to remove"
        return f"generalized {self.system}: {removed}"
