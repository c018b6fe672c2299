"""`vmforge new`: a whole template to begin with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from vmforge.cli.os import find_config
from vmforge.cli.terminal import Terminal
from vmforge.errors import HostError, UsageError

NAME = "new"

_TEMPLATES: Final = (".pkr.hcl", ".pkr.json")


def command(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="The system, as `vmforge os list` names it.")],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="The folder to write to, made if need be.", show_default="./NAME"
        ),
    ] = None,
    iso: Annotated[
        str,
        typer.Option(
            metavar="PATH", help="The installer's ISO, if it is here already: its checksum is written down."
        ),
    ] = "",
) -> None:
    """Write a template that installs a system, ready to build.

    Never writes over a file that is there.
    """
    from boot_configs import starter
    from vmforge.template.hcl.formatter import format_text

    shown: Terminal = context.obj
    config = find_config(name)
    folder = output or Path(config.name)
    target = folder / f"{config.name}.pkr.hcl"
    _write(target, format_text(starter(config, *_iso(iso, shown))))
    shown.print(str(target))
    missing = "" if iso else " -var iso_url=/path/to/installer.iso"
    shown.note(f"build it with: vmforge build{missing} {folder}")


def _iso(given: str, shown: Terminal) -> tuple[str, str]:
    """The ISO's absolute path and its checksum; empty when none is given."""
    if not given:
        return "", ""
    from vmforge.cache.digests import hash_file

    path = Path(given).expanduser().absolute()
    if not path.is_file():
        raise UsageError(
            f"`--iso`: there is no file `{given}`", hint="leave it out, and give its path to the build"
        )
    with shown.progress(f"checksum of {path.name}", path.stat().st_size, "B") as progress:
        return str(path), f"sha256:{hash_file(path, ['sha256'], progress.advance)['sha256']}"


def _write(target: Path, text: str) -> None:
    """Raises `HostError` when the file cannot be written, or one is there that would be read with it."""
    others = [path for suffix in _TEMPLATES for path in sorted(target.parent.glob(f"*{suffix}"))]
    if others and target not in others:
        hint = "give another folder with `--output`: all templates of a folder are read as one"
        raise HostError(f"`{target.parent}` has a template already, `{others[0].name}`", hint=hint)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        hint = "give another folder with `--output`, or delete the file"
        raise HostError(f"`{target}` is there already", hint=hint) from None
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise HostError(f"`{target}` cannot be written: {reason}") from None
