"""The provisioners that real templates use: vmforge has all but third parties', and names those' plugins."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from vmforge.diagnostics import Diagnostic
from vmforge.errors import VmforgeError
from vmforge.pipeline.plan import Planner
from vmforge.sdk.registry import Kind, Registry
from vmforge.template import Template, VariableInputs, load


def used_by(template: Template) -> Counter[str]:
    return Counter(block.type for build in template.builds for block in build.provisioners)


def complaints(template: Template, started: Any) -> list[Diagnostic]:
    """What planning says about provisioners that are not known."""
    planner = Planner(template, Registry(), started, strict=False)
    planner.plan()
    return [found for found in planner.diagnostics if "provisioner `" in found.summary]


def test_no_provisioner_of_real_templates_is_unknown(
    corpus: Path, corpus_templates: Path, started: Any
) -> None:
    rows = map(json.loads, (corpus / "packer-1.6.6-inspect.jsonl").read_text(encoding="utf-8").splitlines())
    used: Counter[str] = Counter()
    unnamed: dict[str, str] = {}
    for path in sorted({row["path"] for row in rows}):
        try:
            template = load(corpus_templates / path, VariableInputs(), started=started, tolerant=True)
        except VmforgeError:
            continue  # a folder of several templates, or one that wants values
        used += used_by(template)
        unknown = [name for name in used_by(template) if not Registry().has(Kind.PROVISIONER, name)]
        for name in unknown:
            if not any("plugin" in found.hint for found in complaints(template, started)):
                unnamed[name] = path
    print(f"{sum(used.values())} provisioners: {used.most_common()}")
    assert unnamed == {}
    assert {"shell", "file", "ansible", "powershell", "windows-update", "goss"} <= set(used)
    assert sum(used.values()) > 1500


@pytest.mark.parametrize(
    ("name", "source", "hint"),
    [
        ("testinfra", "", "`testinfra`"),
        ("converge", "", "`converge`"),
        ("gadget", "github.com/acme/gadget", "`github.com/acme/gadget`"),
        ("gadget-local", "github.com/acme/gadget", "`github.com/acme/gadget`"),
    ],
)
def test_third_partys_provisioner_names_its_plugin(
    name: str, source: str, hint: str, tmp_path: Path, started: Any
) -> None:
    plugins = (
        f'required_plugins {{\n gadget = {{ source = "{source}", version = ">= 1" }}\n}}' if source else ""
    )
    (tmp_path / "x.pkr.hcl").write_text(
        f'packer {{\n{plugins}\n}}\nsource "null" "x" {{\n communicator = "none"\n}}\n'
        f'build {{\n sources = ["null.x"]\n provisioner "{name}" {{}}\n}}\n'
    )
    template = load(tmp_path, VariableInputs(), started=started)
    (found,) = complaints(template, started)
    assert name in found.summary
    assert hint in found.hint and "plugin" in found.hint
