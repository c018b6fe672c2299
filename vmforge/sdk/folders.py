"""Where vmforge keeps its state between runs: locks, the hypervisor's sockets, run folders."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path


def state_dir(environment: Mapping[str, str]) -> Path:
    """`$VMFORGE_STATE_DIR`, else `vmforge` below the XDG state folder.

    See https://specifications.freedesktop.org/basedir-spec/latest/ for `XDG_STATE_HOME`.
    """
    if own := environment.get("VMFORGE_STATE_DIR"):
        return Path(own).absolute()
    base = environment.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(base).absolute() / "vmforge"
