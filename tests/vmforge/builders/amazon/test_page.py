"""The examples of docs/amazon.md, as they stand there."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from vmforge.pipeline.data_sources import check_data_sources
from vmforge.pipeline.plan import Planner
from vmforge.sdk.registry import Registry
from vmforge.template import VariableInputs, load

PAGE = Path(__file__).resolve().parents[4] / "docs" / "amazon.md"
STARTED = datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)
EXAMPLES = re.findall(r"```hcl\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)

NULL = 'source "null" "x" { communicator = "none" }'
_AROUND: dict[str, Callable[[str], str]] = {
    "source": lambda text: f'{text}\nbuild {{ sources = ["amazon-ebs.web"] }}',
    "data": lambda text: f'{NULL}\n{text}\nbuild {{ sources = ["null.x"] }}',
    "post-processor": lambda text: f'{NULL}\nbuild {{\nsources = ["null.x"]\n{text}\n}}',
}


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_is_right(example: str, tmp_path: Path) -> None:
    path = tmp_path / "main.pkr.hcl"
    path.write_text(_AROUND[example.split()[0]](example), encoding="utf-8")
    template = load(path, VariableInputs(), started=STARTED)
    planner = Planner(template, Registry(), STARTED)
    planner.plan()
    found = [*planner.diagnostics, *check_data_sources(template, Registry(), STARTED)]
    assert [finding.summary for finding in found] == []


def test_there_are_examples() -> None:
    assert {example.split()[0] for example in EXAMPLES} == set(_AROUND)
