"""The hypervisors' own programs: found, run, and their failures told in their words."""

from __future__ import annotations

import logging
import shlex
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from vmforge.errors import HostError, MachineError
from vmforge.scripts.process import run_process
from vmforge.sdk import Cancellation, Output

_log = logging.getLogger(__name__)

_SHOWN_LINES: Final = 20


@dataclass(frozen=True)
class Answer:
    """What a program said: its status, its standard output, and both its outputs in order."""

    status: int
    output: str
    all: str


@dataclass(frozen=True)
class Program:
    """A program of a hypervisor. `path` is a name on the path, or a path; `hint` says what brings it."""

    path: str
    hint: str
    cancellation: Cancellation
    environment: Mapping[str, str] | None = None

    def find(self) -> None:
        """Raise `HostError` when it is not on this machine."""
        if shutil.which(self.path) is None:
            raise HostError(f"there is no `{self.path}` on this machine", hint=self.hint)

    @property
    def undoing(self) -> Program:
        """The same program for cleaning up, which goes on when the build was told to stop."""
        return replace(self, cancellation=Cancellation())

    def ask(self, *arguments: str, tell: Output | None = None) -> Answer:
        """Run it, whatever its status; `tell` gets each line that it says. Raises `HostError` when it cannot
        be started."""
        lines: list[tuple[str, bool]] = []

        def take(line: str, error: bool) -> None:
            lines.append((line, error))
            if tell is not None:
                tell(line, error)

        status = run_process(
            [self.path, *arguments],
            environment=self.environment or {},
            output=take,
            cancellation=self.cancellation,
        )
        said = "\n".join(line for line, _ in lines)
        return Answer(status, "\n".join(line for line, error in lines if not error), said)

    def run(self, *arguments: str, tell: Output | None = None) -> str:
        """Run it; its standard output. Raises `MachineError` with its words when it fails."""
        answer = self.ask(*arguments, tell=tell)
        if answer.status:
            raise self.failure(arguments, answer)
        return answer.output

    def failure(self, arguments: Sequence[str], answer: Answer) -> MachineError:
        """The error for a run that failed."""
        words = shlex.join(arguments[:2])
        error = MachineError(f"`{self.path} {words}` ended with status {answer.status}: {_gist(answer.all)}")
        error.detail = "\n".join(answer.all.strip().splitlines()[-_SHOWN_LINES:])
        return error


def _gist(text: str) -> str:
    """The line that says what is wrong, among those around it."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    wrong = [line for line in lines if "error" in line.lower()]
    return (wrong or lines or ["it said nothing"])[0]
