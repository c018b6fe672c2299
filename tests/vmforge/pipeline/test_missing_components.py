"""What is not installed: a warning each to look at a template, an error to build with it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from vmforge.diagnostics import Diagnostic
from vmforge.pipeline.plan import Planner
from vmforge.pipeline.selection import Selection
from vmforge.sdk.registry import Registry
from vmforge.template import VariableInputs, load

STARTED = datetime(2024, 5, 6, tzinfo=UTC)
TEMPLATE = """
packer {
  required_plugins {
    parallels = { version = ">= 1", source = "github.com/hashicorp/parallels" }
    brewer = { version = ">= 1", source = "example.com/me/brewer" }
  }
}
source "parallels-iso" "cloud" {}
source "parallels-iso" "second" { region = local.missing }
source "null" "here" { communicator = "none" }
locals { missing = "x" }
build {
  sources = ["parallels-iso.cloud", "parallels-iso.second", "null.here"]
  provisioner "brewer-tea" {
    only = ["parallels-iso.cloud"]
  }
  provisioner "brewer-tea" {
    only = ["parallels-iso.cloud"]
  }
  provisioner "shell-local" {
    inlin = ["typo"]
    only  = ["parallels-iso.second"]
  }
  post-processor "brewer-mug" {
    only = ["parallels-iso.cloud"]
  }
}
"""


@pytest.fixture
def findings(tmp_path: Path) -> Callable[..., list[Diagnostic]]:
    def of(*only: str, strict: bool) -> list[Diagnostic]:
        path = tmp_path / "main.pkr.hcl"
        path.write_text(TEMPLATE, encoding="utf-8")
        template = load(path, VariableInputs(), started=STARTED)
        planner = Planner(template, Registry(), STARTED, Selection(only), strict=strict)
        planner.plan()
        return planner.diagnostics

    return of


def test_to_validate_each_is_one_warning(findings: Callable[..., list[Diagnostic]]) -> None:
    found = findings("parallels-iso.cloud", "null.here", strict=False)
    assert [f"{d.severity}: {d.summary}" for d in found] == [
        "warning: there is no builder `parallels-iso`",
        "warning: there is no provisioner `brewer-tea`",
        "warning: there is no post-processor `brewer-mug`",
    ]
    assert all(d.range is not None for d in found)


def test_to_build_each_is_an_error_that_says_where_packer_has_it_from(
    findings: Callable[..., list[Diagnostic]],
) -> None:
    found = findings("parallels-iso.cloud", strict=True)
    assert {d.severity.value for d in found} == {"error"}
    assert [d.hint for d in found] == [
        "it comes with Packer's plugin `github.com/hashicorp/parallels`, which vmforge has nothing for yet",
        "it comes with Packer's plugin `example.com/me/brewer`, which vmforge has nothing for yet",
        "it comes with Packer's plugin `example.com/me/brewer`, which vmforge has nothing for yet",
    ]


def test_a_build_that_needs_none_of_them_is_planned(findings: Callable[..., list[Diagnostic]]) -> None:
    assert findings("null.here", strict=True) == []


def test_what_runs_on_a_missing_builder_is_checked_all_the_same(
    findings: Callable[..., list[Diagnostic]],
) -> None:
    summaries = [d.summary for d in findings("parallels-iso.second", strict=False)]
    assert "unknown option `inlin`" in summaries
