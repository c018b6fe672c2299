"""Assembles the commands, and turns whatever ends one into an exit status."""

from __future__ import annotations

import os
from collections.abc import Sequence

import typer

from vmforge.cli import build, console, docs, doctor, fmt, init, inspect, validate, version
from vmforge.cli.arguments import normalise
from vmforge.cli.terminal import Terminal, terminal
from vmforge.errors import Interrupted, VmforgeError

app = typer.Typer(
    name="vmforge",
    help="Build machine images on your own hypervisors, from Packer's templates.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for module in (build, validate, inspect, fmt, console, init, docs, doctor, version):
    app.command(name=module.NAME)(module.command)


@app.callback()
def _global_flags(
    show_version: bool = typer.Option(False, "--version", "-v", help="Print the version and exit."),
) -> None:
    if show_version:
        version.command()
        raise typer.Exit()


def run(arguments: Sequence[str]) -> int:
    """Run one command line; returns the exit status (see errors.py)."""
    plain, machine_readable = normalise(arguments)
    shown = terminal(machine_readable=machine_readable, environment=os.environ)
    try:
        status = app(args=plain, standalone_mode=False, obj=shown, prog_name="vmforge")
        return status if isinstance(status, int) else 0
    except VmforgeError as error:
        shown.failure(error)
        return error.exit_status
    except KeyboardInterrupt:
        shown.failure(Interrupted())
        return Interrupted.exit_status
    except BrokenPipeError:
        return _quiet_pipe()
    except Exception as error:
        return _usage(shown, error)


def _usage(shown: Terminal, error: Exception) -> int:
    """typer's own complaints (unknown flag, missing argument); anything else is a bug."""
    format_message = getattr(error, "format_message", None)
    if format_message is None:
        raise error
    shown.usage(str(format_message()), str(getattr(getattr(error, "ctx", None), "command_path", "vmforge")))
    return 2


def _quiet_pipe() -> int:
    """The reader of our output went away (`vmforge inspect | head`): end without noise."""
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, 1)
    return 141
