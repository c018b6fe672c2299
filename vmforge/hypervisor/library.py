"""Loads libvirt, with its log in ours: libvirt would write it to the terminal.

libvirt decides where its log goes at the moment it is loaded, by an environment variable. The variable
must not stay, or programs that vmforge starts would be told the same. Raises `HostError` where the
library is missing.
"""

from __future__ import annotations

import logging
import os
import threading

from vmforge.errors import HostError

_log = logging.getLogger(__name__)

_VARIABLE = "LIBVIRT_LOG_OUTPUTS"
_WARNINGS = 3


def _forward_log(reading: int) -> None:
    """Pass on what libvirt logs, line by line, for as long as it does."""
    with os.fdopen(reading, encoding="utf-8", errors="replace") as lines:
        for line in lines:
            _log.info("%s", line.rstrip())


def _redirect_log() -> int:
    """Make libvirt write to a pipe of ours; returns our end for writing, to close once it has."""
    reading, writing = os.pipe()
    threading.Thread(target=_forward_log, args=(reading,), name="vmforge-libvirt-log", daemon=True).start()
    os.environ[_VARIABLE] = f"{_WARNINGS}:file:/proc/self/fd/{writing}"
    return writing


_redirected = None if _VARIABLE in os.environ or "LIBVIRT_DEBUG" in os.environ else _redirect_log()
try:
    import libvirt
    import libvirt_qemu
except ImportError as missing:
    raise HostError(
        f"libvirt's Python library cannot be loaded: {missing}",
        hint="`apt install libvirt0`, then `pip install libvirt-python`",
    ) from missing
finally:
    if _redirected is not None:
        del os.environ[_VARIABLE]
        os.close(_redirected)

# errors arrive as exceptions; without a handler libvirt prints them as well
libvirt.registerErrorHandler(lambda context, error: None, None)

__all__ = ["libvirt", "libvirt_qemu"]
