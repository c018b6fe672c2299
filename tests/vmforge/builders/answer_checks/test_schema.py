"""The schemas, and that they are read as JSON Schema is; another implementation is asked."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import vmforge.builders.answer_checks as package
from vmforge.builders.answer_checks.documents import Document, Finding, read_json, read_yaml
from vmforge.builders.answer_checks.schema import load_schema, measure

SCHEMAS = sorted(path.stem for path in (Path(package.__file__).parent / "schemas").glob("*.json"))

# The words that schema.py knows, beside those that only people read.
WORDS = {
    *("type", "properties", "required", "additionalProperties", "items", "enum", "const", "pattern"),
    *("minimum", "maximum", "minItems", "anyOf", "$ref", "$defs", "$schema", "$comment", "x-hint"),
}

SMALL = {
    "type": "object",
    "required": ["a"],
    "additionalProperties": False,
    "properties": {
        "a": {"enum": [1, "x", True, None]},
        "b": {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/word"}},
        "c": {
            "anyOf": [
                {"type": "string", "pattern": "^[0-9]+$"},
                {"type": "integer", "minimum": 2, "maximum": 5},
            ]
        },
        "d": {"type": ["number", "null"]},
        "e": {"type": "object", "additionalProperties": {"type": "boolean"}},
        "f": {"const": 1},
    },
    "$defs": {"word": {"type": "string", "pattern": "^\\w+$"}},
}

SCALARS = st.none() | st.booleans() | st.integers(0, 6) | st.sampled_from(["", "x", "12", "two words", 1.5])
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abcdefg"), inner, max_size=5)
    ),
    max_leaves=12,
)


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_schema_is_one_and_uses_known_words(name: str) -> None:
    schema = load_schema(name)
    jsonschema.Draft202012Validator.check_schema(dict(schema))

    def walk(node: object) -> None:
        if not isinstance(node, dict):
            return
        assert set(node) <= WORDS, set(node) - WORDS
        for key in ("items", "additionalProperties"):
            walk(node.get(key))
        for key in ("properties", "$defs"):
            for inner in node.get(key, {}).values():
                walk(inner)
        for inner in node.get("anyOf", ()):
            walk(inner)

    walk(schema)


@given(VALUES)
@settings(max_examples=300, deadline=None)
def test_what_is_right_is_what_json_schema_says(value: object) -> None:
    ours = list(measure(Document(value, {(): 1}), SMALL))
    theirs = list(jsonschema.Draft202012Validator(SMALL).iter_errors(value))
    assert bool(ours) == bool(theirs), (ours, theirs)


def test_every_part_knows_its_line() -> None:
    document = read_yaml("a:\n  - b: 1\n    c:\n      - 2\n      - 3\nd: {e: 4}\n")
    assert isinstance(document, Document)
    assert [document.line(path) for path in (("a",), ("a", 0, "c"), ("a", 0, "c", 1), ("d", "e"))] == [
        1,
        3,
        5,
        6,
    ]
    assert document.line(("a", 0, "missing")) == 2


def test_json_with_tabs_knows_its_lines_too() -> None:
    document = read_json('{\n\t"a": {\n\t\t"b": [1,\n\t\t\t2]\n\t}\n}\n')
    assert isinstance(document, Document)
    assert document.value == {"a": {"b": [1, 2]}}
    assert document.line(("a", "b", 1)) == 4


def test_the_choice_that_was_meant_is_the_one_that_is_told() -> None:
    schema = {"anyOf": [{"type": "null"}, {"type": "object", "required": ["x"]}]}
    document = read_json(json.dumps({"y": 1}))
    assert isinstance(document, Document)
    assert [one.message for one in measure(document, schema)] == ["the file lacks `x`"]


def test_a_text_that_is_no_yaml_says_where() -> None:
    found = read_yaml("a: 1\nb: [1, 2\nc: 3\n")
    assert isinstance(found, Finding)
    assert (found.line, found.warning) == (3, False)


def test_a_list_that_holds_itself_ends() -> None:
    document = read_yaml("a: &x [1, *x]\n")
    assert isinstance(document, Document)
    assert document.line(("a", 1)) == 1
