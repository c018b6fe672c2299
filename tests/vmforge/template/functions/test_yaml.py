"""YAML where the corpus of agreed results does not reach."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from vmforge.template.expressions.errors import EvaluationError
from vmforge.template.expressions.values import from_plain, to_plain
from vmforge.template.functions.yaml_text import decode_yaml, encode_yaml

Evaluate = Callable[..., Any]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("~", None),
        ("yes", True),
        ("Off", False),
        ("'yes'", "yes"),
        ('"12"', "12"),
        ("010", 10),
        ("0x1F", "0x1F"),
        ("1e3", 1000),
        ("-.5e1", -5),
        ("1_000", "1_000"),
        ("12:30:45", "12:30:45"),
        ("2020-01-01", "2020-01-01T00:00:00Z"),
        ("2020-1-2 3:4:5", "2020-01-02T03:04:05Z"),
        ("2020-01-02T03:04:05+02:00", "2020-01-02T03:04:05+02:00"),
        ("2020-13-01", "2020-13-01"),
        ("!!str 12", "12"),
        ('!!int "12"', 12),
        ('!!bool "yes"', True),
        ("!!binary aGk=", "aGk="),
        ("a: &x [1, b]\nc: *x\n", {"a": (1, "b"), "c": (1, "b")}),
        ("1: a\ntrue: b\n", {"1": "a", "true": "b"}),
        ("a: 1\na: 2\n", {"a": 2}),
        ("|\n  two\n  lines\n", "two\nlines\n"),
    ],
)
def test_decoding(text: str, value: Any) -> None:
    assert to_plain(decode_yaml(text)) == value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [1", "line"),
        ("a: &x [*x]", "no value that ends before"),
        ("a: *y", "no value that ends before"),
        ("--- 1\n--- 2\n", "more than one document"),
        ("{[1]: 2}", "a key must be a string"),
        ("~: 2", "a key must be a string"),
        (".nan", "is no number"),
        ("!!int x", "is no int"),
        ("!!set {a}", "no tag"),
        ("!mine x", "no tag"),
        ("!!binary '%'", "base64"),
        ("\tx: 1", "no YAML"),
    ],
)
def test_what_is_no_yaml_for_a_template_is_an_error(text: str, message: str, value_of: Evaluate) -> None:
    with pytest.raises(EvaluationError, match=message):
        value_of("yamldecode(var)", var=text)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "true\n...\n"),
        (None, "null\n...\n"),
        (3, "3\n...\n"),
        ([], "[]\n"),
        ({}, "{}\n"),
        ({"a": []}, '"a": []\n'),
        ([[1, 2], {"b": [3]}], '- - 1\n  - 2\n- "b":\n  - 3\n'),
        ({"a": {"b": {"c": "x"}}}, '"a":\n  "b":\n    "c": "x"\n'),
        ({"a": "one\n\ntwo\n"}, '"a": |\n  one\n\n  two\n'),
        ({"a": "one\ntwo"}, '"a": |-\n  one\n  two\n'),
        ({"a": " one\ntwo"}, '"a": " one\\ntwo"\n'),
        ('say "hi"\t', '"say \\"hi\\"\\t"\n'),
    ],
)
def test_encoding_in_the_style_of_packer(value: Any, text: str) -> None:
    assert encode_yaml(from_plain(value)) == text


@pytest.mark.parametrize(
    "value",
    [
        {
            "k: #": [
                "- x",
                "yes",
                "1",
                "",
                "~",
                " lead",
                "trail ",
                "a\n",
                "a\n\n",
                "\n",
                "a\n \nb",
                "é\u2028",
                "\x7f\x00",
            ]
        },
        [[[]], [{}], {"a": [{"b": None, "c": [True]}]}],
    ],
)
def test_what_is_written_reads_back(value: Any) -> None:
    assert to_plain(decode_yaml(encode_yaml(from_plain(value)))) == to_plain(from_plain(value))
