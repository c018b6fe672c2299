"""Data sources: read in the order of their dependencies, and only when they are asked for."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from vmforge.diagnostics import DiagnosticError
from vmforge.pipeline.data_sources import check_data_sources, read_data_sources
from vmforge.pipeline.plan import Planner
from vmforge.sdk.registry import Registry
from vmforge.template import DataValues, Template, VariableInputs
from vmforge.template import load as load_template

STARTED = datetime(2024, 5, 6, tzinfo=UTC)
Loading = Callable[[DataValues], Template]


@pytest.fixture
def loading(tmp_path: Path) -> Callable[[str], Loading]:
    def of(text: str) -> Loading:
        path = tmp_path / "main.pkr.hcl"
        path.write_text(text, encoding="utf-8")
        return lambda values: load_template(path, VariableInputs(), started=STARTED, data_values=values)

    return of


def messages(raised: pytest.ExceptionInfo[DiagnosticError]) -> list[str]:
    assert all(finding.range is not None for finding in raised.value.diagnostics)
    return [finding.summary for finding in raised.value.diagnostics]


def test_values_come_in_the_order_of_dependencies(loading: Callable[[str], Loading]) -> None:
    load = loading(
        """
        data "null" "c" { input = "${data.null.b.output}c" }
        data "null" "b" { input = "${local.first}b" }
        data "null" "a" { input = "a" }
        locals {
          first = data.null.a.output
          last  = data.null.c.output
        }
        """
    )
    assert read_data_sources(load, Registry(), STARTED).local_values["last"].value == "abc"


def test_blocks_that_dynamic_makes_are_read_too(loading: Callable[[str], Loading]) -> None:
    load = loading(
        """
        dynamic "data" {
          for_each = ["x", "y"]
          labels   = ["null", data.value]
          content { input = "is ${data.value}" }
        }
        locals { y = data.null.y.output }
        """
    )
    assert read_data_sources(load, Registry(), STARTED).local_values["y"].value == "is y"


def test_a_circle_is_an_error_with_its_members(loading: Callable[[str], Loading]) -> None:
    load = loading(
        'data "null" "a" { input = data.null.b.output }\ndata "null" "b" { input = data.null.a.output }\n'
    )
    with pytest.raises(DiagnosticError) as raised:
        read_data_sources(load, Registry(), STARTED)
    assert len(messages(raised)) == 2
    assert "what it depends on is never known" in messages(raised)[0]
    assert "`null.b`" in raised.value.diagnostics[0].detail


def test_what_cannot_be_read_is_an_error_at_its_block(loading: Callable[[str], Loading]) -> None:
    load = loading('data "http" "gone" { url = "http://127.0.0.1:1/x" }\n')
    with pytest.raises(DiagnosticError) as raised:
        read_data_sources(load, Registry(), STARTED)
    assert messages(raised)[0].startswith("data source `http.gone`: cannot read")


def test_a_failure_shows_no_secret(loading: Callable[[str], Loading]) -> None:
    load = loading(
        """
        variable "token" {
          default   = "s3cret"
          sensitive = true
        }
        data "http" "a" { url = "http://127.0.0.1:1/${var.token}" }
        data "http" "b" { url = "http://127.0.0.1:1/${base64encode(var.token)}" }
        """
    )
    with pytest.raises(DiagnosticError) as raised:
        read_data_sources(load, Registry(), STARTED)
    assert all("http://127.0.0.1:1/<sensitive>`" in message for message in messages(raised))
    assert len(messages(raised)) == 2


def test_a_wrong_declaration_is_an_error(loading: Callable[[str], Loading]) -> None:
    load = loading('data "null" "a" { inputt = "x" }\ndata "http" "b" { url = "ftp://x" }\n')
    with pytest.raises(DiagnosticError) as raised:
        read_data_sources(load, Registry(), STARTED)
    assert "missing option `input`" in messages(raised)
    found = [d.summary for d in check_data_sources(load({}), Registry(), STARTED)]
    assert "`ftp://x` is no web address" in found


MISSING = """
data "git-commit" "a" { path = "." }
data "git-commit" "b" { path = "." }
source "file" "x" {
  target  = "x"
  content = %s
}
build {
  sources = ["file.x"]
  provisioner "shell-local" { inline = [%s] }
}
"""


def planned(load: Loading, *, strict: bool) -> list[str]:
    template = read_data_sources(load, Registry(), STARTED)
    planner = Planner(template, Registry(), STARTED, strict=strict)
    planner.plan()
    return [f"{d.severity}: {d.summary}" for d in (*template.warnings, *planner.diagnostics)]


def test_a_type_that_is_not_installed_is_a_warning_while_nothing_needs_it(
    loading: Callable[[str], Loading],
) -> None:
    load = loading(MISSING % ('"x"', '"true"'))
    assert planned(load, strict=True) == [
        "warning: there is no data source `git-commit`: its value stays unknown"
    ]


@pytest.mark.parametrize(
    ("content", "inline", "option"),
    [("data.git-commit.a.id", '"true"', "content"), ('"x"', "data.git-commit.a.id", "inline")],
)
def test_a_build_that_needs_its_value_fails(
    content: str, inline: str, option: str, loading: Callable[[str], Loading]
) -> None:
    load = loading(MISSING % (content, inline))
    assert f"error: the value of `{option}` is not known before the build runs" in planned(load, strict=True)
    assert not any("error" in line for line in planned(load, strict=False))


def test_values_of_the_running_build_are_no_fault(loading: Callable[[str], Loading]) -> None:
    load = loading(MISSING % ('"x"', '"${build.ID}"'))
    assert not any("error" in line for line in planned(load, strict=True))


def test_dynamic_blocks_may_depend_on_data_sources(loading: Callable[[str], Loading]) -> None:
    """Also on those that another makes, whatever the order; while it is not known what they make, what
    they might make is unknown, and no mistake."""
    load = loading(
        """
        locals {
          names = data.null.list.output
          all   = "${data.null.second-y.output} ${data.null.first-y.output}"
        }
        dynamic "data" {
          for_each = [data.null.first-x.output, data.null.first-y.output]
          labels   = ["null", "second-${data.value}"]
          content { input = "again ${data.value}" }
        }
        dynamic "data" {
          for_each = split(",", local.names)
          labels   = ["null", "first-${data.value}"]
          content { input = data.value }
        }
        dynamic "data" {
          for_each = ["none", "some"]
          labels   = ["null", made.value == "none" ? "none" : "some${length([data.null.first-x])}"]
          iterator = made
          content { input = made.value }
        }
        data "null" "list" { input = data.null.ends.output }
        data "null" "ends" { input = "x,y" }
        """
    )
    assert read_data_sources(load, Registry(), STARTED).local_values["all"].value == "again y y"


def test_what_nothing_makes_is_a_mistake(loading: Callable[[str], Loading]) -> None:
    load = loading(
        """
        data "null" "list" { input = "x" }
        dynamic "data" {
          for_each = [data.null.list.output]
          labels   = ["null", data.value]
          content { input = data.null.gone.output }
        }
        dynamic "data" {
          for_each = data.null.lost
          labels   = ["null", data.value]
          content { input = "a" }
        }
        """
    )
    with pytest.raises(DiagnosticError) as raised:
        read_data_sources(load, Registry(), STARTED)
    assert any("`lost`" in message for message in messages(raised))
