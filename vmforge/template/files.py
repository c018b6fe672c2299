"""Which files a template consists of, and reading them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from vmforge.diagnostics import Diagnostic, SourceRange, did_you_mean
from vmforge.errors import VmforgeError
from vmforge.template.hcl import SourceText, parse_file
from vmforge.template.hcl.syntax import Body

_TEMPLATE = ".pkr.hcl"
_AUTO_VARIABLES = (".auto.pkrvars.hcl", ".auto.pkrvars.json")


@dataclass(frozen=True)
class TemplateFiles:
    """The files of a template in the order in which they are read, and those with variables that
    are read without being asked for."""

    root: Path
    templates: tuple[Path, ...]
    auto_variables: tuple[Path, ...]


def find_files(path: Path) -> TemplateFiles:
    """The files that a template's path means: itself, or those of a folder. Raises `VmforgeError`."""
    if path.is_dir():
        names = sorted(entry for entry in path.iterdir() if entry.is_file())
        templates = tuple(entry for entry in names if entry.name.endswith(_TEMPLATE))
        if not templates:
            hint = f"templates end in `{_TEMPLATE}`"
            raise VmforgeError(f"the folder `{path}` holds no template", hint=hint)
        auto = tuple(e for suffix in _AUTO_VARIABLES for e in names if e.name.endswith(suffix))
        return TemplateFiles(path, templates, auto)
    if not path.is_file():
        others = [str(other) for other in path.parent.glob(f"*{_TEMPLATE}")]
        hint = did_you_mean(str(path), others) or "name a file or a folder that exists"
        raise VmforgeError(f"there is no template `{path}`", hint=hint)
    if path.suffix == ".json":
        raise VmforgeError(f"`{path}` is JSON; templates are read in HCL2", hint=f"name a `{_TEMPLATE}` file")
    return TemplateFiles(path.parent, (path,), ())


def read_file(path: Path) -> tuple[Body, list[Diagnostic]]:
    """Parse one file. A file that cannot be read is an empty body and a finding."""
    try:
        # lone surrogates stand for bytes that are no UTF-8; the scanner reports those outside comments
        text = path.read_bytes().decode("utf-8", "surrogateescape")
    except OSError as error:
        place = SourceRange.whole(str(path))
        reason = (error.strerror or str(error)).lower()
        empty = Body(SourceText(str(path), ""), 0, 0, {}, [])
        return empty, [Diagnostic.error(f"`{path}` cannot be read: {reason}", range=place)]
    return parse_file(SourceText(str(path), text))
