"""All fixers over one template, and the check of what comes out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from vmforge.diagnostics import Diagnostic, raise_errors
from vmforge.errors import VmforgeError
from vmforge.template.fixes.fixer import Change, apply
from vmforge.template.fixes.registry import FIXERS
from vmforge.template.fixes.tree import Object, from_node, to_text
from vmforge.template.hcl.source import SourceText
from vmforge.template.json import parse_json
from vmforge.template.json.syntax import JsonObject
from vmforge.template.legacy_json.detection import is_legacy_json
from vmforge.template.legacy_json.document import read_document
from vmforge.template.legacy_json.loader import check_outline


@dataclass(frozen=True, slots=True)
class FixedTemplate:
    """A template's new text, and what was changed for it."""

    text: str
    changes: tuple[Change, ...]

    def check(self) -> list[Diagnostic]:
        """What is wrong with the text as a template: its shape, not the options of components."""
        root, findings = parse_json(SourceText("<fixed template>", self.text, in_file=False))
        assert isinstance(root, JsonObject)
        return [*findings, *check_outline(root)]


def fix_template(path: Path) -> FixedTemplate:
    """The legacy JSON template of a file, or of standard input for `-`, as it is written today.

    Raises `DiagnosticError` for broken JSON, and `VmforgeError` for a path that is no such template.
    """
    if not is_legacy_json(path):
        hint = "only legacy JSON templates have options that are fixed; `vmforge validate` checks HCL2"
        raise VmforgeError(f"`{path}` is a template in HCL2", hint=hint)
    root, findings = read_document(path)
    raise_errors(findings)
    document = from_node(root) if root is not None else None
    assert isinstance(document, dict)
    fixed, changes = fix_document(document)
    return FixedTemplate(to_text(fixed), tuple(changes))


def fix_document(document: Object) -> tuple[Object, list[Change]]:
    """A document after every fixer, and what each of them changed."""
    found: list[Change] = []
    for fixer in FIXERS:
        document, changes = apply(fixer, document)
        found += changes
    return document, found
