"""Moves files through PowerShell in the guest: Base64 on its standard input and output.

One process takes a whole file, in pieces as large as the service lets in at once: a request for each is
what WinRM costs, and starting PowerShell is what costs most.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from vmforge.communicators.readiness import Deadline
from vmforge.communicators.winrm import scripts
from vmforge.communicators.winrm.session import ERRORS, RemoteProcess, Session
from vmforge.errors import CommunicatorError
from vmforge.sdk.local_files import arriving

Advance = Callable[[int], None]
_POWERSHELL = "powershell.exe"
_NO_LIMIT = Deadline(None)


def upload(session: Session, source: BinaryIO, destination: str, advance: Advance) -> None:
    """Write everything that `source` gives into the guest's file `destination`."""
    doing = f"uploading `{destination}`"
    sent = 0
    with session.process(doing, _POWERSHELL, scripts.arguments(scripts.upload(destination))) as process:
        complaint = ""
        try:
            while data := source.read(session.chunk_size):
                process.send(base64.b64encode(data) + b"\r\n", end=False)
                sent += len(data)
                advance(len(data))
            process.send(b"", end=True)
        except ERRORS as error:
            # a process that has ended takes no input: its last words say why
            complaint = str(error)
        printed, said = _outcome(process)
    if process.status != 0 or complaint or not printed:
        raise _refused("write", destination, said or complaint or f"status {process.status}")
    if (length := int(printed)) != sent:
        raise CommunicatorError(f"of {sent} bytes, {length} arrived in the guest's `{destination}`")


def download(session: Session, source: str, destination: Path, advance: Advance) -> None:
    """Write the guest's file `source` into `destination`, which is replaced when all of it is there."""
    doing = f"downloading `{source}`"
    with (
        arriving(destination) as file,
        session.process(doing, _POWERSHELL, scripts.arguments(scripts.download(source))) as process,
    ):
        complaint = bytearray()
        lines = _decoded_lines(process, complaint)
        size = int(next(lines, b"-1"))
        received = 0
        for line in lines:
            data = base64.b64decode(line)
            file.write(data)
            received += len(data)
            advance(len(data))
        if process.status != 0:
            raise _refused("read", source, _text(complaint) or f"status {process.status}")
        if received < size:
            raise CommunicatorError(f"of {size} bytes of the guest's `{source}`, {received} arrived")


def _decoded_lines(process: RemoteProcess, complaint: bytearray) -> Iterator[bytes]:
    """The lines of standard output; what comes on standard error is added to `complaint`."""
    rest = b""
    while (printed := process.receive(_NO_LIMIT)) is not None:
        complaint += printed[1]
        *lines, rest = (rest + printed[0]).split(b"\n")
        yield from (line.strip() for line in lines if line.strip())


def unpack(session: Session, archive: str, folder: str) -> None:
    """Unpack a ZIP file in the guest over a folder, and remove it."""
    _run(session, f"unpacking `{folder}`", scripts.unpack(archive, folder), "write", folder)


def pack(session: Session, folder: str, archive: str) -> None:
    """Pack a folder of the guest into a ZIP file there."""
    _run(session, f"packing `{folder}`", scripts.pack(folder, archive), "read", folder)


def remove(session: Session, path: str) -> None:
    """Remove a file of the guest."""
    _run(session, f"removing `{path}`", scripts.remove(path), "remove", path)


def _run(session: Session, doing: str, script: str, verb: str, path: str) -> None:
    with session.process(doing, _POWERSHELL, scripts.arguments(script)) as process:
        _, said = _outcome(process)
    if process.status != 0:
        raise _refused(verb, path, said or f"status {process.status}")


def _outcome(process: RemoteProcess) -> tuple[str, str]:
    """All that a process prints until it ends."""
    texts = bytearray(), bytearray()
    while (printed := process.receive(_NO_LIMIT)) is not None:
        texts[0].extend(printed[0])
        texts[1].extend(printed[1])
    return _text(texts[0]), _text(texts[1])


def _text(data: bytearray) -> str:
    return " ".join(data.decode("utf-8", "replace").split())


def _refused(verb: str, path: str, reason: str) -> CommunicatorError:
    return CommunicatorError(
        f"the guest could not {verb} `{path}`: {reason}",
        hint="the folder must be one that the user may use; `C:/Windows/Temp` always is for administrators",
    )
