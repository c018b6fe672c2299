"""Builds of a legacy JSON template, planned and run: names, selection, and what is rendered when."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from vmforge.cli.inspect_legacy import show_outline
from vmforge.cli.terminal import Terminal
from vmforge.pipeline.plan import Planner
from vmforge.pipeline.selection import Selection
from vmforge.sdk.registry import Registry
from vmforge.template import Template

Load = Callable[..., Template]

TEMPLATE = """\
{
  "description": "Two machines",
  "sensitive-variables": ["password"],
  "variables": {"greeting": "hello", "password": "open sesame", "needed": null, "empty": ""},
  "builders": [
    {"type": "null", "communicator": "none"},
    {"type": "null", "name": "second [a]", "communicator": "none"}
  ],
  "provisioners": [
    {"type": "shell-local", "inline": ["echo {{ user `greeting` }} {{ build_name }} {{ build `ID` }}"]},
    {
      "type": "shell-local",
      "only": ["null"],
      "command": "true",
      "execute_command": ["/bin/sh", "-c", "echo {{ user `greeting` }} late; {{ .Command }}"],
      "override": {"null": {"command": "echo overridden"}}
    }
  ],
  "post-processors": [["manifest"]]
}
"""


def planner(template: Template, started: datetime, *only: str, except_: tuple[str, ...] = ()) -> Planner:
    return Planner(template, Registry(), started, Selection(only, except_))


def test_builds_are_selected_by_exact_names(load_json: Load, started: datetime) -> None:
    template = load_json(TEMPLATE, assignments=("needed=x",))

    def chosen(*only: str, except_: tuple[str, ...] = ()) -> list[str]:
        return [build.full_name for build in planner(template, started, *only, except_=except_).plan().builds]

    assert chosen() == ["null", "null.second [a]"]
    assert chosen("second [a]") == ["null.second [a]"]
    assert chosen("null.second [a]") == []
    assert chosen("*") == []
    assert chosen(except_=("null",)) == ["null.second [a]"]


def test_provisioners_belong_to_builders_by_name(load_json: Load, started: datetime) -> None:
    template = load_json(TEMPLATE, assignments=("needed=x",))
    planned = planner(template, started)
    builds = planned.plan().builds
    assert planned.diagnostics == []
    assert [len(build.provisioners) for build in builds] == [2, 1]


def test_variables_are_known_when_strings_are_rendered(load_json: Load, started: datetime) -> None:
    template = load_json(TEMPLATE, assignments=("needed=x", "greeting=hi"))
    _, second = planner(template, started).plan().builds
    assert second.interpolator.render("{{ user `greeting` }} {{ build_name }}") == "hi second [a]"


def test_inspect(load_json: Load, golden: Callable[[str, str], None]) -> None:
    template = load_json(TEMPLATE, tolerant=True)
    assert template.outline is not None
    out = io.StringIO()
    show_outline(Terminal(out, io.StringIO()), template.outline, {"password"})
    golden("inspect/legacy.txt", out.getvalue())


def test_inspect_for_programs(load_json: Load) -> None:
    template = load_json(TEMPLATE, tolerant=True)
    assert template.outline is not None
    out = io.StringIO()
    show_outline(Terminal(out, io.StringIO(), machine_readable=True), template.outline, {"password"})
    assert [line.partition(",")[2] for line in out.getvalue().splitlines()] == [
        ",template-variable,needed,,1",
        ",template-variable,empty,,0",
        ",template-variable,greeting,hello,0",
        ",template-variable,password,<sensitive>,0",
        ",template-builder,null,null",
        ",template-builder,second [a],null",
        ",template-provisioner,shell-local",
        ",template-provisioner,shell-local",
    ]


def run(folder: Path, *arguments: str, text: str = TEMPLATE) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "vmforge", *arguments]
    return subprocess.run(
        command, cwd=folder, input=text, capture_output=True, text=True, timeout=60, check=False
    )


def test_a_build_from_standard_input(tmp_path: Path) -> None:
    done = run(tmp_path, "build", "-var", "needed=x", "-var", "greeting=salut", "-only=null", "-")
    assert done.returncode == 0, done.stderr
    for line in ("salut null ", "salut late", "overridden"):
        assert f"    null: {line}" in done.stdout
    assert (tmp_path / "packer-manifest.json").is_file()


def test_a_variable_holds_what_only_the_run_knows(tmp_path: Path) -> None:
    text = """\
{
  "variables": {"shell": "{{ .Vars }} /bin/sh", "file": "{{ .Script }}"},
  "builders": [{"type": "null", "communicator": "none"}],
  "provisioners": [{
    "type": "shell-local",
    "execute_command": ["/bin/sh", "-c", "{{ user `shell` }} {{ user `file` }}"],
    "environment_vars": ["GREETING=hello"],
    "inline": ["echo it says $GREETING"]
  }]
}
"""
    done = run(tmp_path, "build", "-", text=text)
    assert done.returncode == 0, done.stderr
    assert "    null: it says hello" in done.stdout


def test_a_field_that_a_variable_misspells_is_found_before_the_build(
    load_json: Load, started: datetime
) -> None:
    provisioner = '{"type": "shell-local", "inline": ["true"], "execute_command": ["{{ user `shell` }}"]}'
    template = load_json(
        '{"variables": {"shell": "{{ .Var }} sh {{ .Script }}"}, "builders": [{"type": "null",'
        f' "communicator": "none"}}], "provisioners": [{provisioner}]}}'
    )
    planned = planner(template, started)
    planned.plan()
    (finding,) = planned.diagnostics
    assert "unknown field `.Var`" in finding.summary and "did you mean `.Vars`" in finding.summary


def test_the_flag_forces_the_language(tmp_path: Path) -> None:
    (tmp_path / "odd.pkr.hcl").write_text(TEMPLATE)
    (tmp_path / "template").write_text('variable "x" {\n}\n')
    assert run(tmp_path, "validate", "-config-type=json", "-var", "needed=x", "odd.pkr.hcl").returncode == 0
    assert "var.x" in run(tmp_path, "inspect", "-config-type=hcl2", "template").stdout
    refused = run(tmp_path, "validate", "-syntax-only", "template")
    assert refused.returncode == 1
    assert "-config-type=hcl2" in refused.stderr
