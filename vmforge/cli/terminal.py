"""The only place that prints: builds' lines, progress bars, diagnostics, results, failures.

The log of builds and what a command was asked for go to standard output, warnings about the
template and failures to standard error. Everything passes the redactor.
"""

from __future__ import annotations

import shutil
import sys
import termios
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING

from vmforge.diagnostics import Diagnostic, DiagnosticError, Severity, read_source_line, render
from vmforge.errors import VmforgeError
from vmforge.sdk.redaction import Redactor, without_literals
from vmforge.sdk.ui import Progress

if TYPE_CHECKING:
    from vmforge.sdk.host import HostFinding

_COLOURS = ("\x1b[32m", "\x1b[36m", "\x1b[35m", "\x1b[33m", "\x1b[34m")
_RED, _YELLOW, _BOLD, _RESET = "\x1b[31m", "\x1b[33m", "\x1b[1m", "\x1b[0m"
_COMMA = "%!(PACKER_COMMA)"


@dataclass
class Terminal:
    """Standard output and standard error, shared by all builds of the process."""

    out: IO[str]
    err: IO[str]
    colour: bool = False
    machine_readable: bool = False
    timestamps: bool = False
    redactor: Redactor = field(default_factory=Redactor)
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _builds: dict[str, str] = field(default_factory=dict)
    _statuses: dict[str, _StatusLine] = field(default_factory=dict)

    def print(self, text: str = "") -> None:
        """A line of what the command was asked for."""
        if self.machine_readable:
            self.machine("", "ui", "say", text)
        else:
            self._write(self.out, text)

    def data(self, content: bytes) -> None:
        """Bytes of what the command was asked for, as they are: a formatted file, a diff."""
        with self._lock:
            self.out.flush()
            self.out.buffer.write(content)  # type: ignore[attr-defined]
            self.out.flush()

    def note(self, text: str) -> None:
        """A line beside what the command was asked for."""
        if self.machine_readable:
            self.machine("", "ui", "message", text)
        else:
            self._write(self.err, text)

    def build_line(self, build: str, text: str, *, kind: str, bold: bool = False, colour: str = "") -> None:
        """A line of a build's log; `kind` is `say`, `message` or `error`."""
        if self.machine_readable:
            self.machine(build, "ui", kind, text)
            return
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S%z ") if self.timestamps else ""
        self._write(
            self.out,
            stamp + self._painted(text, (_BOLD if bold else "") + (colour or self._colour_of(build))),
        )

    def machine(self, target: str, kind: str, *data: str) -> None:
        """A line for programs: `time,target,type,data...`, as Packer's `-machine-readable` has it."""
        if not self.machine_readable:
            return
        escaped = [_escape(self.redactor(part)) for part in data]
        stamp = str(int(time.time()))
        with self._lock:
            self.out.write(",".join([stamp, _escape(target), _escape(kind), *escaped]) + "\n")
            self.out.flush()

    def diagnostics(
        self, found: Iterable[Diagnostic], read_line: Callable[[str, int], str | None] = read_source_line
    ) -> None:
        """Findings about a template, each with its source line."""
        for diagnostic in found:
            if self.machine_readable:
                self.machine("", "ui", "error", f"{diagnostic.severity}: {diagnostic.summary}")
                continue
            text = render(diagnostic, lambda path, number: _discreet(path, read_line(path, number)))
            head, _, rest = text.partition("\n")
            colour = _RED if diagnostic.severity is Severity.ERROR else _YELLOW
            self._write(
                self.err, self._painted(head, _BOLD + colour, self.err) + ("\n" + rest if rest else "") + "\n"
            )

    def failure(self, error: VmforgeError) -> None:
        """What ended the command."""
        if isinstance(error, DiagnosticError):
            self.diagnostics(error.diagnostics)
            return
        if self.machine_readable:
            self.machine("", "error", error.message)
            return
        self._write(self.err, self._painted(f"error: {error.message}", _BOLD + _RED, self.err))
        if error.detail:
            self._write(self.err, f"\n{error.detail}")
        if error.hint:
            self._write(self.err, f"\nhint: {error.hint}")

    def bug(self, error: BaseException) -> None:
        """What nobody foresaw: its traceback, whose messages may hold anything."""
        self._write(self.err, "".join(traceback.format_exception(error)).rstrip())

    def usage(self, message: str, command: str) -> None:
        """A command line that makes no sense."""
        self._write(self.err, f"error: {message}\n\nhint: see `{command} --help`")

    def finding(self, finding: HostFinding) -> None:
        """A line of `vmforge doctor`."""
        mark = {"ok": "ok     ", "warning": "warning", "broken": "broken "}[finding.health]
        colour = {"ok": _COLOURS[0], "warning": _YELLOW, "broken": _RED}[finding.health]
        self._write(self.out, f"{self._painted(mark, colour)}  {finding.name}: {finding.text}")
        if finding.remedy:
            self._write(self.out, f"         mend it with: {finding.remedy}")

    def ui(self, build: str, post_processor: str = "") -> BuildUi:
        """The Ui of one build, or of one post-processor in it."""
        with self._lock:
            self._builds.setdefault(build, _COLOURS[len(self._builds) % len(_COLOURS)])
        return BuildUi(self, build, f"{build} ({post_processor})" if post_processor else build)

    def ask(self, question: str, *, hidden: bool = False) -> str:
        with self._lock:
            while self._statuses:
                self._statuses.popitem()[1].close()
            self._write(self.out, question)
            try:
                if hidden and sys.stdin is not None and sys.stdin.isatty():
                    return _read_hidden()
                return sys.stdin.readline().strip("\n") if sys.stdin is not None else ""
            except (OSError, ValueError):
                return ""

    def progress(self, title: str, total: int | None, unit: str) -> Progress:
        """A bar on a terminal; nothing where the output is a file or a pipe."""
        if self.machine_readable or not self.err.isatty():
            return _NoBar()
        return _Bar(self, title, total, unit)

    def status(self, target: str, text: str) -> None:
        """A build's live line, on a terminal; `""` ends it."""
        if self.machine_readable or not self.err.isatty():
            return
        with self._lock:
            if text:
                line = self._statuses.get(target) or self._statuses.setdefault(target, _StatusLine(self.err))
                line.show(f"{target}: {self.redactor(text)}")
            elif target in self._statuses:
                self._statuses.pop(target).close()

    def _colour_of(self, build: str) -> str:
        return self._builds.get(build.partition(" ")[0], "")

    def _painted(self, text: str, colour: str, stream: IO[str] | None = None) -> str:
        if not self.colour or not colour or (stream is self.err and not self.err.isatty()):
            return text
        return f"{colour}{text}{_RESET}"

    def _write(self, stream: IO[str], text: str) -> None:
        with self._lock, self._bars_aside():
            stream.write(self.redactor(text) + "\n")
            stream.flush()

    def _bars_aside(self) -> AbstractContextManager[object]:
        """Takes running bars off the screen while a line is written above them."""
        tqdm = sys.modules.get("tqdm")
        if tqdm is None:
            return nullcontext()
        manager: AbstractContextManager[object] = tqdm.tqdm.external_write_mode(file=self.out)
        return manager


@dataclass(frozen=True)
class BuildUi:
    """One build's lines, prefixed with its name (sdk/ui.py has the contract)."""

    terminal: Terminal
    build: str
    target: str

    def say(self, text: str) -> None:
        self._lines("==> ", text, kind="say", bold=True)

    def message(self, text: str) -> None:
        self._lines("    ", text, kind="message")

    def output(self, line: str, *, error: bool = False) -> None:
        self._lines("    ", line, kind="error" if error else "message")

    def warn(self, text: str) -> None:
        self._lines("    ", f"warning: {text}", kind="message", colour=_YELLOW)

    def error(self, text: str) -> None:
        self._lines("==> ", text, kind="error", colour=_RED)

    def progress(self, title: str, total: int | None, *, unit: str = "B") -> Progress:
        return self.terminal.progress(f"{self.target}: {title}", total, unit)

    def status(self, text: str) -> None:
        self.terminal.status(self.target, text)

    def machine(self, kind: str, *data: str) -> None:
        self.terminal.machine(self.target, kind, *data)

    def ask(self, question: str, *, hidden: bool = False) -> str:
        return self.terminal.ask(f"==> {self.target}: {question}", hidden=hidden)

    def _lines(self, mark: str, text: str, *, kind: str, bold: bool = False, colour: str = "") -> None:
        for line in text.splitlines() or [""]:
            shown = line if self.terminal.machine_readable else f"{mark}{self.target}: {line}"
            self.terminal.build_line(self.target, shown, kind=kind, bold=bold, colour=colour)


def _read_hidden() -> str:
    """A line from the terminal that it does not show."""
    before = termios.tcgetattr(sys.stdin)
    quiet = [*before]
    quiet[3] &= ~termios.ECHO
    try:
        termios.tcsetattr(sys.stdin, termios.TCSAFLUSH, quiet)
        return sys.stdin.readline().strip("\n")
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)


class _NoBar:
    def advance(self, amount: int) -> None:
        return None

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *exc: object) -> None:
        return None


class _Bar:
    """A tqdm bar. tqdm is loaded when the first bar is shown: most commands never need it."""

    def __init__(self, terminal: Terminal, title: str, total: int | None, unit: str) -> None:
        from tqdm import tqdm

        self._lock = terminal._lock
        scaled = unit == "B"
        self._bar = tqdm(
            total=total,
            desc=terminal.redactor(title),
            unit=unit,
            unit_scale=scaled,
            unit_divisor=1024 if scaled else 1000,
            file=terminal.err,
            leave=False,
            dynamic_ncols=True,
        )

    def advance(self, amount: int) -> None:
        with self._lock:
            self._bar.update(amount)

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *exc: object) -> None:
        with self._lock:
            self._bar.close()


class _StatusLine:
    """A line that is replaced again and again, below all others; a tqdm bar that counts nothing."""

    def __init__(self, stream: IO[str]) -> None:
        from tqdm import tqdm

        self._bar = tqdm(bar_format="{desc}", file=stream, leave=False)

    def show(self, text: str) -> None:
        # a line that wraps could not be taken away again
        width = shutil.get_terminal_size().columns - 1
        self._bar.set_description_str(text if len(text) <= width else text[: width - 1] + "…")

    def close(self) -> None:
        self._bar.close()


def terminal(*, machine_readable: bool, environment: Mapping[str, str]) -> Terminal:
    """The process's terminal. Colour is for terminals, and off where the user says so
    (https://no-color.org, `PACKER_NO_COLOR`)."""
    unwanted = any(environment.get(name) for name in ("NO_COLOR", "PACKER_NO_COLOR"))
    colour = sys.stdout.isatty() and not unwanted and not machine_readable
    return Terminal(sys.stdout, sys.stderr, colour=colour, machine_readable=machine_readable)


def _discreet(path: str, line: str | None) -> str | None:
    return None if line is None else without_literals(path, line)


def _escape(text: str) -> str:
    return text.replace(",", _COMMA).replace("\r", "\\r").replace("\n", "\\n")
