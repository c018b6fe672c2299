"""Go's `fmt.Sprintf` (https://pkg.go.dev/fmt), for the values that templates have.

A verb that does not fit its argument is an error here, where Go prints `%!d(string=x)`.
"""

from __future__ import annotations

import json
import re

from vmforge.sdk.gotemplate.values import inner_text, type_name

_VERB = re.compile(
    r"%(?P<flags>[-+# 0]*)(?P<width>\d+|\*)?(?:\.(?P<precision>\d+|\*)?)?(?P<verb>.?)", re.DOTALL
)
_WIDEST = 1_000_000  # Go's own limit


def printf(format: str, *arguments: object) -> str:
    """The arguments written as the format says. Raises ValueError when they do not fit."""
    formatter = _Formatter(arguments)
    text = _VERB.sub(formatter.verb, format)
    if formatter.used < len(arguments):
        raise ValueError(f"the format uses {formatter.used} of {len(arguments)} arguments")
    return text


class _Formatter:
    def __init__(self, arguments: tuple[object, ...]) -> None:
        self._arguments = arguments
        self.used = 0

    def verb(self, match: re.Match[str]) -> str:
        """What one `%...` of the format becomes."""
        verb = match["verb"]
        if verb == "%":
            return "%"
        width = self._number(match["width"])
        has_precision = "." in match[0][:-1]
        precision = (self._number(match["precision"]) or 0) if has_precision else None
        flags = match["flags"]
        if width is not None and width < 0:
            flags, width = flags + "-", -width
        if max(width or 0, precision or 0) > _WIDEST:
            raise ValueError(f"`{match[0]}` is too wide")
        if verb not in _WRITERS:
            raise ValueError(f"`{match[0]}` is none of the verbs %{' %'.join(_WRITERS)}")
        return _pad(_WRITERS[verb](self._argument(match[0]), verb, flags, precision), flags, width or 0, verb)

    def _number(self, text: str | None) -> int | None:
        if text is None:
            return None
        if text != "*":
            return min(int(text[:9]), _WIDEST + 1)
        value = self._argument("*")
        if not isinstance(value, int):
            raise ValueError(f"`*` takes its width from a whole number, not {type_name(value)}")
        return value

    def _argument(self, verb: str) -> object:
        if self.used >= len(self._arguments):
            raise ValueError(f"no argument for `{verb}`")
        self.used += 1
        return self._arguments[self.used - 1]


def _pad(text: str, flags: str, width: int, verb: str) -> str:
    if "-" in flags:
        return text.ljust(width)
    if "0" not in flags or verb in "svqtT":
        return text.rjust(width)
    sign = text[:1] if text[:1] in ("+", "-", " ") else ""
    return sign + text[len(sign) :].rjust(width - len(sign), "0")


def _signed(text: str, flags: str) -> str:
    if text.startswith("-"):
        return text
    return ("+" if "+" in flags else " " if " " in flags else "") + text


def _plain(value: object, verb: str, flags: str, precision: int | None) -> str:
    text = inner_text(value)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        if verb == "s":
            raise ValueError(f"`%s` needs a string, not {type_name(value)}; `%v` takes everything")
        return _signed(text, flags)
    return text if precision is None or not isinstance(value, str) else text[:precision]


def _quoted(value: object, verb: str, flags: str, precision: int | None) -> str:
    if not isinstance(value, str):
        raise ValueError(f"`%q` needs a string, not {type_name(value)}")
    return json.dumps(value[:precision], ensure_ascii="+" in flags)


def _truth(value: object, verb: str, flags: str, precision: int | None) -> str:
    if not isinstance(value, bool):
        raise ValueError(f"`%t` needs `true` or `false`, not {type_name(value)}")
    return inner_text(value)


_DIGITS = {"d": "d", "b": "b", "o": "o", "x": "x", "X": "X"}


def _whole(value: object, verb: str, flags: str, precision: int | None) -> str:
    if isinstance(value, str) and verb in "xX":
        digits = value.encode().hex()
        return digits.upper() if verb == "X" else digits
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError(f"`%{verb}` needs a whole number, not {type_name(value)}")
    digits = format(abs(value), _DIGITS[verb]).rjust(precision or 0, "0")
    prefix = {"x": "0x", "X": "0X", "o": "0", "b": "0b"}.get(verb, "") if "#" in flags else ""
    return _signed(("-" if value < 0 else "") + prefix + digits, flags)


def _character(value: object, verb: str, flags: str, precision: int | None) -> str:
    if not isinstance(value, int) or not 0 <= value <= 0x10FFFF or 0xD800 <= value < 0xE000:
        raise ValueError("`%c` needs the number of a character")
    return chr(value)


def _floating(value: object, verb: str, flags: str, precision: int | None) -> str:
    if not isinstance(value, float):
        raise ValueError(f"`%{verb}` needs a number with a decimal point, not {type_name(value)}")
    if verb in "gG" and precision is None:
        text = inner_text(value)
        return _signed(text.upper() if verb == "G" else text, flags)
    return _signed(format(value, f".{6 if precision is None else precision}{verb}"), flags)


_GO_TYPES = {bool: "bool", int: "int", float: "float64", str: "string"}


def _type(value: object, verb: str, flags: str, precision: int | None) -> str:
    return _GO_TYPES.get(type(value), "interface {}")


_WRITERS = {
    "v": _plain,
    "s": _plain,
    "q": _quoted,
    "t": _truth,
    "T": _type,
    "c": _character,
    **dict.fromkeys("dboxX", _whole),
    **dict.fromkeys("eEfFgG", _floating),
}
