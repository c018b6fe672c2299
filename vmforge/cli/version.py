"""`vmforge version`."""

from __future__ import annotations

import typer

from vmforge import __version__

NAME = "version"


def command() -> None:
    """Print the version."""
    typer.echo(f"vmforge {__version__}")
