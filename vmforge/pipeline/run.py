"""What all builds of one run share, and the folder that goes away with it."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from vmforge.errors import HostError
from vmforge.pipeline.failure import OnError
from vmforge.pipeline.layers.policy import LayerWishes
from vmforge.sdk.cancellation import Cancellation
from vmforge.sdk.context import BuildContext, Machine
from vmforge.sdk.network import Network
from vmforge.sdk.packages import PackageCache
from vmforge.sdk.redaction import Redactor
from vmforge.sdk.ui import Ui


@dataclass(frozen=True)
class Run:
    """One `vmforge build`. `ui_for` makes the Ui of a build, and of a post-processor in it.

    `keep_scratch` leaves the scratch folder to the user. `session` is what happens in the guest in place of
    provisioning; the build then ends without an artifact. `throwaway` builds write nothing but to `scratch`.
    With `only_post_process` builders do not run: their artifacts are looked for. `screenshots` is a folder,
    `film` a file; of `several` builds each gets its own, named by it.
    """

    uuid: str
    template_dir: Path
    scratch: Path
    state_dir: Path
    ui_for: Callable[[str, str], Ui]
    cancellation: Cancellation
    redactor: Redactor
    on_error: OnError = OnError.CLEANUP
    force: bool = False
    debug: bool = False
    parallel: int = 0
    layers: LayerWishes = field(default_factory=LayerWishes)
    template_digest: str = ""
    keep_scratch: Callable[[], None] = lambda: None
    session: Callable[[BuildContext, Machine], None] | None = None
    throwaway: bool = False
    only_post_process: bool = False
    screenshots: Path | None = None
    film: Path | None = None
    several: bool = False
    packages: PackageCache | None = None
    network: Network = field(default_factory=Network)
    locked_media: Mapping[str, str] = field(default_factory=dict)

    def screenshots_of(self, build: str) -> Path | None:
        """The folder for pictures of a build's screen, if they are wanted."""
        return self.screenshots / build if self.screenshots is not None and self.several else self.screenshots

    def film_of(self, build: str) -> Path | None:
        """The film of a build's screen, if one is wanted."""
        film = self.film
        return (
            film.with_name(f"{film.stem}-{build}{film.suffix}") if film is not None and self.several else film
        )


class Scratch:
    """A folder for one run below the state folder. Locked while the run lives, so that the next run
    can tell what a killed one left, and deletes it."""

    def __init__(self, state_dir: Path, name: str) -> None:
        self._parent = state_dir / "runs"
        self._path = self._parent / name
        self._lock = -1

    def __enter__(self) -> Path:
        try:
            self._parent.mkdir(parents=True, exist_ok=True)
            self._delete_leftovers()
            self._path.mkdir(mode=0o700)
            self._lock = os.open(self._path / "lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._lock, fcntl.LOCK_EX)
        except OSError as error:
            hint = "set `VMFORGE_STATE_DIR` to a folder that you may write to"
            raise HostError(
                f"cannot use the state folder `{self._parent}`: {error.strerror}", hint=hint
            ) from None
        return self._path

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not (self._path / "kept").exists():
            shutil.rmtree(self._path, ignore_errors=True)
        os.close(self._lock)

    def keep(self) -> None:
        """Leave the folder for the user (`-on-error=abort`)."""
        (self._path / "kept").touch()

    def _delete_leftovers(self) -> None:
        for folder in self._parent.iterdir():
            if (folder / "kept").exists() or not _is_abandoned(folder):
                continue
            shutil.rmtree(folder, ignore_errors=True)


def _is_abandoned(folder: Path) -> bool:
    try:
        lock = os.open(folder / "lock", os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False  # just being made, or not one of ours
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    else:
        return True
    finally:
        os.close(lock)
