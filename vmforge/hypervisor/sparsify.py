"""virt-sparsify of libguestfs: frees the blocks of an image that no file in it uses."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

from vmforge.errors import CommandFailed
from vmforge.sdk.cancellation import Cancellation

PROGRAM = "virt-sparsify"
INSTALL_HINT = "`apt install guestfs-tools`"


def is_installed() -> bool:
    return shutil.which(PROGRAM) is not None


def sparsify(path: Path, format: str, cancellation: Cancellation) -> None:
    """Free the unused blocks of an image that no machine runs on, in place.

    It starts a small machine of its own to look into the file systems. Raises `CommandFailed` with its last
    words; the image is then as it was, but for blocks that were unused anyway.
    """
    cancellation.check()
    command = [PROGRAM, "--quiet", "--in-place", "--format", format, str(path.absolute())]
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
            # a session of its own: it starts QEMU, which has to end with it
            start_new_session=True,
            # libvirt would want to reach the image as another user
            env={"LIBGUESTFS_BACKEND": "direct", **os.environ, "LC_ALL": "C"},
        )
        with process, cancellation.on_cancel(lambda: _end(process)):
            status = process.wait()
        cancellation.check()
        said.seek(0)
        words = said.read().decode(errors="replace").strip().splitlines()
    if status != 0:
        reason = words[-1].removeprefix(f"{PROGRAM}: ") if words else f"exit status {status}"
        hint = "`libguestfs-test-tool` says whether it works on this machine at all"
        raise CommandFailed(f"`{PROGRAM}` failed: {reason}", status=status, hint=hint)


def _end(process: subprocess.Popen[bytes]) -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass  # it has ended by itself
