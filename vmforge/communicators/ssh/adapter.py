"""The SSH adapter (`sdk/adapter.py`): an SSH server on this machine whose commands and files are the guest's.

Its commands have no standard input: what a client sends there is dropped. Files travel over SFTP, each
uploaded when it is closed and downloaded when it is opened.
"""

from __future__ import annotations

import contextlib
import errno
import io
import logging
import os
import shlex
import socket
import stat as modes
import tempfile
import threading
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import paramiko
from paramiko.common import (
    AUTH_FAILED,
    AUTH_SUCCESSFUL,
    OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED,
    OPEN_SUCCEEDED,
)
from paramiko.sftp import SFTP_EOF, SFTP_FAILURE, SFTP_NO_SUCH_FILE, SFTP_OK, SFTP_PERMISSION_DENIED

from vmforge.communicators import keys
from vmforge.errors import CommunicatorError, HostError, VmforgeError
from vmforge.sdk import BuildContext, Communicator
from vmforge.sdk.adapter import AdapterKeyType, AdapterLogin, AdapterSettings

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_log = logging.getLogger(__name__)

_STAT = "stat {follow}-c '%f %s %u %g %X %Y' {path} 2>/dev/null"
_LARGEST_TEMPORARY = 8 * 1024 * 1024


class SshAdapter:
    """Listens while the `with` block runs; one connection of the guest's serves all clients in turn."""

    def __init__(self, context: BuildContext, communicator: Communicator, settings: AdapterSettings) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="adapter-", dir=context.scratch)).absolute()
        self._guest = _Guest(communicator)
        self._settings = settings
        self._listener: socket.socket | None = None
        self._transports: list[paramiko.Transport] = []
        self._host_key: paramiko.PKey | None = None
        self._allowed: frozenset[str] = frozenset()

    def __enter__(self) -> AdapterLogin:
        settings = self._settings
        self._host_key = self._load_host_key()
        key_file = self._admit()
        try:
            self._listener = socket.create_server((settings.host, settings.port))
        except OSError as error:
            hint = "leave `local_port` out: any free port is then used"
            message = f"the SSH adapter cannot listen on {settings.host}:{settings.port}: {error.strerror}"
            raise HostError(message, hint=hint) from error
        threading.Thread(target=self._accept, name="ssh-adapter", daemon=True).start()
        return AdapterLogin(settings.host, int(self._listener.getsockname()[1]), key_file)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._listener is not None:
            with contextlib.suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
        for transport in self._transports:
            transport.close()

    def _load_host_key(self) -> paramiko.PKey:
        path = self._settings.host_key_file
        if path is None:
            path = self._folder / "host-key"
            self._generate().write_private(path)
        try:
            return paramiko.PKey.from_path(path.expanduser())
        except (OSError, ValueError, paramiko.SSHException, TypeError) as error:
            raise CommunicatorError(f"`ssh_host_key_file`: `{path}` holds no private key: {error}") from error

    def _admit(self) -> Path | None:
        """Decide who may log in; returns the key that was made for it."""
        public = self._settings.authorized_key_file
        if public is not None:
            try:
                lines = public.expanduser().read_text(encoding="utf-8").splitlines()
            except (OSError, ValueError) as error:
                raise CommunicatorError(f"`ssh_authorized_key_file` cannot be read: {error}") from error
            self._allowed = frozenset(
                word for line in lines for word in line.split() if word.startswith("AAAA")
            )
            return None
        pair = self._generate()
        path = self._folder / "key"
        pair.write_private(path)
        self._allowed = frozenset([pair.public.split()[1]])
        return path

    def _generate(self) -> keys.KeyPair:
        if self._settings.key_type is AdapterKeyType.RSA:
            return keys.generate(keys.KeyType.RSA, 2048, "vmforge-adapter")
        return keys.generate(keys.KeyType.ECDSA, 256, "vmforge-adapter")

    def _accept(self) -> None:
        assert self._listener is not None and self._host_key is not None
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return  # the adapter is closed
            transport = paramiko.Transport(connection)
            transport.add_server_key(self._host_key)
            transport.set_subsystem_handler("sftp", paramiko.SFTPServer, _Files, self._guest)
            self._transports.append(transport)
            # with an event it returns at once, and a client that says nothing holds nobody up
            transport.start_server(threading.Event(), _Server(self._guest, self._allowed))


class _Guest:
    """The guest's connection, which one thread at a time may use."""

    def __init__(self, communicator: Communicator) -> None:
        self._communicator = communicator
        self._lock = threading.Lock()
        self._home = ""

    def run(self, command: str, channel: paramiko.Channel) -> int:
        def pass_on(line: str, error: bool) -> None:
            data = f"{line}\n".encode()
            with contextlib.suppress(OSError):  # nobody listens any more
                channel.sendall_stderr(data) if error else channel.sendall(data)

        with self._lock:
            return self._communicator.run(command, pass_on)

    def ask(self, command: str) -> list[str] | None:
        """What a command prints; None when it fails."""
        lines: list[str] = []
        with self._lock:
            status = self._communicator.run(
                command, lambda line, error: None if error else lines.append(line)
            )
        return lines if status == 0 else None

    def absolute(self, path: str) -> str:
        if not path.startswith("/"):
            self._home = self._home or (self.ask("pwd") or ["/"])[0]
            path = f"{self._home}/{path}"
        return os.path.normpath(path)

    def upload(self, content: io.BufferedIOBase, path: str, mode: int | None) -> None:
        with self._lock:
            self._communicator.upload(content, path, mode=mode)  # type: ignore[arg-type]  # any reader will do

    def download(self, path: str) -> bytes:
        with tempfile.TemporaryDirectory() as folder, self._lock:
            target = Path(folder, "file")
            self._communicator.download(path, target)
            return target.read_bytes()


class _Server(paramiko.ServerInterface):
    """One client: it logs in with the right key, and runs commands."""

    def __init__(self, guest: _Guest, allowed: frozenset[str]) -> None:
        self._guest, self._allowed = guest, allowed

    def get_allowed_auths(self, username: str) -> str:
        return "publickey"

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        return AUTH_SUCCESSFUL if key.get_base64() in self._allowed else AUTH_FAILED

    def check_channel_request(self, kind: str, chanid: int) -> int:
        is_session = kind == "session"
        return OPEN_SUCCEEDED if is_session else OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED

    def check_channel_pty_request(self, *terminal: Any) -> bool:
        return True  # clients insist; the guest's commands run as the communicator runs them

    def check_channel_env_request(self, channel: paramiko.Channel, name: bytes, value: bytes) -> bool:
        return False

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        threading.Thread(target=self._run, args=(channel, command.decode()), daemon=True).start()
        return True

    def _run(self, channel: paramiko.Channel, command: str) -> None:
        try:
            status = self._guest.run(command, channel)
        except VmforgeError as error:
            _log.debug("a command of the adapter's client failed", exc_info=True)
            with contextlib.suppress(OSError):
                channel.sendall_stderr(f"{error.message}\n".encode())
            status = 255
        with contextlib.suppress(OSError, paramiko.SSHException):
            channel.send_exit_status(status)
            channel.close()


class _Files(paramiko.SFTPServerInterface):
    """The guest's files over SFTP, version 3 (draft-ietf-secsh-filexfer-02)."""

    def __init__(self, server: paramiko.ServerInterface, guest: _Guest) -> None:
        super().__init__(server)
        self._guest = guest

    def canonicalize(self, path: str) -> str:
        return self._guest.absolute(path)

    def stat(self, path: str) -> paramiko.SFTPAttributes | int:
        return self._examine(path, "-L ")

    def lstat(self, path: str) -> paramiko.SFTPAttributes | int:
        return self._examine(path, "")

    def _examine(self, path: str, follow: str) -> paramiko.SFTPAttributes | int:
        lines = self._ask(_STAT.format(follow=follow, path=self._quoted(path)))
        return _attributes(lines[0]) if lines else SFTP_NO_SUCH_FILE

    def list_folder(self, path: str) -> list[paramiko.SFTPAttributes] | int:
        lines = self._ask(
            f"cd {self._quoted(path)} && ls -1A | while IFS= read -r n; do "
            "stat -c '%f %s %u %g %X %Y %n' -- \"$n\"; done"
        )
        if lines is None:
            return SFTP_NO_SUCH_FILE
        return [_attributes(line) for line in lines]

    def open(self, path: str, flags: int, attr: paramiko.SFTPAttributes) -> paramiko.SFTPHandle | int:
        writes = flags & (os.O_WRONLY | os.O_RDWR)
        try:
            content = b"" if writes else self._guest.download(self._guest.absolute(path))
        except VmforgeError:
            return SFTP_NO_SUCH_FILE
        mode = attr.st_mode if attr is not None and attr.st_mode is not None else None
        return _OpenFile(self._guest, self._guest.absolute(path), content, writes=bool(writes), mode=mode)

    def chattr(self, path: str, attr: paramiko.SFTPAttributes) -> int:
        if attr.st_mode is None:
            return SFTP_OK
        return self._do(f"chmod {modes.S_IMODE(attr.st_mode):o} {self._quoted(path)}")

    def remove(self, path: str) -> int:
        return self._do(f"rm -f {self._quoted(path)}")

    def rename(self, oldpath: str, newpath: str) -> int:
        return self._do(f"mv {self._quoted(oldpath)} {self._quoted(newpath)}")

    posix_rename = rename

    def mkdir(self, path: str, attr: paramiko.SFTPAttributes) -> int:
        return self._do(f"mkdir {self._quoted(path)}")

    def rmdir(self, path: str) -> int:
        return self._do(f"rmdir {self._quoted(path)}")

    def _quoted(self, path: str) -> str:
        return shlex.quote(self._guest.absolute(path))

    def _ask(self, command: str) -> list[str] | None:
        try:
            return self._guest.ask(command)
        except VmforgeError:
            return None

    def _do(self, command: str) -> int:
        return SFTP_OK if self._ask(command) is not None else SFTP_FAILURE


class _OpenFile(paramiko.SFTPHandle):
    """A file of the guest's while a client reads or writes it."""

    def __init__(self, guest: _Guest, path: str, content: bytes, *, writes: bool, mode: int | None) -> None:
        super().__init__()
        self._guest, self._path, self._writes, self._mode = guest, path, writes, mode
        self._file = tempfile.SpooledTemporaryFile(_LARGEST_TEMPORARY)  # noqa: SIM115  # closed with the handle
        self._file.write(content)

    def read(self, offset: int, length: int) -> bytes | int:
        self._file.seek(offset)
        return self._file.read(length) or SFTP_EOF

    def write(self, offset: int, data: ReadableBuffer) -> int:
        if not self._writes:
            return SFTP_PERMISSION_DENIED
        self._file.seek(offset)
        self._file.write(data)
        return SFTP_OK

    def stat(self) -> paramiko.SFTPAttributes | int:
        attributes = paramiko.SFTPAttributes()
        attributes.st_size = self._file.seek(0, io.SEEK_END)
        attributes.st_mode = modes.S_IFREG | (self._mode or 0o600)
        return attributes

    def chattr(self, attr: paramiko.SFTPAttributes) -> int:
        if attr.st_mode is not None:
            self._mode = attr.st_mode
        return SFTP_OK

    def close(self) -> None:
        """Upload what was written. SFTP has the client told of a failure by an `OSError` here."""
        try:
            if self._writes:
                self._file.seek(0)
                mode = modes.S_IMODE(self._mode) if self._mode is not None else None
                self._guest.upload(self._file, self._path, mode)  # type: ignore[arg-type]
        except VmforgeError as error:
            raise OSError(errno.EIO, error.message) from error
        finally:
            self._file.close()


def _attributes(line: str) -> paramiko.SFTPAttributes:
    """What `stat` says, in the order of `_STAT`; a name may follow."""
    mode, *numbers = line.split(" ", 6)
    attributes = paramiko.SFTPAttributes()
    attributes.st_mode = int(mode, 16)
    attributes.st_size, attributes.st_uid, attributes.st_gid, attributes.st_atime, attributes.st_mtime = (
        int(number) for number in numbers[:5]
    )
    attributes.filename = numbers[5] if len(numbers) > 5 else ""
    return attributes
