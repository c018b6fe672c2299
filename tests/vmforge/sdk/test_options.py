"""What a configuration's declaration says about its options."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest

from vmforge.sdk.options import Config, describe_type, option, options_of, secrets_of
from vmforge.sdk.values import Duration, Secret, Size


class Colour(StrEnum):
    RED = "red"
    GREEN = "green"


@dataclass(frozen=True, kw_only=True)
class Inner(Config):
    token: Secret = option(Secret(""), help="a token")


@dataclass(frozen=True, kw_only=True)
class Base(Config):
    first: str = option(help="the first", aliases=("erst",))


@dataclass(frozen=True, kw_only=True)
class Outer(Base):
    password: Secret = option(Secret(""), help="a password", affects_image=False)
    tokens: tuple[Secret, ...] = option((), help="tokens")
    headers: Mapping[str, Secret] | None = option(None, help="headers")
    inner: Inner | None = option(None, help="a block")
    inners: tuple[Inner, ...] = option((), help="blocks", default_text="none at all")
    plain: int = 3


def test_options_are_those_declared_in_order_with_the_inherited_ones() -> None:
    table = options_of(Outer)
    assert list(table) == ["first", "password", "tokens", "headers", "inner", "inners"]
    assert [name for name, declared in table.items() if declared.required] == ["first"]
    assert table["first"].info.aliases == ("erst",)
    assert not table["password"].info.affects_image
    assert table["inners"].info.default_text == "none at all"


@pytest.mark.parametrize(
    ("type", "expected"),
    [
        (str, "string"),
        (bool, "bool"),
        (int, "number"),
        (float, "number"),
        (Size, "size"),
        (Duration, "duration"),
        (Secret, "secret string"),
        (Path | None, "path"),
        (Colour, "one of `red`, `green`"),
        (Inner, "block"),
        (tuple[str, ...], "list of string"),
        (tuple[tuple[int, ...], ...], "list of list of number"),
        (Mapping[str, str] | None, "map of string"),
        (str | int, "string or number"),
    ],
)
def test_types_in_the_languages_terms(type: Any, expected: str) -> None:
    assert describe_type(type) == expected


def test_type_text() -> None:
    assert options_of(Outer)["inners"].type_text == "list of block"


def test_secrets_are_found_wherever_they_are() -> None:
    config = Outer(
        first="public",
        password=Secret("p1"),
        tokens=(Secret("t1"), Secret("t2")),
        headers={"X": Secret("h1")},
        inner=Inner(token=Secret("i1")),
        inners=(Inner(), Inner(token=Secret("i2"))),
    )
    assert list(secrets_of(config)) == ["p1", "t1", "t2", "h1", "i1", "i2"]
    assert "p1" not in repr(config)


def test_configurations_are_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Inner().token = Secret("x")  # type: ignore[misc]  # that it cannot be set is the test
