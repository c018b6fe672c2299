"""The `vmforge` command."""

from __future__ import annotations

import sys


def main() -> None:
    """Entry point of the `vmforge` command; ends the process with the exit status of errors.py."""
    from vmforge.cli.app import run

    sys.exit(run(sys.argv[1:]))
