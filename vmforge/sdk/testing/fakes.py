"""Stand-ins for what surrounds a component while it runs."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

from vmforge.errors import CommunicatorError
from vmforge.sdk.body import Body
from vmforge.sdk.cancellation import Cancellation
from vmforge.sdk.communicator import Communicator, Connector, Endpoint, Output
from vmforge.sdk.component import Component
from vmforge.sdk.context import BuildContext
from vmforge.sdk.decoding import check, decode
from vmforge.sdk.interpolate import interpolator
from vmforge.sdk.options import Config
from vmforge.sdk.steps import Steps
from vmforge.sdk.values import Value


@dataclass
class RecordingUi:
    """A `Ui` that remembers what it was told, as (kind, text) pairs; answers questions from a list."""

    events: list[tuple[str, str]] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)

    def say(self, text: str) -> None:
        self.events.append(("say", text))

    def message(self, text: str) -> None:
        self.events.append(("message", text))

    def output(self, line: str, *, error: bool = False) -> None:
        self.events.append(("stderr" if error else "stdout", line))

    def warn(self, text: str) -> None:
        self.events.append(("warn", text))

    def error(self, text: str) -> None:
        self.events.append(("error", text))

    def progress(self, title: str, total: int | None, *, unit: str = "B") -> RecordingProgress:
        self.events.append(("progress", title))
        return RecordingProgress()

    def status(self, text: str) -> None:
        self.events.append(("status", text))

    def machine(self, kind: str, *data: str) -> None:
        self.events.append(("machine", ",".join((kind, *data))))

    def ask(self, question: str, *, hidden: bool = False) -> str:
        self.events.append(("ask", question))
        return self.answers.pop(0) if self.answers else ""

    def texts(self, kind: str) -> list[str]:
        """What was told in one way, in order."""
        return [text for told, text in self.events if told == kind]


@dataclass
class RecordingProgress:
    done: int = 0

    def advance(self, amount: int) -> None:
        self.done += amount

    def __enter__(self) -> RecordingProgress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None


@dataclass
class FakeCommunicator:
    """A guest made of a folder: uploads land below `root`, `respond` answers commands.

    `respond` gets the command and returns (exit status, standard output); it may raise
    `CommunicatorError` to play a guest that goes away.
    """

    root: Path
    respond: Callable[[str], tuple[int, str]] = lambda command: (0, "")
    kind: str = "ssh"
    commands: list[str] = field(default_factory=list)
    reconnects: int = 0

    def run(self, command: str, output: Output | None = None, *, timeout: float | None = None) -> int:
        self.commands.append(command)
        status, text = self.respond(command)
        if output is not None:
            for line in text.splitlines():
                output(line, False)
        return status

    def _inside(self, path: str) -> Path:
        return self.root / path.lstrip("/")

    def upload(self, source: Path | BinaryIO, destination: str, *, mode: int | None = None) -> None:
        target = self._inside(destination)
        if not target.parent.is_dir():
            raise CommunicatorError(f"no such folder in the guest: `{Path(destination).parent}`")
        target.write_bytes(source.read_bytes() if isinstance(source, Path) else source.read())
        if mode is not None:
            target.chmod(mode)

    def upload_directory(self, source: Path, destination: str) -> None:
        shutil.copytree(source, self._inside(destination), dirs_exist_ok=True)

    def download(self, source: str, destination: Path) -> None:
        if not self._inside(source).is_file():
            raise CommunicatorError(f"no such file in the guest: `{source}`")
        shutil.copyfile(self._inside(source), destination)

    def download_directory(self, source: str, destination: Path) -> None:
        shutil.copytree(self._inside(source), destination, dirs_exist_ok=True)

    def reconnect(self, timeout: float) -> None:
        self.reconnects += 1

    def close(self) -> None:
        return None


@dataclass(frozen=True)
class FakeMachine:
    communicator: Communicator


class FakeConnector(Connector[Config]):
    """Connects to a given communicator at once."""

    def __init__(self, communicator: Communicator | None = None) -> None:
        super().__init__(Config())
        self._communicator = communicator

    @property
    def port(self) -> int:
        return 22

    @property
    def host(self) -> str:
        return ""

    def connect(
        self, context: BuildContext, endpoint: Callable[[], Endpoint], *, time_scale: float = 1.0
    ) -> Communicator:
        if self._communicator is None:
            raise CommunicatorError("nothing to connect to")
        return self._communicator


def fake_context(
    scratch: Path, *, communicator: Communicator | None = None, ui: RecordingUi | None = None, **changes: Any
) -> BuildContext:
    """A `BuildContext` for a test; keyword arguments replace its fields."""
    shown, cancellation = ui or RecordingUi(), Cancellation()
    values: dict[str, Any] = {
        "name": "base",
        "full_name": "qemu.base",
        "builder_type": "qemu",
        "run_uuid": "00000000-0000-4000-8000-000000000000",
        "template_dir": scratch,
        "scratch": scratch,
        "state_dir": scratch / "state",
        "ui": shown,
        "cancellation": cancellation,
        "steps": Steps(shown, cancellation),
        "connector": FakeConnector(communicator),
        "render": render_with,
        "provision": lambda machine: None,
    }
    return BuildContext(**(values | changes))


def render_with(text: str, fields: Mapping[str, object]) -> str:
    return interpolator().with_fields(fields).render(text)


def configure(component: type[Component[Any]], values: Mapping[str, Value]) -> Component[Any]:
    """A component with these options, decoded and checked as from a template. Raises ValueError
    listing what is wrong with them."""
    body = Body.of(values)
    decoded = decode(body, [component.config_type], interpolator())
    problems = list(decoded.diagnostics)
    if component.config_type in decoded.configs:
        problems += check(component, decoded.get(component.config_type), body, decoded.unknown)
    if problems:
        raise ValueError("\n".join(d.summary for d in problems))
    return component(decoded.get(component.config_type))
