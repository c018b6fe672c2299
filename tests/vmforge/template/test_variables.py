"""Declared variables: where values come from, which wins, how texts are read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vmforge.diagnostics import DiagnosticError
from vmforge.errors import UsageError, VmforgeError
from vmforge.sdk.values import UNKNOWN
from vmforge.template import Template, VariableInputs, load

Load = Callable[..., Template]


def values(template: Template) -> dict[str, Any]:
    return {name: variable.value for name, variable in template.variables.items()}


def summaries(error: DiagnosticError) -> list[str]:
    return [d.summary for d in error.diagnostics]


DECLARED = """
variable "text" { default = "default" }
variable "number" {
  type    = number
  default = 1
}
variable "flag" {
  type    = bool
  default = false
}
variable "list" {
  type    = list(string)
  default = []
}
"""


def test_precedence_rises_from_default_to_command_line(load_text: Load, tmp_path: Path) -> None:
    first, second = tmp_path / "a.pkrvars.hcl", tmp_path / "b.pkrvars.json"
    first.write_text('text = "first file"\n')
    second.write_text('{"text": "second file"}')
    environment = {"PKR_VAR_text": "environment"}
    assert values(load_text(DECLARED))["text"] == "default"
    assert values(load_text(DECLARED, environment=environment))["text"] == "environment"
    assert values(load_text(DECLARED, environment=environment, files=(first,)))["text"] == "first file"
    assert values(load_text(DECLARED, files=(first, second)))["text"] == "second file"
    assert values(load_text(DECLARED, files=(second, first)))["text"] == "first file"
    given = load_text(DECLARED, files=(first,), assignments=("text=one", "text=two=2"))
    assert values(given)["text"] == "two=2"


def test_auto_files_are_read_in_a_folder_only(tmp_path: Path, started: Any) -> None:
    (tmp_path / "main.pkr.hcl").write_text(DECLARED)
    (tmp_path / "b.auto.pkrvars.hcl").write_text('text = "b"\n')
    (tmp_path / "a.auto.pkrvars.hcl").write_text('text = "a"\n')
    (tmp_path / "a.auto.pkrvars.json").write_text('{"text": "json", "//": "a comment"}')
    assert values(load(tmp_path, VariableInputs(), started=started))["text"] == "json"
    assert values(load(tmp_path / "main.pkr.hcl", VariableInputs(), started=started))["text"] == "default"


@pytest.mark.parametrize(
    ("assignment", "value"),
    [
        ("text=${not evaluated", "${not evaluated"),
        ("number=0x", None),
        ("number=8", 8),
        ("flag=true", True),
        ('flag="false"', False),
        ('list=["a", 1]', ("a", "1")),
        ("list=a,b", None),
    ],
)
def test_texts_are_literal_for_strings_and_expressions_for_the_rest(
    load_text: Load, assignment: str, value: Any
) -> None:
    if value is None:
        with pytest.raises(DiagnosticError):
            load_text(DECLARED, assignments=(assignment,))
        return
    name = assignment.partition("=")[0]
    assert values(load_text(DECLARED, assignments=(assignment,)))[name] == value


def test_types_convert_values(load_text: Load) -> None:
    template = load_text("""
variable "text" {
  type    = string
  default = 8192
}
variable "people" {
  type = list(object({
    name = string
    age  = optional(number, 18)
    mail = optional(string)
  }))
  default = [{ name = "a", age = "30", more = true }, { name = "b" }]
}
variable "set" {
  type    = set(string)
  default = ["b", "a", "b"]
}
variable "any" {
  type    = map(any)
  default = { a = 1, b = "x" }
}
variables {
  short = true
}
""")
    assert values(template) == {
        "text": "8192",
        "people": ({"name": "a", "age": 30, "mail": None}, {"name": "b", "age": 18, "mail": None}),
        "set": ("a", "b"),
        "any": {"a": "1", "b": "x"},
        "short": True,
    }


def test_default_may_read_the_environment(load_text: Load) -> None:
    template = load_text('variable "a" { default = env("HERE") }', environment={"HERE": "yes"})
    assert values(template) == {"a": "yes"}


def test_null_is_a_value_and_no_value_is_an_error(load_text: Load) -> None:
    assert values(load_text('variable "a" { default = null }')) == {"a": None}
    with pytest.raises(DiagnosticError) as caught:
        load_text('variable "a" {}\nvariable "b" {}\n')
    assert summaries(caught.value) == ["variable `a` has no value", "variable `b` has no value"]


def test_tolerant_load_keeps_missing_values_unknown(load_text: Load) -> None:
    template = load_text('variable "a" {}\nlocals {\n b = "${var.a}-x"\n c = local.nope\n}\n', tolerant=True)
    assert template.variables["a"].value is UNKNOWN
    assert template.variables["a"].required
    assert template.local_values["b"].value is UNKNOWN
    assert "c" not in template.local_values
    assert len(template.errors) == 2


def test_undeclared_names(load_text: Load, tmp_path: Path) -> None:
    path = tmp_path / "x.pkrvars.hcl"
    path.write_text('txt = "x"\n')
    assert load_text(DECLARED, files=(path,), environment={"PKR_VAR_txt": ""}).warnings == ()
    warned = load_text(DECLARED, files=(path,), warn_undeclared=True).warnings
    assert [(w.summary, w.hint) for w in warned] == [
        ("there is no variable `txt`; its value is ignored", "did you mean `text`?")
    ]
    with pytest.raises(DiagnosticError, match="there is no variable `txt`"):
        load_text(DECLARED, assignments=("txt=x",))


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.pkrvars.hcl", 'variable "x" {}\n', "cannot hold blocks"),
        ("a.pkrvars.hcl", "text = upper(1)\n", "no function can be called here"),
        ("a.pkrvars.json", '{"a": }', "expected the value of `a`"),
        ("a.pkrvars.json", "[]", "one JSON object"),
        ("a.txt", "", "no var file"),
    ],
)
def test_wrong_files(load_text: Load, tmp_path: Path, name: str, text: str, message: str) -> None:
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(DiagnosticError, match=message):
        load_text(DECLARED, files=(path,))
    with pytest.raises(DiagnosticError, match="cannot be read"):
        load_text(DECLARED, files=(tmp_path / "absent.pkrvars.hcl",))


def test_assignment_without_value_is_wrong_usage(load_text: Load) -> None:
    with pytest.raises(UsageError):
        load_text(DECLARED, assignments=("text",))


VALIDATED = """
variable "image" {
  default = "%s"
  validation {
    condition     = length(var.image) > 4 && can(regex("^img-", var.image))
    error_message = "The image must begin with img-."
  }
}
"""


def test_validation(load_text: Load) -> None:
    load_text(VALIDATED % "img-1")
    with pytest.raises(DiagnosticError) as caught:
        load_text(VALIDATED % "x")
    (finding,) = caught.value.diagnostics
    assert finding.detail == "The image must begin with img-."


def test_validation_looks_only_at_its_variable(load_text: Load) -> None:
    with pytest.raises(DiagnosticError, match=r"can refer only to `var\.image`"):
        load_text((VALIDATED % "img-1").replace("var.image)", "var.other)"))


def test_error_message_is_a_sentence(load_text: Load) -> None:
    with pytest.raises(DiagnosticError, match="must be a sentence"):
        load_text((VALIDATED % "img-1").replace("The image must begin with img-.", "wrong"))


def test_sensitive_values_are_secrets_and_what_is_made_of_them(load_text: Load) -> None:
    template = load_text("""
variable "password" {
  default   = "hunter2"
  sensitive = true
}
variable "public" {
  default = "shown"
}
local "token" {
  expression = { inner = ["tok-123"] }
  sensitive  = true
}
locals {
  encoded = base64encode("user:${var.password}")
  other   = base64encode(var.public)
}
""")
    assert template.secrets == {"hunter2", "tok-123", "dXNlcjpodW50ZXIy"}
    assert template.variables["password"].sensitive
    assert template.local_values["token"].sensitive


def test_declarations_of_all_files_of_a_folder_are_one_template(tmp_path: Path, started: Any) -> None:
    (tmp_path / "a.pkr.hcl").write_text('locals {\n x = "${local.y}${var.z}"\n}\n')
    (tmp_path / "b.pkr.hcl").write_text('locals {\n y = 1\n}\nvariable "z" { default = 2 }\n')
    template = load(tmp_path, VariableInputs(), started=started)
    assert template.local_values["x"].value == "12"
    (tmp_path / "c.pkr.hcl").write_text('variable "z" {}\n')
    with pytest.raises(DiagnosticError, match="declared twice"):
        load(tmp_path, VariableInputs(), started=started)


def test_paths_that_are_no_template(tmp_path: Path, started: Any) -> None:
    for path in (tmp_path, tmp_path / "absent.pkr.hcl"):
        with pytest.raises(VmforgeError):
            load(path, VariableInputs(), started=started)
