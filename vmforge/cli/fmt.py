"""`vmforge fmt`: files of HCL in their canonical layout."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from vmforge.cli.replacing import replace_file
from vmforge.cli.terminal import Terminal
from vmforge.errors import VmforgeError

if TYPE_CHECKING:
    from vmforge.diagnostics import Diagnostic

NAME = "fmt"

_SUFFIXES: Final = (".pkr.hcl", ".pkrvars.hcl")
_STANDARD_INPUT: Final = "-"
# what findings and diffs call it
_SHOWN_INPUT: Final = "<stdin>"
_WOULD_CHANGE: Final = 3


def command(
    context: typer.Context,
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="PATH...",
            help="Files ending in `.pkr.hcl` or `.pkrvars.hcl`, folders of them, or `-` for standard input.",
            show_default=False,
        ),
    ],
    check: Annotated[
        bool, typer.Option("--check", help="Change nothing; exit with 3 if a file would change.")
    ] = False,
    diff: Annotated[bool, typer.Option("--diff", help="Show what changes.")] = False,
    write: Annotated[bool, typer.Option("--write/--no-write", help="Write the changes to the files.")] = True,
    recursive: Annotated[bool, typer.Option("--recursive", help="Also the folders in folders.")] = False,
) -> int:
    """Rewrite templates and var files in the canonical layout, and name those that changed."""
    from vmforge.diagnostics import raise_errors

    run = _Run(context.obj, write=write and not check, diff=diff)
    for name in paths:
        if name == _STANDARD_INPUT:
            run.format_standard_input()
            continue
        for path in _files(Path(name), recursive):
            run.format_file(path)
    raise_errors(run.findings)
    return _WOULD_CHANGE if check and run.changed else 0


@dataclass
class _Run:
    """One invocation: what it shall do, and what it has found so far."""

    shown: Terminal
    write: bool
    diff: bool
    changed: bool = False
    findings: list[Diagnostic] = field(default_factory=list)

    def format_file(self, path: Path) -> None:
        """Raises `VmforgeError` for a file that cannot be read or written."""
        try:
            before = path.read_bytes()
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise VmforgeError(f"`{path}` cannot be read: {reason}") from error
        after = self._formatted(before, str(path))
        if after is not None and after != before:
            self.changed = True
            self.shown.print(str(path))
            if self.write:
                replace_file(path, after)
            self._show_changes(before, after, str(path))

    def format_standard_input(self) -> None:
        before = sys.stdin.buffer.read()
        after = self._formatted(before, _SHOWN_INPUT)
        if after is None:
            return
        self.changed |= after != before
        if self.write or after == before:
            self.shown.data(after)
        self._show_changes(before, after, _SHOWN_INPUT)

    def _formatted(self, content: bytes, name: str) -> bytes | None:
        """The canonical layout; None when the content does not parse, which is noted."""
        from vmforge.template.hcl import SourceText, parse_file
        from vmforge.template.hcl.formatter import format_text

        text = content.decode("utf-8", "surrogateescape")
        _, findings = parse_file(SourceText(name, text, in_file=name != _SHOWN_INPUT))
        if findings:
            self.findings += findings
            return None
        return format_text(text).encode("utf-8", "surrogateescape")

    def _show_changes(self, before: bytes, after: bytes, name: str) -> None:
        if self.diff and before != after:
            self.shown.data(b"".join(_changes(before, after, name)))


def _files(path: Path, recursive: bool) -> Iterator[Path]:
    """The files that a path on the command line means."""
    if path.is_dir():
        yield from _files_in(path, recursive)
    elif not path.exists():
        raise VmforgeError(f"there is no file or folder `{path}`", hint="name one that exists")
    elif not path.name.endswith(_SUFFIXES):
        hint = "files of HCL end in `.pkr.hcl` or `.pkrvars.hcl`; JSON has no canonical layout"
        raise VmforgeError(f"`{path}` is no file of HCL", hint=hint)
    else:
        yield path


def _files_in(folder: Path, recursive: bool) -> Iterator[Path]:
    for entry in sorted(folder.iterdir()):
        if _is_hidden_or_backup(entry.name):
            continue
        if entry.is_dir():
            if recursive and not entry.is_symlink():
                yield from _files_in(entry, recursive)
        elif entry.name.endswith(_SUFFIXES):
            yield entry


def _is_hidden_or_backup(name: str) -> bool:
    return name.startswith(".") or name.endswith("~") or (name.startswith("#") and name.endswith("#"))


def _changes(before: bytes, after: bytes, name: str) -> Iterator[bytes]:
    """A unified diff as `diff -u` writes it."""
    from difflib import diff_bytes, unified_diff

    labels = os.fsencode(f"old/{name}"), os.fsencode(f"new/{name}")
    lines = diff_bytes(
        unified_diff, before.splitlines(keepends=True), after.splitlines(keepends=True), *labels
    )
    for line in lines:
        yield line if line.endswith(b"\n") else line + b"\n\\ No newline at end of file\n"
