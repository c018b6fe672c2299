"""Real templates: all that Packer's `inspect` says of them, vmforge says too."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

from vmforge.cli.inspect_legacy import show_outline
from vmforge.cli.terminal import Terminal
from vmforge.errors import VmforgeError
from vmforge.template import RuntimeScope, Template, VariableInputs, load


def shown(template: Template) -> list[str]:
    assert template.outline is not None
    out = io.StringIO()
    sensitive = {v.name for v in template.variables.values() if v.sensitive}
    show_outline(Terminal(out, io.StringIO()), template.outline, sensitive)
    return lines(out.getvalue())


def lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.splitlines() if line.strip()]


def evaluate_everything(template: Template) -> None:
    for build in template.builds:
        for source in build.sources:
            source.evaluate()
            runtime = RuntimeScope(source.name, source.type)
            for block in (*build.provisioners, *(p for chain in build.chains for p in chain)):
                block.evaluate(runtime)


def test_real_templates_are_inspected_as_packer_does(
    corpus: Path, corpus_templates: Path, started: Any
) -> None:
    different, compared = [], 0
    for text in (corpus / "packer-1.6.6-inspect.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(text)
        if row["kind"] != "json" or row["rc"] != 0:
            continue
        template = load(corpus_templates / row["path"], VariableInputs(), started=started, tolerant=True)
        evaluate_everything(template)
        compared += 1
        if sorted(shown(template)) != sorted(lines(row["output"])):  # Packer has no order among variables
            different.append(row["path"])
    assert different == []
    assert compared > 150


def test_a_broken_real_template_is_never_a_traceback(corpus_templates: Path, started: Any) -> None:
    paths = [p for p in corpus_templates.rglob("*.json") if p.is_file()]
    read = 0
    for path in paths:
        try:
            evaluate_everything(load(path, VariableInputs(), started=started, config_type="json"))
        except VmforgeError as error:
            assert error.message
        read += 1
    assert read > 150
