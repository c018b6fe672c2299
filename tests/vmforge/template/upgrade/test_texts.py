"""Strings with `{{ }}`: how they are written in HCL, and that they say the same there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vmforge.sdk.interpolate import BUILD_VALUES, interpolator
from vmforge.template import RuntimeScope, VariableInputs, load
from vmforge.template.upgrade import Upgraded

Run = Callable[..., Upgraded]
VARIABLES = {"x": "A b.c", "y": "a-b-c", "e": "", "q": 'say "hi" `$1` \\'}
BUILD = {name: f"<{name}>" for name in BUILD_VALUES}

TRANSLATED = {
    "{{user `x`}}": "var.x",
    'a {{ user "x" }}': '"a ${var.x}"',
    "{{ `x` | user }}": "var.x",
    "${{user `x`}}%{": '"${"$"}${var.x}%%{"',
    "{{timestamp}}": "local.timestamp",
    "{{isotime}}": "legacy_isotime()",
    '{{isotime "2006-01-02"}}': 'legacy_isotime("2006-01-02")',
    '{{strftime "%Y"}}': 'legacy_strftime("%Y")',
    "{{template_dir}}/x": '"${abspath(path.root)}/x"',
    "{{pwd}}": "path.cwd",
    "{{packer_version}}": "packer.version",
    "{{build `ID`}}": "build.ID",
    "{{user `x` | upper | lower}}": "lower(upper(var.x))",
    "{{split (user `y`) `-` 1}}": 'split("-", var.y)[1]',
    "{{user `y` | replace_all `-` `_`}}": 'replace(var.y, "-", "_")',
    "{{user `y` | replace `-` `$` 1}}": 'regex_replace(var.y, "(?s)^(.*?)-", "$${1}$$")',
    "{{user `x` | replace `.` `_` -1}}": 'replace(var.x, ".", "_")',
    "{{printf `%s-%s` (user `x`) (user `y`)}}": 'format("%s-%s", var.x, var.y)',
    "{{user `x` | urlquery}}": "urlencode(var.x)",
    "{{if user `e`}}yes{{else}}{{user `x`}}{{end}}": '"%{if var.e != ""}yes%{else}${var.x}%{endif}"',
    "{{if eq (user `x`) `a`}}1{{else if not (user `e`)}}2{{end}}": None,
    "{{if and (user `x`) (or (user `e`) (user `y`))}}1{{end}}": None,
    "a {{- user `x` -}} b": '"a${var.x}b"',
    # the engine's, as before
    "{{ .Path }} {{ .Vars }}": '"{{ .Path }} {{ .Vars }}"',
    "{{build_name}}-{{ build_type }}": '"{{build_name}}-{{ build_type }}"',
    "{{ `{{` }}": '"{{ `{{` }}"',
    "x {{- .Path -}} {{user `x`}}": '"x{{ .Path }}${var.x}"',
    "{{ .Path | upper }}": '"{{ .Path | upper }}"',
    # the engine's, with values of variables put in
    "{{user `x` | clean_resource_name}}": '"{{ ${jsonencode(var.x)} | clean_resource_name }}"',
    "{{user `y` | replace `-` `_` 2}}": '"{{ ${jsonencode(var.y)} | replace `-` `_` 2 }}"',
    "{{printf `%q %s` (user `q`) .Path}}": '"{{ printf `%q %s` (${jsonencode(var.q)}) .Path }}"',
    "{{if .Path}}{{user `x`}}{{end}}": '"{{ if .Path }}{{ ${jsonencode(var.x)} }}{{ end }}"',
    "{{$v := user `q`}}{{$v}}": '"{{ $v := ${jsonencode(var.q)} }}{{$v}}"',
    "{{with user `x`}}{{.}}{{else}}none{{end}}": None,
    "{{len (user `x`)}}": None,
}


def template(text: str) -> dict[str, Any]:
    return {
        "variables": VARIABLES,
        "builders": [{"type": "null", "communicator": "none"}],
        "provisioners": [{"type": "shell", "execute_command": text, "inline": ["true"]}],
    }


@pytest.mark.parametrize("text", TRANSLATED)
def test_a_text(text: str, upgrade_json: Run, tmp_path: Path, started: Any) -> None:
    upgraded = upgrade_json(template(text))
    assert [w.summary for w in upgraded.warnings] == []
    written = TRANSLATED[text]
    assert written is None or f"execute_command = {written}\n" in upgraded.text
    (tmp_path / "t.pkr.hcl").write_text(upgraded.text, encoding="utf-8")
    said = [said_by(tmp_path / name, started) for name in ("t.json", "t.pkr.hcl")]
    assert said[0] == said[1]


def said_by(path: Path, started: Any) -> str:
    loaded = load(path, VariableInputs(), started=started)
    (build,) = loaded.builds
    evaluated = build.provisioners[0].evaluate(RuntimeScope("null", "null", BUILD))
    assert evaluated.diagnostics == []
    engine = interpolator(
        started=started,
        template_dir=loaded.root,
        build_name="null",
        build_type="null",
        variables=loaded.user_variables,
        build=BUILD,
    ).with_fields({"Path": "/tmp/x", "Vars": "A=1"})
    return engine.render(str(evaluated.body.settings["execute_command"].value))


@pytest.mark.parametrize(
    ("text", "summary"),
    [
        ("{{user (user `x`)}}", "`user` in this `{{ }}` has no counterpart; it is left as it is"),
        ("{{env `HOME`}}", "`env` in this `{{ }}` has no counterpart; it is left as it is"),
        ("{{nothing}}", "this text is left as it is: unknown function `nothing`"),
    ],
)
def test_what_cannot_be_said_is_reported(text: str, summary: str, upgrade_json: Run) -> None:
    (warning,) = upgrade_json(template(text)).warnings
    assert warning.summary.startswith(summary) and warning.range is not None
