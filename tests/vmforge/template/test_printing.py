"""Values as Packer's `inspect` prints them (compared with Packer 1.6.6)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from vmforge.sdk.values import UNKNOWN
from vmforge.template import format_value, quote


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a\nb", "a\nb"),
        (None, "null"),
        (True, "true"),
        (10000000, "10000000"),
        (Decimal("1.5"), "1.5"),
        (Decimal("0.00001"), "1e-05"),
        (9223372036854775807, "9223372036854775807"),
        (9223372036854775808, "9.223372036854776e+18"),
        (-(10**20), "-1e+20"),
        (10**400, "+Inf"),
        (Decimal("1234567.5"), "1.2345675e+06"),
        (Decimal("123456.75"), "123456.75"),
        (Decimal("0.0001234"), "0.0001234"),
        ((), "[]"),
        ({}, "{}"),
        (("a\n", 1, None), '[\n  "a\\n",\n  1,\n  null,\n]'),
        ({"b": {"c": True}, "a": None}, '{\n  "b" = {\n    "c" = true\n  }\n}'),
        (("x", UNKNOWN), "<unknown>"),
    ],
)
def test_values(value: Any, text: str) -> None:
    assert format_value(value) == text


def test_quote() -> None:
    assert quote('a"b\\é\n\t\x01\u200b') == '"a\\"b\\\\é\\n\\t\\x01\\u200b"'
