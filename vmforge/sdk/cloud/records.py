"""What this machine knows of the builds that it runs in clouds: which are alive, and which were killed."""

from __future__ import annotations

import fcntl
import json
import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from vmforge.errors import HostError
from vmforge.sdk.context import BuildContext
from vmforge.sdk.mark import RunMark

_FOLDER = "clouds"
_FORGOTTEN_AFTER = 90 * 24 * 3600.0


@dataclass
class Record:
    """A file for a build that makes things in a cloud, locked while it lives. It is gone when the build has
    deleted all that it made; a killed build's stays, and tells the next build at that `place` to look."""

    context: BuildContext
    mark: RunMark
    place: str
    _lock: int = field(default=-1, init=False)

    def __enter__(self) -> RunMark:
        folder = self.context.state_dir / _FOLDER
        try:
            folder.mkdir(parents=True, exist_ok=True)
            path = self._path = folder / f"{self.mark.run}.{self.mark.build}.json"
            self._lock = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._lock, fcntl.LOCK_EX)
            os.write(self._lock, self._text(kept=False))
            os.fsync(self._lock)
        except OSError as error:
            hint = "set `VMFORGE_STATE_DIR` to a folder that you may write to"
            raise HostError(f"cannot use the state folder `{folder}`: {error.strerror}", hint=hint) from None
        return self.mark

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._path.unlink(missing_ok=True)
        os.close(self._lock)

    def keep(self) -> str:
        """`-on-error=abort`: what is there is the user's, and no later build deletes it."""
        self._path.write_bytes(self._text(kept=True))
        os.close(self._lock)
        return ""

    def _text(self, *, kept: bool) -> bytes:
        about = {"build": self.context.full_name, "template": str(self.context.template_dir.absolute())}
        return json.dumps({"place": self.place, "kept": kept, **about}).encode()


@dataclass(frozen=True, slots=True)
class DeadBuild:
    """A build of this machine that ended without deleting all that it had made: killed, or `kept` by the user
    (`-on-error=abort`). `template` is the folder of its template."""

    run: str
    build: str
    place: str
    template: Path
    kept: bool
    record: Path

    def forget(self) -> None:
        """Nothing of it is left."""
        self.record.unlink(missing_ok=True)


def is_alive(state_dir: Path, run: str) -> bool:
    """Whether a build of this run is at work on this machine."""
    return any(_is_locked(path) for path in (state_dir / _FOLDER).glob(f"{run}.*.json"))


def dead_builds(state_dir: Path) -> list[DeadBuild]:
    """The builds of this machine that may have left something, by their records' names."""
    paths = sorted((state_dir / _FOLDER).glob("*.json"))
    return [build for path in paths if not _is_locked(path) and (build := _read(path)) is not None]


def _read(path: Path) -> DeadBuild | None:
    """The build of a record; None, and the record deleted, when that is too old or makes no sense."""
    run = path.name.partition(".")[0]
    try:
        record = json.loads(path.read_bytes())
        if time.time() - path.stat().st_mtime <= _FORGOTTEN_AFTER:
            return DeadBuild(
                run, record["build"], record["place"], Path(record["template"]), record["kept"], path
            )
    except (OSError, ValueError, KeyError, TypeError):
        pass  # cut off by the kill: written before anything was made
    path.unlink(missing_ok=True)
    return None


def _is_locked(path: Path) -> bool:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False
