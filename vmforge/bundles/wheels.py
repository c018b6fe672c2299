"""vmforge itself and all that it needs, as wheels for the Python that runs, of the versions that run."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import Distribution, distribution, distributions
from pathlib import Path
from typing import Final

import vmforge
from vmforge.errors import HostError
from vmforge.sdk.cancellation import Cancellation

# The first time that a zip archive can tell: wheels that are made here differ by nothing but content.
_EPOCH: Final = "315532800"
# What lies beside the sources and is no part of the package.
_NOT_SOURCES: Final = ("build", "dist", "tests", "examples", "docs", "*.egg-info", "__pycache__", ".*")


def python_version() -> str:
    """What the wheels are for, as in `3.11`."""
    return f"{sys.version_info.major}.{sys.version_info.minor}"


def platform_name() -> str:
    """The same: `linux-x86_64`."""
    return sysconfig.get_platform()


@dataclass(frozen=True)
class WheelMaker:
    """Makes wheels in `folder`, beside which it leaves what it needs for that. pip takes them from where
    it is told to, or makes them; `offline` it asks no index. `say` is told what is going on."""

    folder: Path
    cancellation: Cancellation
    say: Callable[[str], None]
    offline: bool = False

    def make(self, extras: Sequence[str] = ()) -> list[Path]:
        """The wheels, with those of vmforge's `extras`. Raises `HostError` when pip cannot, with its own
        words, and `Interrupted`."""
        self.folder.mkdir()
        own = self._own()
        pins = self.folder.parent / "constraints.txt"
        pins.write_text("".join(sorted(_pins())), encoding="utf-8")
        wanted = f"{own}[{','.join(extras)}]" if extras else str(own)
        self.say("gathering the wheels of what vmforge needs")
        self._pip("--constraint", str(pins), wanted)
        return sorted(self.folder.glob("*.whl"))

    def _own(self) -> Path:
        """vmforge's own: of the sources that run, or of what is installed."""
        sources = Path(vmforge.__file__).parents[1]
        if not (sources / "pyproject.toml").is_file():
            return _repacked(distribution("vmforge"), self.folder)
        self.say(f"making vmforge's own wheel of `{sources}`")
        # setuptools writes into the folder that it builds, and takes up what an earlier build left there
        copy = self.folder.parent / "sources"
        shutil.copytree(sources, copy, ignore=_ignored(sources), symlinks=True)
        self._pip("--no-deps", str(copy))
        return next(self.folder.glob("vmforge-*.whl"))

    def _pip(self, *arguments: str) -> None:
        """`pip wheel`, in a session of its own: Ctrl-C is ours to handle."""
        environment = os.environ | {"SOURCE_DATE_EPOCH": _EPOCH, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
        environment |= {"PIP_NO_INDEX": "1"} if self.offline else {}
        command = [sys.executable, "-m", "pip", "-q", "--no-input", "wheel", "-w", str(self.folder)]
        with (
            subprocess.Popen(
                [*command, *arguments],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            ) as process,
            self.cancellation.on_cancel(lambda: _end(process)),
        ):
            said, _ = process.communicate()
        self.cancellation.check()
        if process.returncode != 0:
            hint = "`--no-wheels` leaves them out, and vmforge must be installed there in another way"
            error = HostError("pip could not make the wheels of vmforge", hint=hint)
            error.detail = said.strip()
            raise error


def _end(process: subprocess.Popen[str]) -> None:
    """End pip with the compilers that it started."""
    try:
        os.killpg(process.pid, signal.SIGTERM)
    except ProcessLookupError:
        pass  # it has ended


def _repacked(own: Distribution, folder: Path) -> Path:
    """The wheel that an installed package came from, made of its files again (the format is
    https://packaging.python.org/en/latest/specifications/binary-distribution-format/)."""
    tags = re.findall(r"^Tag: (\S+)", own.read_text("WHEEL") or "", re.MULTILINE)
    target = folder / f"vmforge-{own.version}-{tags[0] if tags else 'py3-none-any'}.whl"
    names = sorted(str(file) for file in own.files or () if _belongs_into_wheel(str(file)))
    records = []
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as wheel:
        for name in names:
            content = Path(str(own.locate_file(name))).read_bytes()
            digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
            records.append(f"{name},sha256={digest},{len(content)}\n")
            wheel.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
        record = f"vmforge-{own.version}.dist-info/RECORD"
        wheel.writestr(zipfile.ZipInfo(record), "".join([*records, f"{record},,\n"]))
    return target


def _belongs_into_wheel(name: str) -> bool:
    """Whether a file of an installed package was in its wheel; pip adds some of its own."""
    of_pip = name.endswith(("/INSTALLER", "/REQUESTED", "/RECORD", "/direct_url.json", ".pyc"))
    return not (of_pip or name.startswith(("..", "/")))


def _ignored(top: Path) -> Callable[[str, list[str]], set[str]]:
    everywhere, at_top = shutil.ignore_patterns("__pycache__", ".*"), shutil.ignore_patterns(*_NOT_SOURCES)

    def ignore(folder: str, names: list[str]) -> set[str]:
        return (at_top if Path(folder) == top else everywhere)(folder, names)

    return ignore


def _pins() -> list[str]:
    """The versions that are installed, but of what came from elsewhere than an index."""
    indexed = [one for one in distributions() if one.read_text("direct_url.json") is None]
    return [f"{one.metadata['Name']}=={one.version}\n" for one in indexed if one.metadata["Name"]]
