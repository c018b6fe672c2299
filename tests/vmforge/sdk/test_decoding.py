"""From a body's values to a configuration: weak types, and every mistake where it stands."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmforge.diagnostics import Severity, SourcePosition, SourceRange
from vmforge.sdk.body import Block, Body, Setting
from vmforge.sdk.component import Component, Problem
from vmforge.sdk.decoding import Decoded, check, decode
from vmforge.sdk.interpolate import interpolator
from vmforge.sdk.options import Config, option
from vmforge.sdk.values import UNKNOWN, Duration, Secret, Size, Value


class Colour(StrEnum):
    RED = "red"
    GREEN = "green"


@dataclass(frozen=True, kw_only=True)
class Part(Config):
    width: int = option(help="how wide")
    label: str = option("", help="what it says")


@dataclass(frozen=True, kw_only=True)
class Everything(Config):
    text: str = option("", help="a text")
    flag: bool = option(False, help="a flag")
    count: int = option(1, help="a count")
    ratio: float = option(1.0, help="a ratio")
    size: Size = option(Size(0), help="a size", unit="m")
    wait: Duration = option(Duration(0), help="a wait", aliases=("pause",))
    secret: Secret = option(Secret(""), help="a secret")
    path: Path | None = option(None, help="a path")
    colour: Colour = option(Colour.RED, help="a colour")
    words: tuple[str, ...] = option((), help="words")
    lists: tuple[tuple[str, ...], ...] = option((), help="lists of words")
    table: Mapping[str, str] | None = option(None, help="a table")
    command: str = option("", help="rendered later", late=True)
    part: Part | None = option(None, help="a part")
    parts: tuple[Part, ...] = option((), help="parts")


@dataclass(frozen=True, kw_only=True)
class Needy(Config):
    must: str = option(help="what you want")


def at(line: int) -> SourceRange:
    return SourceRange(
        "x.pkr.hcl", SourcePosition(line, 1, line * 10), SourcePosition(line, 5, line * 10 + 4)
    )


def decoded(**values: Value) -> Decoded:
    return decode(Body.of(values), [Everything], interpolator())


def value_of(name: str, value: Value) -> Any:
    result = decoded(**{name: value})
    assert result.diagnostics == []
    return getattr(result.get(Everything), name)


def complaint(name: str, value: Value) -> str:
    result = decoded(**{name: value})
    assert Everything not in result.configs
    (diagnostic,) = result.diagnostics
    return diagnostic.summary


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("text", 4, "4"),
        ("text", True, "true"),
        ("text", Decimal("0.0000001"), "0.0000001"),
        ("text", Decimal("1E+3"), "1000"),
        ("text", Fraction(1, 4), "0.25"),
        ("text", "{{ upper `a` }}", "A"),
        ("flag", "true", True),
        ("flag", "F", False),
        ("flag", 1, True),
        ("flag", "", False),
        ("count", "4", 4),
        ("count", " 1e3 ", 1000),
        ("count", Decimal("2.0"), 2),
        ("count", Fraction(4, 2), 2),
        ("count", True, 1),
        ("count", "", 1),
        ("ratio", "{{ lower `` }}", 1.0),
        ("ratio", "0.5", 0.5),
        ("ratio", 3, 3.0),
        ("size", 512, Size(512 * 1024**2)),
        ("size", "4G", Size(4 * 1024**3)),
        ("wait", "1m", Duration(60)),
        ("secret", "abc", Secret("abc")),
        ("path", "a/b", Path("a/b")),
        ("path", "", None),
        ("path", "{{ lower `` }}", None),
        ("colour", "green", Colour.GREEN),
        ("colour", "", Colour.RED),
        ("wait", "", Duration(0)),
        ("wait", "{{ lower `` }}", Duration(0)),
        ("colour", "{{ lower `` }}", Colour.RED),
        ("words", "one", ("one",)),
        ("words", "one,{{ lower `TWO,THREE` }}", ("one", "two", "three")),
        ("words", "", ()),
        ("words", ["a", 1, True], ("a", "1", "true")),
        ("lists", [["-m", 4], ["-x"]], (("-m", "4"), ("-x",))),
        ("lists", ["-m"], (("-m",),)),
        ("table", {"a": 1, "b": "{{ lower `X` }}"}, {"a": "1", "b": "x"}),
        ("command", "{{ .Path }}", "{{ .Path }}"),
        ("part", {"width": "3"}, Part(width=3)),
        ("parts", [{"width": 1}, {"width": 2, "label": "b"}], (Part(width=1), Part(width=2, label="b"))),
        ("parts", {"width": 1}, (Part(width=1),)),
    ],
)
def test_weak_types(name: str, value: Value, expected: object) -> None:
    assert value_of(name, value) == expected


def test_late_options_have_the_values_of_variables() -> None:
    engine = interpolator(variables={"shell": "{{ .Vars }} sh", "plain": "{{ .Vars }}"})
    body = Body.of({"command": "{{ user `shell` }} {{ .Path }}", "text": "{{ user `plain` }}"})
    everything = decode(body, [Everything], engine).get(Everything)
    assert everything.command == "{{ .Vars }} sh {{ .Path }}"
    assert everything.text == "{{ .Vars }}"


@pytest.mark.parametrize("name", ["text", "count", "words", "path", "part", "table"])
def test_null_is_the_same_as_leaving_out(name: str) -> None:
    assert value_of(name, None) == getattr(Everything(), name)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("text", ["a"], "option `text`: expected a string, not a list"),
        ("text", {"a": "b"}, "option `text`: expected a string, not a map"),
        ("text", "{{ .Nope }}", "option `text`: unknown field `.Nope`"),
        ("flag", "yes", 'option `flag`: expected `true` or `false`, not "yes"'),
        ("flag", 2, "option `flag`: expected `true` or `false`, not 2"),
        ("count", "four", 'option `count`: expected a whole number, not "four"'),
        ("count", "1.5", 'option `count`: expected a whole number, not "1.5"'),
        ("count", "1/0", 'option `count`: expected a whole number, not "1/0"'),
        ("count", "1e999999999", 'option `count`: expected a whole number, not "1e999999999"'),
        ("ratio", "1e999", 'option `ratio`: expected a number, not "1e999"'),
        ("size", "big", "option `size`: `big` is not a size"),
        ("wait", "5", "option `wait`: `5` is not a duration"),
        ("colour", "gren", "option `colour`: `gren` is none of `red`, `green`; did you mean `green`?"),
        ("words", ["a", None], "option `words`: expected a string, not null"),
        ("words", {"a": "b"}, "option `words`: expected a string, not a map"),
        ("lists", [["a"], None], "option `lists`: expected a string, not null"),
        ("table", "a", 'option `table`: expected a map, not "a"'),
        ("table", {"a": None}, "option `table`: expected a string, not null"),
        ("part", "a", 'option `part`: expected a block, not "a"'),
        ("text", "x" * 50 + "{{", "option `text`: the action is not closed"),
    ],
)
def test_what_does_not_fit(name: str, value: Value, expected: str) -> None:
    assert complaint(name, value).startswith(expected)


def test_every_mistake_is_reported_with_its_place() -> None:
    body = Body(
        {
            "cuont": Setting("cuont", 1, at(2), at(3)),
            "count": Setting("count", "x", at(4), at(5)),
            "pause": Setting("pause", "1s", at(6), at(7)),
        },
        (Block("partts", (), Body(), at(8)),),
        at(1),
    )
    result = decode(body, [Everything, Needy], interpolator())
    found = {(d.severity, d.summary, str(d.range), d.hint) for d in result.diagnostics}
    assert found == {
        (Severity.ERROR, 'option `count`: expected a whole number, not "x"', "x.pkr.hcl:4:1", ""),
        (Severity.WARNING, "option `pause` is an old name of `wait`", "x.pkr.hcl:7:1", "write `wait`"),
        (Severity.ERROR, "missing option `must`", "x.pkr.hcl:1:1", "set `must`: what you want"),
        (Severity.ERROR, "unknown option `cuont`", "x.pkr.hcl:3:1", "did you mean `count`?"),
        (Severity.ERROR, "unknown block `partts`", "x.pkr.hcl:8:1", "did you mean `parts`?"),
    }
    assert result.configs == {}


def test_one_body_for_several_configurations() -> None:
    result = decode(Body.of({"must": "a", "text": "b"}), [Everything, Needy], interpolator())
    assert result.diagnostics == []
    assert (result.get(Everything).text, result.get(Needy).must) == ("b", "a")


def test_an_old_name_gives_its_value() -> None:
    assert decoded(pause="2s").get(Everything).wait == Duration(2)


def block(type: str, **values: Value) -> Block:
    return Block(type, (), Body.of(values, at(9)), at(8))


def of_blocks(*blocks: Block) -> Decoded:
    return decode(Body({}, blocks, at(1)), [Everything], interpolator())


def test_blocks() -> None:
    config = of_blocks(block("part", width=1), block("parts", width=2), block("parts", width=3)).get(
        Everything
    )
    assert config.part == Part(width=1)
    assert config.parts == (Part(width=2), Part(width=3))


@pytest.mark.parametrize(
    ("blocks", "expected"),
    [
        ([block("part")], "missing option `width`"),
        ([block("parts", width=1, lable="x")], "unknown option `lable`"),
        ([block("part", width=1), block("part", width=2)], "block `part` may stand only once"),
        ([block("count")], "`count` is an option, not a block; write `count = ...`"),
    ],
)
def test_wrong_blocks(blocks: list[Block], expected: str) -> None:
    assert [d.summary for d in of_blocks(*blocks).diagnostics] == [expected]


@pytest.mark.parametrize(
    ("name", "value", "stand_in"),
    [
        ("text", UNKNOWN, "<unknown>"),
        ("secret", UNKNOWN, Secret("<unknown>")),
        ("path", UNKNOWN, Path("<unknown>")),
        ("count", UNKNOWN, 1),
        ("colour", UNKNOWN, Colour.RED),
        ("words", UNKNOWN, ("<unknown>",)),
        ("words", ["a", UNKNOWN], ("a", "<unknown>")),
        ("table", UNKNOWN, {}),
        ("table", {"a": UNKNOWN}, {"a": "<unknown>"}),
    ],
)
def test_unknown_values_get_stand_ins(name: str, value: Value, stand_in: object) -> None:
    result = decoded(**{name: value})
    assert result.diagnostics == []
    assert getattr(result.get(Everything), name) == stand_in
    assert result.unknown == {name}


class Judged(Component[Everything]):
    config_type = Everything

    @classmethod
    def check(cls, config: Everything) -> Iterable[Problem]:
        yield Problem("the count is odd", option="count", hint="make it even")
        yield Problem("the whole is dull", warning=True)
        yield Problem("the text is unknown", option="text")


def test_the_components_judgement_is_placed_and_spares_unknown_values() -> None:
    body = Body({"count": Setting("count", 3, at(2), at(3)), "text": Setting("text", UNKNOWN)}, (), at(1))
    result = decode(body, [Everything], interpolator())
    found = check(Judged, result.get(Everything), body, result.unknown)
    assert [(d.severity, d.summary, str(d.range), d.hint) for d in found] == [
        (Severity.ERROR, "the count is odd", "x.pkr.hcl:2:1", "make it even"),
        (Severity.WARNING, "the whole is dull", "x.pkr.hcl:1:1", ""),
    ]


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.fractions() | st.decimals() | st.just(UNKNOWN),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from(list(Everything.__dataclass_fields__)), VALUES))
def test_any_values_decode_or_are_reported(values: dict[str, Any]) -> None:
    result = decoded(**values)
    errors = [d for d in result.diagnostics if d.severity is Severity.ERROR]
    assert bool(errors) != (Everything in result.configs)
