"""Uploads through the programs sftp and rsync, which know the user's SSH configuration, keys and agent."""

from __future__ import annotations

import posixpath
import shlex
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from vmforge.post_processors.upload.destination import Destination, Scheme, Transfer
from vmforge.post_processors.upload.transport import Delivery, TransferFailed
from vmforge.scripts.process import run_process

_PROGRAMS = {
    Scheme.SFTP: "sftp",
    Scheme.SCP: "sftp",
    Scheme.RSYNC: "rsync",
    Scheme.RSYNC_SSH: "rsync",
}
_PACKAGES = {"sftp": "openssh-client", "rsync": "rsync"}
# Nobody can answer questions: unknown hosts and missing keys are failures.
_SSH_OPTIONS = ("-oBatchMode=yes", "-oConnectTimeout=20", "-oServerAliveInterval=20")
# rsync: errors in the socket's use, in the protocol's stream, time limits; ssh: 255.
_RSYNC_PASSING = (10, 12, 30, 35, 255)


def program_for(scheme: Scheme) -> str:
    """The program that a scheme needs; empty when it needs none."""
    return _PROGRAMS.get(scheme, "")


def missing_program(scheme: Scheme) -> str:
    """The program that a scheme needs and that this machine lacks; empty when all is there."""
    program = program_for(scheme)
    return program if program and shutil.which(program) is None else ""


def install_hint(program: str) -> str:
    return f"install it: `apt install {_PACKAGES[program]}`"


def upload_sftp(transfer: Transfer, delivery: Delivery) -> None:
    """Send a file over SFTP (`scp` speaks it too since OpenSSH 9): to a name beside its own, renamed at
    the end. A second attempt goes on where the first one stopped. Raises `TransferFailed`."""
    (path,), destination = transfer.files, transfer.destination
    with tempfile.NamedTemporaryFile("w", suffix=".sftp", dir=delivery.context.scratch) as batch:
        batch.write("\n".join(_batch(path, destination, delivery)) + "\n")
        batch.flush()
        port = [] if destination.port is None else [f"-oPort={destination.port}"]
        options = [*_SSH_OPTIONS, *port, *delivery.config.ssh_arguments]
        _run(["sftp", "-b", batch.name, *options, _login(destination)], delivery)
    delivery.advance(path.stat().st_size)


def upload_rsync(transfer: Transfer, delivery: Delivery) -> None:
    """Send a file with rsync, which writes it to a name beside its own, and keeps what arrived of it for
    the next attempt. Raises `TransferFailed`."""
    (path,), destination = transfer.files, transfer.destination
    shell = shlex.join(["ssh", *_SSH_OPTIONS, *delivery.config.ssh_arguments])
    remote = str(destination)
    command = ["rsync", "--times", "--sparse", "--secluded-args", "--partial-dir=.rsync-partial"]
    if destination.scheme is Scheme.RSYNC_SSH:
        command += ["-e", shell]
    _run([*command, str(path.absolute()), remote], delivery, passing=_RSYNC_PASSING)
    delivery.advance(path.stat().st_size)


def _login(destination: Destination) -> str:
    return f"{destination.user}@{destination.host}" if destination.user else destination.host


def _batch(path: Path, destination: Destination, delivery: Delivery) -> Iterator[str]:
    """What sftp is told. Its paths: `/~/x` starts at the user's home folder, as in other programs' URLs."""
    target = destination.path.removeprefix("/~/")
    folder, name = posixpath.split(target)
    # of this contents: what a killed run left of another image must not become its beginning
    partial = posixpath.join(folder, f".{name}.{delivery.digests[path][:16]}.partial")
    for parent in _parents(folder):
        yield f"-mkdir {_quoted(parent)}"  # `-`: it may be there already
    put = "put" if delivery.attempt % 2 == 0 else "reput"
    yield f"{put} {_quoted(str(path.absolute()))} {_quoted(partial)}"
    yield f"rename {_quoted(partial)} {_quoted(target)}"


def _parents(folder: str) -> list[str]:
    parts = folder.strip("/").split("/") if folder.strip("/") else []
    root = "/" if folder.startswith("/") else ""
    return [root + "/".join(parts[: count + 1]) for count in range(len(parts))]


def _quoted(path: str) -> str:
    """A path as sftp reads it; between quotes, `*` and `?` have no meaning."""
    if "\n" in path:
        raise TransferFailed("sftp cannot be told of names with line ends")
    escaped = path.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _run(arguments: Sequence[str], delivery: Delivery, passing: Sequence[int] = (255,)) -> None:
    """Run a program; its words are shown only when it fails."""
    words: list[str] = []

    def listen(line: str, error: bool) -> None:
        if error:
            words.append(line)

    status = run_process(
        arguments, environment={"LC_ALL": "C"}, output=listen, cancellation=delivery.context.cancellation
    )
    if status == 0:
        return
    told = [line.strip() for line in words if line.strip() and not line.startswith("remote mkdir")]
    reason = "; ".join(told[-3:]) or f"it ended with status {status}"
    hint = ""
    if any("Host key verification failed" in line for line in told):
        hint = "log in there once with `ssh`, which makes the host known, or set `ssh_arguments`"
    elif any("Permission denied (" in line for line in told):
        hint = "check with `ssh` that this login works without a password"
    raise TransferFailed(f"`{arguments[0]}`: {reason}", passing=not hint and status in passing, hint=hint)
