"""`vmforge docs function`, and the page that is made of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from vmforge.cli.app import run
from vmforge.cli.docs import function_tables

PAGE = Path(__file__).resolve().parents[3] / "docs" / "templates.md"


def test_the_language_reference_holds_the_functions_as_they_are_declared() -> None:
    table = "\n".join(function_tables()) + "\n"
    assert PAGE.read_text(encoding="utf-8").endswith(table), (
        "replace the tables at the end of docs/templates.md by what `vmforge docs function` prints"
    )


def test_one_function_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["docs", "function", "substr"]) == 0
    assert capsys.readouterr().out.startswith("substr(text, offset, length)\n    ")


@pytest.mark.parametrize(
    ("name", "hint"), [("joinn", "did you mean `join`?"), ("tolist", "write `convert(value, list(any))`")]
)
def test_an_unknown_function_is_wrong_usage(name: str, hint: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["docs", "function", name]) == 2
    assert hint in capsys.readouterr().err
