"""A folder in the guest that a provisioner puts its files into, and the commands of the guest's system."""

from __future__ import annotations

import io
import posixpath
import shlex
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from types import TracebackType

from vmforge.errors import CommandFailed, CommunicatorError, VmforgeError
from vmforge.provisioners.windows.elevated import Account, elevated
from vmforge.provisioners.windows.scripts import windows_files
from vmforge.sdk import BuildContext, Communicator, Duration

_PATIENCE = Duration(300)


class GuestSystem(StrEnum):
    UNIX = "unix"
    WINDOWS = "windows"


def system_of(communicator: Communicator, wanted: GuestSystem | None) -> GuestSystem:
    """The system that the template names, else Windows where WinRM leads to."""
    if wanted is not None:
        return wanted
    return GuestSystem.WINDOWS if communicator.kind == "winrm" else GuestSystem.UNIX


@dataclass(frozen=True)
class FileCommands:
    """Commands that change files in the guest, with `sudo` as root."""

    system: GuestSystem = GuestSystem.UNIX
    sudo: bool = False

    def make_folder(self, path: str) -> str:
        """Make a folder that the user can write to; what is there stays."""
        if self.system is GuestSystem.WINDOWS:
            return _powershell(f"New-Item -ItemType Directory -Force -Path {_literal(path)} | Out-Null")
        quoted = shlex.quote(path)
        if not self.sudo:
            return f"mkdir -p {quoted}"
        own = f'sudo mkdir -p {quoted} && sudo chown "$(id -u):$(id -g)" {quoted}'
        return f"mkdir -p {quoted} 2>/dev/null && [ -w {quoted} ] || {{ {own}; }}"

    def remove(self, path: str) -> str:
        if self.system is GuestSystem.WINDOWS:
            quoted = _literal(path)
            return _powershell(f"if (Test-Path {quoted}) {{ Remove-Item -Recurse -Force {quoted} }}")
        return f"{self._root}rm -rf {shlex.quote(path)}"

    def move(self, source: str, destination: str) -> str:
        """Put a file or folder in the place of another, whose parent folder is made if need be."""
        if self.system is GuestSystem.WINDOWS:
            parent, target = _literal(posixpath.dirname(destination)), _literal(destination)
            return _powershell(
                f"New-Item -ItemType Directory -Force -Path {parent} | Out-Null; "
                f"if (Test-Path {target}) {{ Remove-Item -Recurse -Force {target} }}; "
                f"Move-Item {_literal(source)} {target}"
            )
        parent, target = shlex.quote(posixpath.dirname(destination) or "/"), shlex.quote(destination)
        root = self._root
        return f"{root}mkdir -p {parent} && {root}rm -rf {target} && {root}mv {shlex.quote(source)} {target}"

    @property
    def _root(self) -> str:
        return "sudo " if self.sudo else ""


def _powershell(script: str) -> str:
    return f"powershell.exe -NoProfile -Command \"$ErrorActionPreference = 'Stop'; {script}\""


def _literal(text: str) -> str:
    """A text as PowerShell writes it between single quotes."""
    return "'" + text.replace("'", "''") + "'"


class StagingFolder:
    """The folder, there for as long as the `with` block runs, and afterwards where it is to be kept."""

    def __init__(
        self,
        context: BuildContext,
        communicator: Communicator,
        path: str,
        commands: FileCommands,
        *,
        keep: bool,
    ) -> None:
        self.path, self.commands = path.rstrip("/") or "/", commands
        self._context, self._communicator, self._keep = context, communicator, keep

    def __enter__(self) -> StagingFolder:
        self.make(self.path)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._keep or isinstance(error, CommunicatorError):
            return
        try:
            if self._communicator.run(self.commands.remove(self.path)) == 0:
                return
            reason = "the guest refused it"
        except VmforgeError as failure:
            reason = failure.message
        if error is None:
            self._context.ui.warn(f"`{self.path}` could not be removed and will be in the image: {reason}")

    def make(self, folder: str) -> None:
        """A folder in the guest, the user's own. Raises `CommandFailed`."""
        self.prepare(self.commands.make_folder(folder), f"folder `{folder}` cannot be made in the guest")

    def prepare(self, command: str, complaint: str) -> None:
        """Run a command that must succeed; raises `CommandFailed` with the complaint."""
        status = run_in_guest(self._context, self._communicator, command)
        if status != 0:
            hint = "the lines above say why; `staging_directory` is to be a folder that the user may write to"
            raise CommandFailed(f"{complaint}: status {status}", status=status, hint=hint)

    def inside(self, name: str) -> str:
        """The path in the guest of something in the folder."""
        return posixpath.join(self.path, name)

    def upload(self, source: Path, name: str) -> str:
        """Put a file, or what is in a folder, under a name; returns its path in the guest."""
        target = self.inside(name)
        try:
            if source.is_dir():
                self.make(target)
                self._communicator.upload_directory(source, target)
            else:
                self._make_parent(target)
                self._communicator.upload(source, target)
        except OSError as error:
            raise VmforgeError(f"`{source}` cannot be read: {error.strerror}") from error
        return target

    def write(self, content: str, name: str, *, mode: int = 0o600) -> str:
        """Make a file of a text; returns its path in the guest."""
        target = self.inside(name)
        self._make_parent(target)
        self._communicator.upload(io.BytesIO(content.encode()), target, mode=mode)
        return target

    def _make_parent(self, path: str) -> None:
        parent = posixpath.dirname(path)
        if parent != self.path:
            self.make(parent)


def run_in_guest(
    context: BuildContext, communicator: Communicator, command: str, account: Account | None = None
) -> int:
    """Run a command and show what it prints; returns its exit status. On Windows it may run as an account
    with all rights."""

    def show(line: str, error: bool) -> None:
        context.ui.output(line, error=error)

    if account is None or not account.user:
        return communicator.run(command, show)
    with windows_files(communicator, context, _PATIENCE) as files:
        return communicator.run(elevated(files, command, account), show)


def check_program(title: str, status: int, *, valid: tuple[int, ...] = (0,), program: str) -> None:
    """Raise `CommandFailed` when a configuration tool ended with a bad status."""
    if status in valid:
        return
    hint = "the last lines above say why; `-on-error=ask` keeps the machine to look at"
    if status == 127:
        hint = f"127 means that a command was not found: install `{program}` in the guest first"
    raise CommandFailed(f"{title} ended with exit status {status}", status=status, hint=hint)
