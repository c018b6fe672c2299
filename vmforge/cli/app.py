"""Assembles the commands, and turns whatever ends one into an exit status."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Final

import typer

from vmforge.cli import version
from vmforge.cli.arguments import normalise
from vmforge.cli.developer_log import developer_log
from vmforge.cli.flags import Command, Group
from vmforge.cli.terminal import Terminal, terminal
from vmforge.errors import Interrupted, VmforgeError

# Each is a module of this package with its NAME and its `command`, a function or a program of its own.
_COMMANDS: Final = (
    "build",
    "post_process",
    "shell",
    "cache",
    "cleanup",
    "iso",
    "bundle",
    "lock",
    "validate",
    "inspect",
    "fmt",
    "fix",
    "hcl2_upgrade",
    "console",
    "console_read",
    "convert",
    "init",
    "plugins",
    "os",
    "new",
    "docs",
    "doctor",
    "version",
)


def _app(names: Sequence[str]) -> typer.Typer:
    """The program with these commands."""
    app = typer.Typer(
        name="vmforge",
        cls=Group,
        help="Build machine images on your own hypervisors, from Packer's templates.",
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_global_flags)
    for name in names:
        module = import_module(f"vmforge.cli.{name}")
        if isinstance(module.command, typer.Typer):
            app.add_typer(module.command, name=module.NAME)
        else:
            app.command(name=module.NAME, cls=Command)(module.command)
    return app


def _print_version(wanted: bool) -> None:
    if wanted:
        version.command()
        raise typer.Exit()


def _global_flags(
    show_version: bool = typer.Option(
        False, "--version", "-v", help="Print the version and exit.", is_eager=True, callback=_print_version
    ),
) -> None:
    """The flags before the command's name."""


def run(arguments: Sequence[str]) -> int:
    """Run one command line; returns the exit status (see errors.py)."""
    sys.set_int_max_str_digits(0)  # a template's numbers may have more digits than Python likes to write
    plain, machine_readable = normalise(arguments)
    shown = terminal(machine_readable=machine_readable, environment=os.environ)
    # a command is loaded without the others, unless it takes all of them to say what there is
    module = plain[0].replace("-", "_") if plain else ""
    names = (module,) if module in _COMMANDS else _COMMANDS
    try:
        with developer_log(shown, os.environ):
            status = _app(names)(args=plain, standalone_mode=False, obj=shown, prog_name="vmforge")
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
        from vmforge.sdk.registry import Registry

        if (claim := Registry().claim_behind(error)) is not None:
            error.add_note(f"this happened in the plugin {claim.origin}; report it there")
        shown.bug(error)
        return 1
    shown.usage(str(format_message()), str(getattr(getattr(error, "ctx", None), "command_path", "vmforge")))
    return 2


def _quiet_pipe() -> int:
    """The reader of our output went away (`vmforge inspect | head`): end without noise."""
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, 1)
    return 141
