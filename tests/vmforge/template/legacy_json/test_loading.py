"""Legacy JSON templates as `Template`: what they declare, what they refer to, what is wrong with them."""

from __future__ import annotations

import io
import random
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vmforge.diagnostics import DiagnosticError, read_source_line, render
from vmforge.errors import UsageError, VmforgeError
from vmforge.sdk.values import UNKNOWN, Duration
from vmforge.template import RuntimeScope, Template, VariableInputs, load, parse_only
from vmforge.template.legacy_json.detection import is_legacy_json

Load = Callable[..., Template]

BUILDERS = '"builders": [{"type": "null"}, {"type": "null", "name": "two"}]'


def with_variables(variables: str) -> str:
    return f'{{"variables": {variables}, {BUILDERS}}}'


def summaries(caught: pytest.ExceptionInfo[DiagnosticError]) -> list[str]:
    return [d.summary for d in caught.value.diagnostics]


def test_user_variables_refer_to_each_other_in_any_order(load_json: Load) -> None:
    template = load_json(
        with_variables(
            '{"a": "{{user `b`}}!", "b": "{{ user `c` | upper }}", "c": "x{{env `N`}}", '
            '"n": 1.50, "big": 1e7}'
        ),
        environment={"N": "5"},
    )
    assert template.user_variables == {"a": "X5!", "b": "X5", "c": "x5", "n": "1.5", "big": "10000000"}


def test_a_long_chain_of_variables_is_resolved(load_json: Load) -> None:
    chain = ", ".join(f'"v{n}": "{{{{user `v{n + 1}`}}}}"' for n in range(2000))
    template = load_json(with_variables(f'{{{chain}, "v2000": "end"}}'))
    assert template.user_variables["v0"] == "end"


def test_what_a_value_renders_to_is_not_rendered_again(load_json: Load) -> None:
    template = load_json(
        with_variables('{"a": "{{env `A`}}", "b": "{{user `a`}}"}'), environment={"A": "{{ x }}"}
    )
    assert template.user_variables == {"a": "{{ x }}", "b": "{{ x }}"}


def test_fields_of_a_running_build_stay_in_defaults(load_json: Load) -> None:
    template = load_json(with_variables('{"command": "{{.Vars}} {{ .Path }} {{upper `x`}}"}'))
    assert template.user_variables["command"] == "{{.Vars}} {{.Path}} X"


def test_the_user_gives_variables(load_json: Load, tmp_path: Path) -> None:
    first, second = tmp_path / "first.json", tmp_path / "second.vars"
    first.write_text('{"a": "first", "b": 5, "c": true, "d": ["x", 1], "e": null, "extra": "kept"}')
    second.write_text('{"b": "second"}')
    template = load_json(
        with_variables('{"a": "", "b": "", "c": "", "d": "", "e": "default", "f": null}'),
        files=(first, second),
        assignments=("f=x=y", "a={{ user `b` }}", "undeclared=1"),
        environment={"PKR_VAR_e": "for HCL only"},
    )
    assert template.user_variables == {
        "a": "second",
        "b": "second",
        "c": "true",
        "d": "x,1",
        "e": "default",
        "f": "x=y",
        "extra": "kept",
        "undeclared": "1",
    }
    assert template.warnings == ()


def test_an_assignment_needs_an_equals_sign(load_json: Load) -> None:
    with pytest.raises(UsageError):
        load_json(with_variables("{}"), assignments=("a",))


def test_a_template_can_be_looked_at_without_its_variables(load_json: Load) -> None:
    text = with_variables('{"a": null, "b": "{{ user `a` }}", "c": "{{ nonsense"}')
    template = load_json(text, tolerant=True)
    assert template.variables["a"].value is UNKNOWN
    assert template.variables["a"].required
    assert [d.summary.split(":")[0] for d in template.errors] == ["variable `a` has no value", "variable `c`"]
    assert template.outline is not None
    assert template.outline.required_variables == ("a",)
    assert template.outline.defaults == {"b": "{{ user `a` }}", "c": "{{ nonsense"}
    with pytest.raises(DiagnosticError):
        load_json(text)


def test_sensitive_values_are_secrets(load_json: Load) -> None:
    text = '{"sensitive-variables": ["pw"], "variables": {"pw": "open sesame", "x": "{{user `pw` | nope}}"}, '
    template = load_json(text.replace(" | nope", "") + BUILDERS + "}")
    assert template.secrets == {"open sesame"}
    assert template.variables["pw"].sensitive
    with pytest.raises(DiagnosticError) as caught:
        load_json(text + BUILDERS + ', "provisioners": [{"type": "shell", "only": ["open sesame"]}]}')
    assert "there is no builder `<sensitive>`" in summaries(caught)


def test_builders_go_by_their_names(load_json: Load) -> None:
    template = load_json(
        '{"variables": {"v": "9"}, "builders": [{"type": "qemu", "Headless": true}, '
        '{"type": "qemu", "name": "deb-{{user `v`}}", "vm_name": "{{ build_name }}"}]}'
    )
    (build,) = template.builds
    assert [(s.label, s.name, s.reference, s.title) for s in build.sources] == [
        ("qemu", "qemu", "qemu", "qemu"),
        ("deb-9", "deb-9", "deb-9", "qemu.deb-9"),
    ]
    assert [setting.value for setting in build.sources[0].evaluate().body.settings.values()] == [True]
    assert list(build.sources[0].evaluate().body.settings) == ["headless"]
    # options stay as written: they are rendered when they are decoded
    assert build.sources[1].evaluate().body.settings["vm_name"].value == "{{ build_name }}"


def test_provisioners_and_their_overrides(load_json: Load) -> None:
    template = load_json(
        '{"variables": {"n": "3"}, ' + BUILDERS + ', "provisioners": [{"type": "shell", "inline": ["a"], '
        '"only": ["two"], "override": {"two": {"inline": "b"}}, "pause_before": "1m", "timeout": "5s", '
        '"max_retries": "{{user `n`}}"}, {"type": "file", "except": ["two"], "max_retries": 2}], '
        '"error-cleanup-provisioner": {"type": "shell-local"}}'
    )
    (build,) = template.builds
    shell, file = build.provisioners
    assert (shell.type, shell.only, shell.except_) == ("shell", ("two",), ())
    assert (shell.pause_before, shell.timeout, shell.max_retries) == (Duration(60), Duration(5), 3)
    assert (file.except_, file.max_retries, file.pause_before) == (("two",), 2, None)
    assert build.error_cleanup is not None
    assert build.error_cleanup.type == "shell-local"
    inline = {
        name: shell.evaluate(RuntimeScope(name, "null")).body.settings["inline"].value
        for name in ("null", "two")
    }
    assert inline == {"null": ["a"], "two": "b"}
    assert list(shell.evaluate(RuntimeScope("null", "null")).body.settings) == ["inline"]


def test_post_processors_are_chains(load_json: Load) -> None:
    template = load_json(
        "{" + BUILDERS + ', "post-processors": ["compress", {"type": "manifest", "name": "m", "output": "x", '
        '"keep_input_artifact": true, "only": ["two"]}, ["checksum", {"type": "manifest"}], []]}'
    )
    chains = template.builds[0].chains
    assert [[(p.type, p.name) for p in chain] for chain in chains] == [
        [("compress", "compress")],
        [("manifest", "m")],
        [("checksum", "checksum"), ("manifest", "manifest")],
    ]
    manifest = chains[1][0]
    assert (manifest.keep_input_artifact, manifest.only) == (True, ("two",))
    assert chains[0][0].keep_input_artifact is None
    assert list(manifest.evaluate(RuntimeScope("two", "null")).body.settings) == ["output"]


def test_the_rest_of_the_root(load_json: Load) -> None:
    template = load_json(
        '{"_comment": "c", "_2": "d", "description": "What it is", "min_packer_version": "1.2.0", '
        '"push": {"any": "thing"}, "provisioners": null, "Builders": [{"type": "null"}]}'
    )
    assert template.required_version == ">= 1.2.0"
    assert template.builds[0].description == "What it is"
    assert template.builds[0].sources[0].type == "null"


def test_a_variable_that_nothing_declares_is_empty(load_json: Load) -> None:
    text = '{"variables": {"name": ""}, "builders": [{"type": "null", "a": ["{{ user `nmae` }}"], '
    text += '"b": "{{ if eq `x` (user `other`) }}{{ `name` | user }}{{ end }} {{ user `nmae` }}"}]}'
    template = load_json(text)
    assert template.user_variables == {"name": "", "nmae": "", "other": ""}
    assert [(d.summary, d.hint) for d in template.warnings] == [
        ("there is no variable `nmae`; it is empty here", "did you mean `name`?"),
        ("there is no variable `other`; it is empty here", 'declare it: `"variables": {"other": "..."}`'),
    ]


@pytest.mark.parametrize(
    ("name", "config_type", "legacy"),
    [
        ("x.json", "", True),
        ("x", "", True),
        ("-", "", True),
        ("x.pkr.hcl", "", False),
        ("x.pkr.json", "", False),
        (".", "", False),
        ("x.json", "hcl2", False),
        ("x.pkr.hcl", "json", True),
    ],
)
def test_the_name_tells_the_language(name: str, config_type: str, legacy: bool) -> None:
    assert is_legacy_json(Path(name), config_type) is legacy


def test_there_are_two_languages() -> None:
    with pytest.raises(UsageError, match="neither"):
        is_legacy_json(Path("x"), "yaml")


def test_standard_input_is_json(monkeypatch: pytest.MonkeyPatch, started: Any) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b'{"builders": [{"type": "null"}]}')))
    template = load(Path("-"), VariableInputs(), started=started)
    assert template.root == Path()
    assert len(template.builds[0].sources) == 1


def test_a_file_that_is_absent_is_no_template(tmp_path: Path, started: Any) -> None:
    (tmp_path / "debian.json").write_text("{}")
    with pytest.raises(VmforgeError) as caught:
        load(tmp_path / "debain.json", VariableInputs(), started=started)
    assert "debian.json" in caught.value.hint


def test_syntax_alone(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text('{"variables": {"a": null}, "builders": [{"name": "a"}], "x": 1}')
    assert [d.summary for d in parse_only(path)] == [
        "unknown key `x` in a template",
        "this builder has no `type`",
    ]


SHAPES = """\
{
  "_comment": ["not", "a", "string"],
  "variabels": {},
  "description": 5,
  "min_packer_version": "99",
  "sensitive-variables": "password",
  "variables": {"a": true, "b": ["x"], "c": {}},
  "builders": [
    {"type": "null"},
    {"name": "no type"},
    {"type": 5},
    "null",
    {"type": "null"}
  ],
  "provisioners": {"type": "shell"},
  "post-processors": [5, ["compress", ["manifest"]], {"type": "manifest", "keep_input_artifact": "maybe"}],
  "error-cleanup-provisioner": "shell"
}
"""

REFERENCES = """\
{
  "sensitive-variables": ["pasword"],
  "variables": {
    "password": "open sesame",
    "needed": null,
    "one": "{{ user `two` }}",
    "two": "{{ user `three` }}",
    "three": "{{ user `one` }}",
    "typo": "{{ user `pasword` }}",
    "broken": "{{ user `password` ",
    "unknown": "{{ uper `x` }}",
    "early": "{{ build_name }} {{ build `ID` }}"
  },
  "builders": [
    {"type": "qemu", "name": "debian", "vm_name": "{{ user `nam` }}"},
    {"type": "qemu", "name": "{{ user `password }}"}
  ],
  "provisioners": [
    {
      "type": "shell",
      "only": ["debain"],
      "override": {"qemu": {}, "debian": []},
      "pause_before": "5 minutes",
      "max_retries": "many",
      "timeout": 5
    },
    {"type": "shell", "only": ["debian"], "except": ["debian", 5]}
  ]
}
"""


@pytest.mark.parametrize(("name", "text"), [("shapes", SHAPES), ("references", REFERENCES), ("empty", "{}")])
def test_findings(
    name: str, text: str, load_json: Load, golden: Callable[[str, str], None], tmp_path: Path
) -> None:
    with pytest.raises(DiagnosticError) as caught:
        load_json(text)
    shown = "\n\n".join(render(d, read_source_line) for d in caught.value.diagnostics) + "\n"
    golden(f"template/json_{name}.txt", shown.replace(f"{tmp_path}/", ""))


def test_secrets_come_from_servers(load_json: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    read = "vmforge.template.functions.secrets.read_consul"
    monkeypatch.setattr(read, lambda environment, key: f"value of {key}")
    template = load_json(with_variables('{"a": "x{{ consul_key `k` }}", "b": "{{ user `a` }}"}'))
    assert template.user_variables == {"a": "xvalue of k", "b": "xvalue of k"}
    assert template.secrets == {"value of k"}


def test_a_template_that_is_only_looked_at_asks_no_server(
    load_json: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(environment: object, path: str, key: str) -> str:
        raise AssertionError

    monkeypatch.setattr("vmforge.template.functions.secrets.read_vault", fail)
    text = with_variables('{"a": "{{ vault `path` `key` }}"}')
    assert load_json(text, tolerant=True).user_variables == {"a": "<unknown>"}
    with pytest.raises(DiagnosticError, match="needs 2 arguments, not 1"):
        load_json(with_variables('{"a": "{{ vault `path` }}"}'))


WHOLE = """\
{
  "variables": {"a": "{{env `HOME`}}", "b": "{{user `a`}}-{{timestamp}}", "n": 3},
  "sensitive-variables": ["a"],
  "builders": [{"type": "null", "name": "x", "list": ["{{user `b`}}", 1.5, null]}, {"type": "null"}],
  "provisioners": [{"type": "shell", "only": ["x"], "override": {"null": {"a": ["b"]}}, "timeout": "5m"}],
  "post-processors": ["manifest", [{"type": "compress", "keep_input_artifact": true}, "checksum"]]
}
"""
VALUES = [
    *(
        '"type"',
        '"name"',
        '"only"',
        '"null"',
        '"x"',
        '""',
        "null",
        "true",
        "5",
        "-1.5e3",
        '["x"]',
        '{"x": {}}',
        "[]",
    ),
    *(
        '"{{ user `a` }}"',
        '"{{ user"',
        '"{{ .A.B }}"',
        '"{{ user . }}{{ split `a` `b` 7 }}"',
        '"{{/*"',
        '"1s"',
    ),
    *('"builders"', '"_c"', '"variables"', '{"type": "null"}', '"{{ range $i, $x := `ab` }}{{ end }}"'),
]
NOISE = [*"{}[],:'\"", "\ud800", "é", "{{", "//", "0x1"]
TOKEN = re.compile(r'"[^"]*"|[\w.]+|\s+|.')


def mutated(text: str, generator: random.Random) -> str:
    """The text with some values exchanged, and sometimes with noise in it."""
    tokens = TOKEN.findall(text)
    for _ in range(generator.randint(1, 4)):
        at = generator.choice([n for n, token in enumerate(tokens) if token[0] in '"0123456789tn'])
        tokens[at] = generator.choice(VALUES)
    if generator.random() < 0.2:
        tokens.insert(generator.randrange(len(tokens)), generator.choice(NOISE))
    return "".join(tokens).encode("utf-8", "surrogatepass").decode("utf-8", "replace")


def test_no_mutated_template_is_a_traceback(load_json: Load) -> None:
    generator = random.Random(11)
    loaded = 0
    for _ in range(1000):
        text = mutated(generator.choice((WHOLE, WHOLE, SHAPES, REFERENCES)), generator)
        try:
            template = load_json(text, tolerant=True)
        except DiagnosticError as error:
            assert error.diagnostics
            continue
        loaded += 1
        for source in template.builds[0].sources:
            for provisioner in template.builds[0].provisioners:
                provisioner.evaluate(RuntimeScope(source.name, source.type))
    assert loaded > 100


TWO_OF_ONE_NAME = """{"builders": [
  {"type": "null", "name": "x"},
  {"type": "file", "name": "x"},
  {"type": "x"},
  {"type": "null", "name": "{{ user `v` }}"}
], "variables": {"v": "x"}}"""


def test_builders_of_one_name_keep_a_template_from_being_read(load_json: Callable[..., Template]) -> None:
    """As Packer, which compares names as they are written, type for want of a name; those that only
    come to the same are an error to whoever plans."""
    for tolerant, lines in [(True, [3, 4]), (False, [3, 4, 5])]:
        with pytest.raises(DiagnosticError) as raised:
            load_json(TWO_OF_ONE_NAME, tolerant=tolerant)
        found = [d for d in raised.value.diagnostics if "two builders with the name `x`" in d.summary]
        assert [d.range.start.line for d in found if d.range is not None][: len(lines)] == lines
    rendered = '{"builders": [{"type": "x"}, {"type": "{{ user `v` }}"}], "variables": {"v": "x"}}'
    assert load_json(rendered, tolerant=True).outline is not None
