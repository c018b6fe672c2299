"""JSON with places: the same values as `json.loads`, and messages that name place and remedy."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmforge.diagnostics import render
from vmforge.template.hcl.source import SourceText
from vmforge.template.json.parser import parse_json
from vmforge.template.json.syntax import JsonObject, plain

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.text(st.characters(exclude_categories=["Cs"]))
)
VALUES = st.recursive(
    SCALARS | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner),
    max_leaves=20,
)


def parsed(text: str) -> Any:
    tree, diagnostics = parse_json(SourceText("x.json", text))
    assert tree is not None, diagnostics
    assert diagnostics == []
    return plain(tree)


def as_go_reads(value: Any) -> Any:
    """Floats as exact decimal numbers, whole ones as integers."""
    if isinstance(value, float):
        number = Decimal(repr(value))
        return int(number) if number == number.to_integral_value() else number
    if isinstance(value, list):
        return [as_go_reads(item) for item in value]
    return {k: as_go_reads(v) for k, v in value.items()} if isinstance(value, dict) else value


@given(VALUES, st.booleans(), st.sampled_from([None, 0, 2]))
def test_values_are_those_of_python(value: Any, ascii_only: bool, indent: int | None) -> None:
    assert parsed(json.dumps(value, ensure_ascii=ascii_only, indent=indent)) == as_go_reads(value)


def refuse_constant(name: str) -> None:
    raise ValueError(name)


def python_accepts(text: str) -> bool:
    duplicates = []

    def pairs(items: list[tuple[str, Any]]) -> None:
        duplicates.append(len(items) != len(dict(items)))

    try:
        json.loads(text, parse_constant=refuse_constant, object_pairs_hook=pairs)
    except ValueError:
        return False
    return not any(duplicates)


PIECES = [
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    '"',
    "\\",
    "a",
    "0",
    "1",
    "-",
    ".",
    "e",
    "true",
    "null",
    " ",
    "\n",
    "\t",
    '"a":1',
]


@given(st.lists(st.sampled_from(PIECES), max_size=14).map("".join))
def test_accepts_what_python_accepts_but_for_duplicate_keys(text: str) -> None:
    tree, diagnostics = parse_json(SourceText("x.json", text))
    assert (tree is not None and not diagnostics) == python_accepts(text)


@given(VALUES, st.data())
def test_every_value_knows_its_text(value: Any, data: st.DataObject) -> None:
    text = json.dumps({"key": value}, indent=1)
    tree, _ = parse_json(SourceText("x.json", text))
    assert isinstance(tree, JsonObject)
    (member,) = tree.members
    assert text[member.name.start : member.name.end] == '"key"'
    assert as_go_reads(json.loads(text[member.value.start : member.value.end])) == as_go_reads(value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('"\\ud83d\\ude00"', "😀"),
        ('"\\ud83d"', "\ufffd"),
        ('"\\ud83d\\u0041"', "\ufffdA"),
        ('\ufeff{"a": 1}', {"a": 1}),
        ("1e3", 1000),
        ("1.50", Decimal("1.5")),
    ],
)
def test_values_that_go_and_python_read_differently(text: str, value: Any) -> None:
    assert parsed(text) == value


BROKEN = {
    "trailing comma in an object": '{\n  "a": 1,\n}',
    "trailing comma in a list": '{"a": [1, 2, ]}',
    "missing comma": '{\n  "a": "x"\n  "b": "y"\n}',
    "missing comma in a list": '["a" "b"]',
    "missing colon": '{"a" 1}',
    "single quotes": "{'a': 1}",
    "bare key": "{a: 1}",
    "comment": '{\n  // no\n  "a": 1\n}',
    "Python's constant": '{"a": True}',
    "word": '{"a": yes}',
    "open object": '{\n  "a": {\n    "b": 1\n',
    "open list": '["a"',
    "open string": '{"a": "x\n}',
    "backslash": '{"path": "C:\\dir"}',
    "short code": '"\\u12"',
    "tab": '"a\tb"',
    "number": '{"a": 01}',
    "number with a unit": '{"a": 10s}',
    "huge number": '{"a": 1e999}',
    "more than one value": '{} {"a": 1}',
    "nothing": "\n",
    "no UTF-8": '{"a": "\udcff"}',
    "too deep": "[" * 1000,
    "duplicate keys": '{\n  "a": 1,\n  "b": {"c": 1, "c": 2},\n  "a": 2\n}',
    "end of an object in a list": "[1}",
    "control character": "\x01",
}


def test_what_is_wrong(golden: Callable[[str, str], None]) -> None:
    shown = []
    for name, text in BROKEN.items():
        _, diagnostics = parse_json(SourceText("x.json", text))
        lines = text.encode("utf-8", "replace").decode().split("\n")
        found = [render(d, lambda _, number, lines=lines: lines[number - 1][:60]) for d in diagnostics]  # type: ignore[misc]
        assert found, name
        shown.append(f"=== {name}\n\n" + "\n\n".join(found) + "\n")
    golden("template/json_syntax.txt", "\n".join(shown))
