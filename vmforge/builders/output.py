"""The output directory: made for the build, gone when it fails, whole when it succeeds."""

from __future__ import annotations

import fcntl
import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from vmforge.errors import HostError

# Present, and locked, while a build fills the folder. Unlocked, it marks what a killed build left.
_MARKER = ".vmforge-building"


def finished_files(folder: Path) -> tuple[Path, ...]:
    """The files of a finished build's folder, sorted; none when there is no such folder, or a build fills it,
    or was killed while it did."""
    if not folder.is_dir() or (folder / _MARKER).exists():
        return ()
    return tuple(sorted(path for path in folder.rglob("*") if path.is_file()))


def is_marker(path: Path) -> bool:
    """Whether a file in the folder is no part of the artifact, but says that a build fills the folder."""
    return path.name == _MARKER


@dataclass
class OutputDirectory:
    """A resource of a build. Templates name files in it while the build runs (`-drive
    file=output-x/disk`), so it has its final name from the start, and a marker until `commit`.

    With `force`, what was there is moved aside, and comes back if the build fails.
    """

    path: Path
    force: bool = False
    _marker: int = field(default=-1, init=False)
    _aside: Path | None = field(default=None, init=False)
    _committed: bool = field(default=False, init=False)

    def __enter__(self) -> OutputDirectory:
        try:
            self._restore_after_kill()
            if self.path.exists():
                self._make_room()
            self.path.mkdir(parents=True)
            self._marker = os.open(self.path / _MARKER, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._marker, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if not self.path.exists():
                self._restore()
            raise HostError(f"cannot make the output directory `{self.path}`: {error.strerror}") from None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._committed:
            shutil.rmtree(self.path, ignore_errors=True)
            self._restore()
        self._unlock()

    def keep(self) -> str:
        """Leave the unfinished folder to the user (`-on-error=abort`)."""
        (self.path / _MARKER).unlink(missing_ok=True)
        self._unlock()
        before = f" (what was there before is in `{self._aside}`)" if self._aside else ""
        return f"the output directory `{self.path}`{before}"

    def commit(self) -> tuple[Path, ...]:
        """The build succeeded: the files are made durable, and returned, sorted."""
        files = sorted(path for path in self.path.rglob("*") if path.is_file() and path.name != _MARKER)
        for path in files:
            _fsync(path)
        (self.path / _MARKER).unlink(missing_ok=True)
        _fsync(self.path)
        self._committed = True
        if self._aside is not None:
            shutil.rmtree(self._aside, ignore_errors=True)
        return tuple(files)

    def _make_room(self) -> None:
        if self._is_leftover():
            shutil.rmtree(self.path)
        elif self.force:
            self._aside = self._aside_path()
            if self._aside.exists():  # `-on-error=abort` kept what stands here; the artifact is aside
                shutil.rmtree(self.path)
            else:
                self.path.rename(self._aside)
        else:
            hint = "give `-force` to replace it, or set another `output_directory`"
            raise HostError(f"output directory `{self.path}` exists", hint=hint)

    def _is_leftover(self) -> bool:
        """Whether a build that was killed left the folder. Raises when a live build fills it now."""
        try:
            marker = os.open(self.path / _MARKER, os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            fcntl.flock(marker, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            hint = "wait for it, or set another `output_directory`"
            raise HostError(f"another build is writing to `{self.path}`", hint=hint) from None
        finally:
            os.close(marker)
        return True

    def _aside_path(self) -> Path:
        return self.path.with_name(f".{self.path.name}.before-force")

    def _restore_after_kill(self) -> None:
        """A build with `-force` that was killed has moved the artifact aside: put it back."""
        aside = self._aside_path()
        if not aside.exists():
            return
        if self.path.exists() and self._is_leftover():
            shutil.rmtree(self.path)
        if not self.path.exists():
            aside.rename(self.path)

    def _restore(self) -> None:
        """Bring back what `force` has moved aside."""
        if self._aside is not None:
            self._aside.rename(self.path)
            self._aside = None

    def _unlock(self) -> None:
        if self._marker >= 0:
            os.close(self._marker)
            self._marker = -1


def _fsync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
