"""vmforge as a user runs it: the installed command, in a folder of its own, on real machines."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

# a shell starts programs in its background with Ctrl-C ignored, and what is ignored they hand on
signal.signal(signal.SIGINT, signal.default_int_handler)

ROOT = Path(__file__).resolve().parents[2]
TEMPLATE = Path(__file__).parent / "tiny.pkr.hcl"

# A build takes about 15 s; on a busy machine several times that.
BUILD_LIMIT = 240.0


@dataclass
class Finished:
    """A command that has ended."""

    status: int
    out: str
    err: str

    @property
    def text(self) -> str:
        """All that it wrote."""
        return self.out + self.err


@dataclass
class Vmforge:
    """Runs `vmforge` in `folder`, with state and cache of its own."""

    folder: Path
    environment: dict[str, str]

    def start(self, *arguments: str, environment: Mapping[str, str] | None = None) -> Running:
        process = subprocess.Popen(
            [sys.executable, "-m", "vmforge", *arguments],
            cwd=self.folder,
            env=self.environment | dict(environment or {}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        return Running(process)

    def run(self, *arguments: str, environment: Mapping[str, str] | None = None) -> Finished:
        return self.start(*arguments, environment=environment).finish()

    @property
    def state(self) -> Path:
        return Path(self.environment["VMFORGE_STATE_DIR"])

    @property
    def cache(self) -> Path:
        return Path(self.environment["VMFORGE_CACHE_DIR"])

    def use_cache(self, folder: Path) -> None:
        self.environment["VMFORGE_CACHE_DIR"] = str(folder)


@dataclass
class Running:
    """A command that runs; its output is collected as it comes."""

    process: subprocess.Popen[str]
    lines: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._news = threading.Condition()
        self._readers = [
            threading.Thread(target=self._read, args=(self.process.stdout, self.lines)),
            threading.Thread(target=self._read, args=(self.process.stderr, self.errors)),
        ]
        for reader in self._readers:
            reader.start()

    def _read(self, stream: Iterator[str], lines: list[str]) -> None:
        for line in stream:
            with self._news:
                lines.append(line)
                self._news.notify_all()
        with self._news:
            self._news.notify_all()

    def wait_for(self, pattern: str, limit: float = BUILD_LIMIT) -> None:
        """Wait until a line of standard output matches."""

        def seen() -> bool:
            return any(re.search(pattern, line) for line in self.lines)

        self.wait_until(seen, limit)
        assert seen(), f"no line with {pattern!r} in:\n{''.join(self.lines)}{''.join(self.errors)}"

    def wait_until(self, seen: Callable[[], bool], limit: float = BUILD_LIMIT) -> None:
        """Wait for lines until `seen` says that they are enough, or the command has ended."""
        with self._news:
            self._news.wait_for(lambda: seen() or self.process.poll() is not None, limit)

    def interrupt(self) -> None:
        self.process.send_signal(signal.SIGINT)

    def kill(self) -> None:
        self.process.kill()

    def finish(self, limit: float = BUILD_LIMIT) -> Finished:
        try:
            status = self.process.wait(limit)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        for reader in self._readers:
            reader.join()
        return Finished(status, "".join(self.lines), "".join(self.errors))


@pytest.fixture(scope="session")
def guest_iso() -> Path:
    """The test guest's installer CD, mastered once; kept in the clone's build folder."""
    output = ROOT / "build" / "tiny.iso"
    master = ROOT / "tests" / "guest" / "master.py"
    subprocess.run(
        [sys.executable, master, "--output", output], check=True, stdout=subprocess.DEVNULL, timeout=300
    )
    return output


@pytest.fixture(scope="session")
def lasting() -> Iterator[Path]:
    """A folder with the state for all tests (the hypervisor's first start takes seconds) and their caches.
    The name is short, because unix sockets below it are limited to 107 bytes."""
    folder = Path(tempfile.mkdtemp(prefix="vf-"))
    yield folder
    for process in _processes_naming(str(folder)):  # of a test that failed and killed its command
        os.kill(process, signal.SIGKILL)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def vmforge(tmp_path: Path, lasting: Path) -> Iterator[Vmforge]:
    """The command with an empty cache: no test begins from a layer that another one left."""
    cache = Path(tempfile.mkdtemp(prefix="c-", dir=lasting))
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("PKR_", "PACKER_"))
    }
    environment |= {
        "VMFORGE_STATE_DIR": str(lasting / "s"),
        "VMFORGE_CACHE_DIR": str(cache),
        "VMFORGE_ACCELERATOR": "tcg",
        "NO_COLOR": "1",
    }
    environment.pop("VMFORGE_LIBVIRT_URI", None)
    yield Vmforge(tmp_path, environment)
    shutil.rmtree(cache, ignore_errors=True)


@pytest.fixture
def tiny(vmforge: Vmforge, guest_iso: Path) -> Vmforge:
    """A folder with the template of the tiny guest, ready to be built."""
    shutil.copy(TEMPLATE, vmforge.folder)
    vmforge.environment["PKR_VAR_iso"] = str(guest_iso)
    return vmforge


@dataclass
class Traces:
    """What a run may leave on the machine: its processes, its files below state and in the folder, layers
    in the making."""

    vmforge: Vmforge
    before: set[str]

    @classmethod
    def of(cls, vmforge: Vmforge) -> Traces:
        return cls(vmforge, set(cls._files(vmforge.folder)))

    def left(self, limit: float = 10.0) -> list[str]:
        """Everything that is still there when it should be gone; processes get a moment to end."""
        deadline = time.monotonic() + limit
        while (found := self._processes()) and time.monotonic() < deadline:
            time.sleep(0.05)
        files = sorted(set(self._files(self.vmforge.folder)) - self.before)
        return [*found, *self._state_files(), *self._unfinished_layers(), *files]

    @staticmethod
    def _files(folder: Path) -> list[str]:
        return [str(path) for path in folder.rglob("*")]

    def _state_files(self) -> list[str]:
        """Sockets, pid files and run folders below the state folder."""
        state = self.vmforge.state
        found = [str(path) for path in state.rglob("*") if path.is_socket() or path.suffix == ".pid"]
        return [path for path in found if "driver.pid" not in path] + self._files(state / "runs")

    def _unfinished_layers(self) -> list[str]:
        folders = list(self.vmforge.cache.glob("layers/*"))
        unfinished = [folder for folder in folders if not (folder / "layer.json").exists()]
        return [str(path) for path in (*unfinished, *self.vmforge.cache.glob("layers/*/*.part"))]

    def _processes(self) -> list[str]:
        """Processes whose command line names the state folder or the test's folder."""
        names = (str(self.vmforge.state), str(self.vmforge.folder))
        found = {pid for name in names for pid in _processes_naming(name)}
        return [f"process {pid}: {_command_line(pid)[:200]}" for pid in sorted(found)]


def _processes_naming(text: str) -> list[int]:
    """The processes whose command line holds a text."""
    pids = [int(folder.name) for folder in Path("/proc").glob("[0-9]*")]
    return [pid for pid in pids if text in _command_line(pid)]


def _command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


@pytest.fixture
def traces(tiny: Vmforge) -> Traces:
    return Traces.of(tiny)
