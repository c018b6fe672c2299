"""Which files a template consists of, and reading them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from vmforge.diagnostics import Diagnostic, SourceRange, did_you_mean
from vmforge.errors import VmforgeError
from vmforge.template.hcl import SourceText, parse_file
from vmforge.template.hcl.syntax import Body

_TEMPLATES = (".pkr.hcl", ".pkr.json")
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
        templates = tuple(entry for entry in names if entry.name.endswith(_TEMPLATES))
        if not templates:
            hint = "templates end in " + " or ".join(f"`{suffix}`" for suffix in _TEMPLATES)
            raise VmforgeError(f"the folder `{path}` holds no template", hint=hint)
        auto = tuple(e for suffix in _AUTO_VARIABLES for e in names if e.name.endswith(suffix))
        return TemplateFiles(path, templates, auto)
    if not path.is_file():
        others = [str(other) for suffix in _TEMPLATES for other in path.parent.glob(f"*{suffix}")]
        hint = did_you_mean(str(path), others) or "name a file or a folder that exists"
        raise VmforgeError(f"there is no template `{path}`", hint=hint)
    if path.suffix == ".json" and not path.name.endswith(_TEMPLATES):
        raise VmforgeError(f"`{path}` is JSON; templates are read in HCL2", hint="name a `.pkr.hcl` file")
    return TemplateFiles(path.parent, (path,), ())


def read_file(path: Path) -> tuple[Body, list[Diagnostic]]:
    """Parse one file, in the syntax that its name tells. A file that cannot be read is an empty body
    and a finding."""
    source, found = read_text(path)
    if source is None:
        return Body(SourceText(str(path), ""), 0, 0, {}, []), found
    if path.suffix == ".json":
        from vmforge.template.hcl.json_syntax import parse_json_file  # few templates are written in it

        return parse_json_file(source)
    return parse_file(source)


def read_text(path: Path) -> tuple[SourceText | None, list[Diagnostic]]:
    """The text of a file; none, and a finding, when it cannot be read."""
    try:
        # lone surrogates stand for bytes that are no UTF-8; the scanner reports those outside comments
        text = path.read_bytes().decode("utf-8", "surrogateescape")
    except OSError as error:
        place = SourceRange.whole(str(path))
        reason = (error.strerror or str(error)).lower()
        return None, [Diagnostic.error(f"`{path}` cannot be read: {reason}", range=place)]
    return SourceText(str(path), text), []
