"""The open connection to a guest's agent, as provisioners use it."""

from __future__ import annotations

import shlex
import stat
import tempfile
from pathlib import Path
from secrets import token_hex
from typing import BinaryIO

from vmforge.communicators.agent.dialer import Dialer
from vmforge.communicators.agent.execution import Execution
from vmforge.communicators.agent.guest import Guest
from vmforge.communicators.winrm import archives, scripts
from vmforge.errors import CommunicatorError, HostError
from vmforge.sdk import BuildContext, Output, tarfiles
from vmforge.sdk.local_files import arriving, opened, shown, size_left

# How long a guest that is about to restart may take until its agent ends; it answers until then.
_LAST_OF_OLD = 30.0


class AgentCommunicator:
    """Commands and files through the guest's agent. One thread uses it."""

    kind = "agent"

    def __init__(self, context: BuildContext, dialer: Dialer, guest: Guest) -> None:
        self._ui, self._cancellation = context.ui, context.cancellation
        self._dialer, self._guest = dialer, guest

    def run(self, command: str, output: Output | None = None, *, timeout: float | None = None) -> int:
        """See `Communicator.run`. The shell is `/bin/sh`, and `cmd` on Windows; the user is the system's own.
        On Windows output comes when the command has ended."""
        return Execution(self._guest, self._cancellation, output or _ignore, timeout).run(command)

    def upload(self, source: Path | BinaryIO, destination: str, *, mode: int | None = None) -> None:
        """Without `mode`, a local file's permissions go with it."""
        with opened(source) as file, shown(self._ui, f"Uploading {destination}", size_left(file)) as advance:
            self._guest.send(file, destination, advance)
        if mode is None and isinstance(source, Path):
            mode = stat.S_IMODE(source.stat().st_mode) & 0o777
        if mode is not None and not self._guest.windows:
            self._must(f"chmod {mode:o} {shlex.quote(destination)}", f"set the mode of `{destination}`")

    def download(self, source: str, destination: Path) -> None:
        with shown(self._ui, f"Downloading {source}", None) as advance, arriving(destination) as file:
            self._guest.fetch(source, file, advance)

    def upload_directory(self, source: Path, destination: str) -> None:
        """Copy what is in `source` into the guest's folder `destination`, as one archive."""
        if not source.is_dir():
            raise HostError(f"there is no folder `{source}`")
        archive = self._archive()
        if self._guest.windows:
            with archives.zipped(source) as packed:
                self.upload(packed, archive)
            self._powershell(scripts.unpack(archive, destination), f"write `{destination}`")
            return
        with tarfiles.packed(source) as content:
            self.upload(content, archive, mode=0o600)
        name, folder = shlex.quote(archive), shlex.quote(destination)
        command = f"mkdir -p {folder} && tar -xf {name} -C {folder}; status=$?; rm -f {name}; exit $status"
        self._must(command, f"write `{destination}`")

    def download_directory(self, source: str, destination: Path) -> None:
        archive = self._archive()
        if self._guest.windows:
            self._powershell(scripts.pack(source, archive), f"read `{source}`")
            with archives.unzipping(destination) as packed:
                self.download(archive, packed)
            self._powershell(scripts.remove(archive), f"remove `{archive}`")
            return
        name = shlex.quote(archive)
        self._must(f"umask 077; tar -cf {name} -C {shlex.quote(source)} .", f"read `{source}`")
        with tempfile.TemporaryDirectory() as scratch:
            packed = Path(scratch, "folder.tar")
            self.download(archive, packed)
            self._must(f"rm -f {name}", f"remove `{archive}`")
            tarfiles.unpack(packed, destination)

    def reconnect(self, timeout: float) -> None:
        """Wait up to `timeout` seconds until the agent answers anew. One that answers now is given up to half
        of that (30 s at most) to end: a guest that is about to restart answers for a while longer."""
        self._dialer.wait_for_silence(min(_LAST_OF_OLD, timeout / 2))
        self._guest = self._dialer.dial(timeout)

    def close(self) -> None:
        """There is nothing to end: the agent knows no connections."""

    def _archive(self) -> str:
        if self._guest.windows:
            return f"C:\\Windows\\Temp\\vmforge-{token_hex(6)}.zip"
        return f"/tmp/.vmforge-{token_hex(8)}.tar"

    def _powershell(self, script: str, doing: str) -> None:
        self._must("powershell.exe " + " ".join(scripts.arguments(script)), doing)

    def _must(self, command: str, doing: str) -> None:
        said: list[str] = []
        if status := self.run(command, lambda line, error: said.append(line)):
            reason = said[-1].strip() if said else f"status {status}"
            raise CommunicatorError(f"the guest could not {doing}: {reason}")


def _ignore(line: str, error: bool) -> None:
    return None
