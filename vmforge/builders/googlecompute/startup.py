"""Startup scripts whose end the serial console tells, so that nothing in the guest needs rights to do so."""

from __future__ import annotations

import base64
import re

# base64 of any script in any language; the shell runs one without `#!` itself.
_WRAPPER = """\
#!/bin/sh
# Runs the build's startup script, and tells the serial console how it ended.
script=$(mktemp)
base64 -d > "$script" <<'END'
{encoded}
END
chmod 700 "$script"
"$script"
status=$?
rm -f "$script"
echo "{sign}: $status"
echo "{sign}: $status" > /dev/ttyS0 2>/dev/null
exit $status
"""


def wrapped(script: str, run: str) -> str:
    """A startup script that runs `script` and then says how it ended; `run` tells it from others."""
    encoded = base64.encodebytes(script.encode()).decode().rstrip()
    return _WRAPPER.format(encoded=encoded, sign=_sign(run))


def status_in(console: str, run: str) -> int | None:
    """The exit status of the startup script, as the serial console has it; None while it runs."""
    found = re.search(rf"{re.escape(_sign(run))}: (\d+)", console)
    return int(found[1]) if found else None


def _sign(run: str) -> str:
    return f"vmforge-startup-script-{run}"
