"""Evaluation where the corpus of agreed results does not reach: unknown values, templates, types."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from vmforge.sdk.values import UNKNOWN
from vmforge.template.expressions.conversion import ConversionError, convert
from vmforge.template.expressions.errors import EvaluationError
from vmforge.template.expressions.types import (
    ANY,
    BOOL,
    NUMBER,
    STRING,
    ObjectType,
    TupleType,
    Type,
    list_of,
    map_of,
    set_of,
    unify,
)
from vmforge.template.expressions.values import from_plain, to_plain

Evaluate = Callable[..., Any]


@pytest.mark.parametrize(
    "text",
    [
        "x",
        "x.a.b",
        'x["a"]',
        "x[*].a",
        "[1, 2][x]",
        '"a${x}"',
        "x + 1",
        "!x",
        "x == 1",
        "x ? 1 : 2",
        "[for a in x : a]",
        "{for a in x : a => a}",
        "[for a in [1] : a if x]",
        "upper(x)",
        'join(",", [x])',
        "max(x...)",
        "{(x) = 1}",
        '"%{ for a in x }${a}%{ endfor }"',
        "true && x",
    ],
)
def test_unknown_values_travel(value_of: Evaluate, text: str) -> None:
    assert value_of(text, x=UNKNOWN) is UNKNOWN


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("[x, 1]", (UNKNOWN, 1)),
        ("{ a = x }.a", UNKNOWN),
        ("{ a = x, b = 2 }.b", 2),
        ("length([x, x])", 2),
        ("false && x", False),
        ("true || x", True),
        ("true ? 1 : x", 1),
        ("keys({ a = x })", ("a",)),
        ("can(x)", True),
        ("concat([x], [1])", (UNKNOWN, 1)),
        ("merge({ a = x }, { b = 1 }).b", 1),
    ],
)
def test_what_does_not_depend_on_unknown_values_is_known(value_of: Evaluate, text: str, value: Any) -> None:
    assert to_plain(value_of(text, x=UNKNOWN)) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1/3", "0." + "3" * 154 + "5"),
        ("0.1 + 0.2", "0.3"),
        ("2 / 3 * 3", "2"),
        ("123456789012345678901234567890 * 10", "1234567890123456789012345678900"),
        ("1e-7", "0.0000001"),
        ("-7.5 % 2", "-1.5"),
        ("7 % 0", "7"),
    ],
)
def test_numbers_have_512_bits(value_of: Evaluate, text: str, value: str) -> None:
    assert value_of(f'"${{{text}}}x"') == f"{value}x"


def test_quotes_around_one_value_keep_its_type(value_of: Evaluate) -> None:
    assert value_of('"${x}"', x=[1]) == (1,)
    assert value_of('"${x}"', x=True) is True
    assert value_of('"${x} "', x=True) == "true "


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("<<-E\n    a\n      b\n\n    c\n  E\n", "a\n  b\n\nc\n"),
        (
            "<<-E\n  users:\n  %{ for u in x ~}\n  - ${u}\n  %{ endfor ~}\n  end\n  E\n",
            "users:\n  - 1\n  - 2\n  end\n",
        ),
        ("<<E\n%{ for u in x }${u}%{ endfor }\nE\n", "12\n"),
        ("<<E\na\n%{~ if true }\nb%{ endif }\nE\n", "a\nb\n"),
        ("<<E\r\na\r\nE\r\n", "a\r\n"),
        ('"${~ 1 ~}  x"', "1x"),
        ('"%{ if false }a%{ else }${x[0]}%{ endif }"', "1"),
        ('"\\u00e9\\U0001F600$${a}%%{b}$x%"', "é😀${a}%{b}$x%"),
    ],
)
def test_templates(value_of: Evaluate, template: str, text: str) -> None:
    assert value_of(template, x=[1, 2]) == text


def test_list_and_tuple_differ_as_in_packer(value_of: Evaluate) -> None:
    assert value_of('convert(["a"], list(string)) == ["a"]') is False
    assert value_of('convert(["a"], list(string)) == convert(["a"], list(any))') is True


def test_sets_have_no_index(value_of: Evaluate) -> None:
    assert to_plain(value_of('[for x in convert(["b", "a", "b"], set(string)) : x]')) == ("a", "b")
    with pytest.raises(EvaluationError):
        value_of('convert(["a"], set(string))[0]')


def test_errors_stand_at_the_innermost_expression(value_of: Evaluate) -> None:
    with pytest.raises(EvaluationError) as caught:
        value_of("[1, upper(x.b), 3]", x={"a": 1})
    place = caught.value.diagnostic.range
    assert place is not None and (place.start.column, place.end.column) == (11, 14)


OBJECT = ObjectType({"a": STRING, "b": NUMBER}, {"b": 5})


@pytest.mark.parametrize(
    ("value", "to", "result"),
    [
        ("5", NUMBER, 5),
        (5, STRING, "5"),
        ("1", BOOL, True),
        (["1", 2], list_of(NUMBER), (1, 2)),
        ([2, "1", 2], set_of(NUMBER), (1, 2)),
        ({"a": 1}, map_of(STRING), {"a": "1"}),
        ({"a": 1, "c": 2}, OBJECT, {"a": "1", "b": 5}),
        (["a", None], list_of(ANY), ("a", None)),
        ([1], TupleType((STRING,)), ("1",)),
        (None, NUMBER, None),
        (UNKNOWN, NUMBER, UNKNOWN),
    ],
)
def test_conversion(value: Any, to: Type, result: Any) -> None:
    assert to_plain(convert(from_plain(value), to)) == result


@pytest.mark.parametrize(
    ("value", "to", "message"),
    [
        ("x", NUMBER, "expected a number"),
        (True, NUMBER, "expected a number"),
        ("yes", BOOL, "neither"),
        (["a", {}], list_of(STRING), r"`\[1\]`: expected a string"),
        ([1, {}], list_of(ANY), "one type"),
        ({}, OBJECT, "`a` is missing"),
        ({"a": []}, OBJECT, "`a`: expected a string"),
        ([1, 2], TupleType((STRING,)), "1 elements"),
        ("x", list_of(STRING), "expected a list of string"),
    ],
)
def test_conversion_errors(value: Any, to: Type, message: str) -> None:
    with pytest.raises(ConversionError, match=message):
        convert(from_plain(value), to)


@pytest.mark.parametrize(
    ("types", "common"),
    [
        ([STRING, NUMBER], STRING),
        ([NUMBER, BOOL], None),
        ([NUMBER, ANY], NUMBER),
        ([list_of(STRING), TupleType(())], list_of(STRING)),
        ([TupleType((NUMBER,)), TupleType((STRING, STRING))], list_of(STRING)),
        ([TupleType((NUMBER, STRING)), TupleType((NUMBER, STRING))], TupleType((NUMBER, STRING))),
        ([ObjectType({"a": NUMBER}), ObjectType({"b": STRING})], map_of(STRING)),
        ([map_of(NUMBER), ObjectType({"b": STRING})], map_of(STRING)),
        ([ObjectType({"a": NUMBER}), TupleType(())], None),
    ],
)
def test_common_type(types: list[Type], common: Type | None) -> None:
    assert unify(types) == common
