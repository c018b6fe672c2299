"""The layout of upgraded templates, and what happens to names, variables and blocks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vmforge.diagnostics import DiagnosticError
from vmforge.errors import UsageError
from vmforge.sdk.registry import Kind, Registry
from vmforge.template import RuntimeScope, VariableInputs, load
from vmforge.template.hcl.formatter import format_text
from vmforge.template.upgrade import PluginRequirement, Upgraded, upgrade

Run = Callable[..., Upgraded]
FULL = Path(__file__).parent / "full.json"
NULL = {"type": "null", "communicator": "none"}


def qemu(kind: Kind, name: str) -> PluginRequirement | None:
    return PluginRequirement("qemu", "github.com/hashicorp/qemu", "~> 1") if name == "qemu" else None


@pytest.mark.parametrize("annotate", [False, True])
def test_a_whole_template(annotate: bool, golden: Callable[[str, str], None]) -> None:
    upgraded = upgrade(FULL, Registry(), qemu, annotate=annotate)
    listed = "".join(f"{w.range and w.range.start.line}: {w.summary}\n" for w in upgraded.warnings)
    assert format_text(upgraded.text) == upgraded.text
    golden(f"upgrade/full{'_annotated' if annotate else ''}.pkr.hcl", upgraded.text)
    golden("upgrade/full_warnings.txt", listed)


def test_the_smallest_template(upgrade_json: Run) -> None:
    assert upgrade_json({"builders": [NULL]}).text == (
        'source "null" "null" {\n  communicator = "none"\n}\n\nbuild {\n  sources = ["source.null.null"]\n}\n'
    )


def loaded(upgraded: Upgraded, tmp_path: Path, started: Any, *assignments: str) -> Any:
    path = tmp_path / "t.pkr.hcl"
    path.write_text(upgraded.text, encoding="utf-8")
    return load(path, VariableInputs(assignments), started=started)


def test_a_computed_variable_can_still_be_set(upgrade_json: Run, tmp_path: Path, started: Any) -> None:
    template = {"variables": {"a": "1", "b": "{{user `a`}}-{{user `c`}}", "c": "{{user `a`}}"}}
    upgraded = upgrade_json({**template, "sensitive-variables": ["c"], "builders": [NULL]})
    values = loaded(upgraded, tmp_path, started).local_values
    assert {name: v.value for name, v in values.items()} == {"b": "1-1", "c": "1"}
    assert [name for name, v in values.items() if v.sensitive] == ["c"]
    given = loaded(upgraded, tmp_path, started, "c=2", "a=").local_values
    assert {name: v.value for name, v in given.items()} == {"b": "-2", "c": "2"}


def test_environment_beside_variables(upgrade_json: Run) -> None:
    variables = {"a": "", "b": "{{env `HOME`}}/{{user `a`}}", "env_HOME": "", "c": "{{env `A`}}-{{env `B`}}"}
    text = upgrade_json({"variables": variables, "builders": [NULL]}).text
    assert 'b = var.b == null ? "${var.env_HOME_2}/${var.a}" : var.b' in text
    assert 'variable "env_HOME_2" {\n  type    = string\n  default = env("HOME")\n}' in text
    assert 'default = "${env("A")}-${env("B")}"' in text


def test_a_variable_that_leads_to_itself_must_be_set(upgrade_json: Run) -> None:
    variables = {"a": "{{user `a`}}", "b": "{{user `c`}}", "c": "{{user `b`}}"}
    text = upgrade_json({"variables": variables, "builders": [NULL]}).text
    assert "local" not in text and "default" not in text and text.count("type = string") == 3


def test_undeclared_variables(upgrade_json: Run) -> None:
    """Empty in components as in JSON; where another variable needs them JSON has no value either."""
    builder = {"type": "null", "ssh_host": "{{user `host`}}{{user `a`}}"}
    text = upgrade_json({"variables": {"a": "{{user `b`}}"}, "builders": [builder]}).text
    assert 'variable "host" {\n  type    = string\n  default = ""\n}' in text
    assert 'variable "b" {\n  type = string\n}' in text


def test_a_variable_called_timestamp(upgrade_json: Run, tmp_path: Path, started: Any) -> None:
    upgraded = upgrade_json({"variables": {"timestamp": "{{timestamp}}"}, "builders": [NULL]})
    assert "timestamp = var.timestamp == null ? local.unix_timestamp : var.timestamp" in upgraded.text
    template = loaded(upgraded, tmp_path, started)
    assert template.local_values["timestamp"].value == str(int(started.timestamp()))


def test_names_that_hcl_cannot_have(upgrade_json: Run, tmp_path: Path, started: Any) -> None:
    upgraded = upgrade_json(
        {
            "variables": {"my.var": "1", "my_var": "2"},
            "builders": [{**NULL, "name": "my box-1.0", "ssh_host": "{{build_name}}{{user `my.var`}}"}, NULL],
            "provisioners": [
                {
                    "type": "shell-local",
                    "inline": ["{{build_name}}"],
                    "except": "null",
                    "override": {"my box-1.0": {"inline": ["b"]}},
                }
            ],
        }
    )
    assert [w.summary for w in upgraded.warnings] == [
        "builder `my box-1.0` is now source `null.my_box-1_0`: a label cannot be `my box-1.0`",
        "variable `my.var` is now `my_var_2`: names in HCL have letters, digits, `_` and `-`",
    ]
    template = loaded(upgraded, tmp_path, started)
    (build,) = template.builds
    by_name = {use.name: use for use in build.sources}
    assert [*by_name] == ["my box-1.0", "null"]
    assert by_name["my box-1.0"].evaluate().body.settings["ssh_host"].value == "my box-1.01"
    (provisioner,) = build.provisioners
    assert provisioner.except_ == ("null.null",)
    overridden = provisioner.evaluate(RuntimeScope("my box-1.0", "null")).body
    assert overridden.settings["inline"].value == ("b",)
    plain = provisioner.evaluate(RuntimeScope("null", "null")).body
    assert plain.settings["inline"].value == ("null",)


def test_a_computed_name_is_settled(upgrade_json: Run) -> None:
    builders = [{**NULL, "name": "{{user `os`}}-{{user `arch`}}", "ssh_host": "{{build_name}}"}]
    upgraded = upgrade_json({"variables": {"os": "debian", "arch": None}, "builders": builders})
    assert 'source "null" "debian-arch" {' in upgraded.text
    assert '"${var.os}-${var.arch}"' in upgraded.text
    assert "cannot be computed: this one is now `debian-arch`" in upgraded.warnings[0].summary


def test_blocks_of_unknown_components(upgrade_json: Run) -> None:
    """Packer's rule: lists of objects, and objects that hold more than plain values."""
    builder = {
        "type": "unheard-of",
        "disks": [{"size": 1}, {"size": 2}],
        "tags": {"a b": "1", "if": "2"},
        "filter": {"filters": {"name": "x"}, "most_recent": True},
        "matrix": [["a"], []],
        "no_identifiers": [{"a b": 1}],
        "nothing": None,
        "half": 0.5,
    }
    upgraded = upgrade_json({"builders": [builder]})
    body = upgraded.text.partition("{\n")[2].partition("\n}\n")[0]
    assert body == (
        '  tags = {\n    "a b" = "1"\n    "if"  = "2"\n  }\n'
        '  matrix = [["a"], []]\n'
        '  no_identifiers = [\n    {\n      "a b" = 1\n    },\n  ]\n'
        "  nothing = null\n  half    = 0.5\n\n"
        "  disks {\n    size = 1\n  }\n\n  disks {\n    size = 2\n  }\n\n"
        '  filter {\n    filters = {\n      name = "x"\n    }\n    most_recent = true\n  }'
    )
    assert [w.summary for w in upgraded.warnings] == [
        "vmforge has no builder `unheard-of`: which of its options are blocks is a guess"
    ]


def test_nothing_is_guessed_where_no_option_can_be_a_block(upgrade_json: Run) -> None:
    builder = {"type": "unheard-of", "_why": "a comment", "size": 1, "rows": [["a"], []]}
    shell = {"type": "unheard-of", "override": {"unheard-of": {"size": 2}}}
    assert upgrade_json({"builders": [builder], "provisioners": [shell]}).warnings == ()


@pytest.mark.parametrize(
    ("text", "summary"),
    [
        ('{"builders": [}', "expected"),
        ('{"builders": [{"name": "x"}]}', "this builder has no `type`"),
        ('{"builders": [{"type": "null"}], "builder": []}', "unknown key `builder` in a template"),
    ],
)
def test_what_packer_could_not_read(text: str, summary: str, upgrade_json: Run) -> None:
    with pytest.raises(DiagnosticError) as caught:
        upgrade_json(text)
    assert summary in caught.value.diagnostics[0].summary


def test_standard_input() -> None:
    with pytest.raises(UsageError, match="from a file"):
        upgrade(Path("-"), Registry())
