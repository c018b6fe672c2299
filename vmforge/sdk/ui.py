"""What components may say to the user. Only `cli/` decides how it looks and where it goes."""

from __future__ import annotations

from types import TracebackType
from typing import Protocol


class Progress(Protocol):
    """A running transfer or conversion. Leaving the `with` block ends its display."""

    def advance(self, amount: int) -> None:
        """Count `amount` more (bytes for transfers) as done."""

    def __enter__(self) -> Progress: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class Ui(Protocol):
    """The user's side of one build. Safe to use from several threads.

    Every text passes the redactor before it is shown; callers need not hide secrets themselves,
    but must have registered them (`Config` fields of type `Secret` are registered when decoded).
    """

    def say(self, text: str) -> None:
        """A new step or a result: the lines that a hurried reader sees."""

    def message(self, text: str) -> None:
        """A detail of the step before."""

    def output(self, line: str, *, error: bool = False) -> None:
        """One line that a command printed, without its end; `error` for standard error."""

    def warn(self, text: str) -> None:
        """Something the user should look at; the build goes on."""

    def error(self, text: str) -> None:
        """Something that failed."""

    def progress(self, title: str, total: int | None, *, unit: str = "B") -> Progress:
        """Start showing progress of `total` units; None when the total is not known."""

    def status(self, text: str) -> None:
        """What is going on right now, in one line that replaces the one before; `""` takes it away. Only
        people at a terminal see it."""

    def machine(self, kind: str, *data: str) -> None:
        """A line for programs (`-machine-readable`); not shown to people."""

    def ask(self, question: str, *, hidden: bool = False) -> str:
        """Ask and wait for a line; `""` at the end of the input (no terminal, closed input). A `hidden`
        answer is not seen while it is typed."""
