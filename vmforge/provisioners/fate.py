"""What became of a script whose connection broke: asked in the guest, once it answers again."""

from __future__ import annotations

import shlex

from vmforge.errors import Interrupted, VmforgeError
from vmforge.sdk import Communicator

# How long a guest may take to answer again, in seconds: longer than a switch takes to restart.
_PATIENCE = 60.0

_UNKNOWN = "whether it still runs in the guest is not known"


def fate_of(path: str, communicator: Communicator) -> str:
    """Whether the script at `path` still runs: the end of a sentence. Leaves the connection open if there is
    one. Raises `Interrupted`."""
    try:
        communicator.reconnect(_PATIENCE)
        status = communicator.run(_search(path), timeout=_PATIENCE)
    except Interrupted:
        raise
    except VmforgeError as error:
        return f"{_UNKNOWN} ({error.message})"
    if status == 0:
        return "it still runs in the guest"
    if status == 1:
        return "it no longer runs in the guest, and with which status it ended is not known"
    return _UNKNOWN


def _search(path: str) -> str:
    """A command that ends with 0 if a process's command line names the path, with 1 if none does, and with
    more where that cannot be told. It does not find itself."""
    pattern = f"{path[:-1]}[{path[-1]}]"
    searched = f"cat /proc/[0-9]*/cmdline 2>/dev/null | grep -c -- {shlex.quote(pattern)} >/dev/null"
    return f"[ -r /proc/self/cmdline ] || exit 3; {searched}"
