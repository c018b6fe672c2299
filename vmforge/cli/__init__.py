"""The `vmforge` command."""

from __future__ import annotations

import gc
import sys


def main() -> None:
    """Entry point of the `vmforge` command; ends the process with the exit status of errors.py."""
    gc.set_threshold(50_000)  # loading the modules would set off collections that find nothing
    from vmforge.cli.app import run

    sys.exit(run(sys.argv[1:]))
