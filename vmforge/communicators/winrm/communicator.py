"""The open connection to a Windows guest, as provisioners use it."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import BinaryIO

from vmforge.communicators.readiness import Deadline
from vmforge.communicators.winrm import archives, files
from vmforge.communicators.winrm.dialer import Dialer
from vmforge.communicators.winrm.session import Session
from vmforge.errors import CommunicatorError, HostError
from vmforge.sdk import BuildContext, Output
from vmforge.sdk.lines import LineSplitter
from vmforge.sdk.local_files import opened, shown, size_left
from vmforge.sdk.values import format_seconds

_TITLE_LENGTH = 60


class WinRmCommunicator:
    """A connection over WinRM. One thread uses it."""

    kind = "winrm"

    def __init__(self, context: BuildContext, dialer: Dialer, session: Session) -> None:
        self._ui, self._dialer, self._session = context.ui, dialer, session
        self._hide = context.hide

    def run(self, command: str, output: Output | None = None, *, timeout: float | None = None) -> int:
        """See `Communicator.run`; the guest's shell is `cmd`."""
        # half a secret would not be recognized
        title, deadline = _title_of(self._hide(command)), Deadline(timeout)
        show = output or _ignore
        streams = (LineSplitter(lambda line: show(line, False)), LineSplitter(lambda line: show(line, True)))
        with self._session.process(f"`{title}` ran", command) as process:
            while (printed := process.receive(deadline)) is not None:
                for stream, data in zip(streams, printed, strict=True):
                    stream.feed(data)
                if deadline.passed:
                    raise CommunicatorError(f"`{title}` did not end within {format_seconds(timeout or 0)}")
            for stream in streams:
                stream.finish()
            return process.status

    def upload(self, source: Path | BinaryIO, destination: str, *, mode: int | None = None) -> None:
        """Write a file, making its folder if need be. `mode` means nothing to Windows. In `destination`, `~`
        and `$env:NAME` mean what they mean in PowerShell."""
        with opened(source) as file, shown(self._ui, f"Uploading {destination}", size_left(file)) as advance:
            files.upload(self._session, file, destination, advance)

    def download(self, source: str, destination: Path) -> None:
        with shown(self._ui, f"Downloading {source}", None) as advance:
            files.download(self._session, source, destination, advance)

    def upload_directory(self, source: Path, destination: str) -> None:
        """Copy what is in `source` into the guest's folder `destination`: as one ZIP file, which .NET 4.5
        unpacks."""
        if not source.is_dir():
            raise HostError(f"there is no folder `{source}`")
        archive = _archive_name()
        with archives.zipped(source) as packed:
            self.upload(packed, archive)
        files.unpack(self._session, archive, destination)

    def download_directory(self, source: str, destination: Path) -> None:
        archive = _archive_name()
        files.pack(self._session, source, archive)
        try:
            with archives.unzipping(destination) as packed:
                self.download(archive, packed)
        finally:
            files.remove(self._session, archive)

    def reconnect(self, timeout: float) -> None:
        """Wait up to `timeout` seconds until the guest lets the user in anew. WinRM has no connection that
        would break when the guest restarts: who restarts it must know when it is up again."""
        self.close()
        self._session = self._dialer.dial(timeout)

    def close(self) -> None:
        self._session.close()


def _archive_name() -> str:
    return f"$env:TEMP\\vmforge-{secrets.token_hex(6)}.zip"


def _title_of(command: str) -> str:
    line = " ".join(command.split())
    return line if len(line) <= _TITLE_LENGTH else f"{line[: _TITLE_LENGTH - 1]}…"


def _ignore(line: str, error: bool) -> None:
    return None
