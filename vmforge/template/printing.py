"""Values as Packer's `inspect` and `console` print them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from fractions import Fraction

from vmforge.sdk.values import Unknown, Value

_ESCAPES = {
    '"': '\\"',
    "\\": "\\\\",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\a": "\\a",
    "\b": "\\b",
    "\f": "\\f",
    "\v": "\\v",
}
_UNKNOWN = "<unknown>"
_WHOLE = range(-(2**63), 2**63)


def format_value(value: Value) -> str:
    """A value as text: a string bare, but quoted inside lists and maps. `inspect` puts the whole
    through `quote` again. What is not known throughout is `<unknown>`."""
    return _UNKNOWN if _holds_unknown(value) else _formatted(value, nested=False)


def quote(text: str) -> str:
    """A string as Go's `%q` writes it."""
    return '"' + "".join(_ESCAPES.get(c) or (c if c.isprintable() else _escaped(c)) for c in text) + '"'


def _escaped(character: str) -> str:
    code = ord(character)
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _holds_unknown(value: Value) -> bool:
    if isinstance(value, Unknown):
        return True
    if isinstance(value, Mapping):
        return any(_holds_unknown(item) for item in value.values())
    return isinstance(value, Sequence) and not isinstance(value, str) and any(map(_holds_unknown, value))


def _formatted(value: Value, *, nested: bool) -> str:
    if value is None:
        return "null"
    if isinstance(value, str):
        return quote(value) if nested else value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, Decimal, Fraction)):
        return _number(value)
    if isinstance(value, Mapping):
        # Packer leaves out entries that are null
        shown = {quote(name): item for name, item in sorted(value.items()) if item is not None}
        return _lines("{", [f"{name} = {_formatted(item, nested=True)}" for name, item in shown.items()], "}")
    assert not isinstance(value, Unknown)
    return _lines("[", [f"{_formatted(item, nested=True)}," for item in value], "]")


def _lines(opening: str, items: list[str], closing: str) -> str:
    if not items:
        return opening + closing
    inside = "\n".join(items).replace("\n", "\n  ")
    return f"{opening}\n  {inside}\n{closing}"


def _number(value: int | Decimal | Fraction) -> str:
    """As Go prints it: whole numbers of 64 bits in full, others as a float (`%v`)."""
    if value == int(value) and int(value) in _WHOLE:
        return str(int(value))
    try:
        text = repr(float(value))
    except OverflowError:
        return "+Inf" if value > 0 else "-Inf"
    number = Decimal(text)
    exponent = number.adjusted()
    if number == 0 or -4 <= exponent < 6:
        return text.removesuffix(".0")
    sign, digits, _ = number.normalize().as_tuple()
    whole, *rest = map(str, digits)
    mantissa = "".join([whole, "." if rest else "", *rest])
    return f"{'-' if sign else ''}{mantissa}e{exponent:+03d}"
