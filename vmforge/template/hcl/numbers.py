"""Numbers as Go's HCL computes them: binary floating point with a mantissa of 512 bits.

A whole number is an `int`, any other a `Fraction` whose denominator is a power of two. Rounding
after every operation as Go does gives the digits that Go gives (`1/3` ends in 5, as in Packer).
"""

from __future__ import annotations

import re
from decimal import Decimal
from fractions import Fraction
from typing import Final, TypeAlias

Number: TypeAlias = "int | Fraction"

_BITS: Final = 512
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
# numbers beyond these would take all memory to write out; Go's own limit is far above too
_LARGEST_EXPONENT: Final = 100_000


def parse_number(text: str) -> Number:
    """Read a decimal number. Raises ValueError."""
    if len(text) < 150 and text.isascii() and text.isdigit():
        return int(text)  # fits into the mantissa
    if _NUMBER.fullmatch(text) is None:
        raise ValueError(f"`{text}` is not a number")
    _, _, exponent = text.lower().partition("e")
    if len(exponent) > 7 or abs(int(exponent or "0")) > _LARGEST_EXPONENT or len(text) > _LARGEST_EXPONENT:
        raise ValueError(f"`{text}` is too large or too small a number")
    # Decimal reads numbers of any length; int() refuses those of more than 4300 digits
    return rounded(Fraction(Decimal(text)))


def rounded(value: Fraction) -> Number:
    """The nearest number that 512 bits can hold, ties to even."""
    above, below = value.numerator, value.denominator
    if below == 1 and above.bit_length() <= _BITS:
        return above
    size = abs(above)
    if below & (below - 1) == 0 and size.bit_length() <= _BITS:
        return value
    shift = _BITS - size.bit_length() + below.bit_length()
    quotient, rest, divisor = _divided(size, below, shift)
    if quotient.bit_length() > _BITS:
        shift -= 1
        quotient, rest, divisor = _divided(size, below, shift)
    if 2 * rest > divisor or (2 * rest == divisor and quotient & 1):
        quotient += 1
    if above < 0:
        quotient = -quotient
    result = Fraction(quotient, 1 << shift) if shift >= 0 else Fraction(quotient << -shift)
    return result.numerator if result.denominator == 1 else result


def _divided(size: int, below: int, shift: int) -> tuple[int, int, int]:
    divisor = below if shift >= 0 else below << -shift
    quotient, rest = divmod(size << shift if shift >= 0 else size, divisor)
    return quotient, rest, divisor


def normal(value: Number) -> Number:
    """The result of an operation as a number of the language."""
    return rounded(Fraction(value))


def remainder(left: Number, right: Number) -> Number:
    """`left % right`: the sign follows the dividend. As Go's, rounded at each of its three steps."""
    quotient = normal(Fraction(left) / Fraction(right))
    return normal(left - normal(right * int(quotient)))


def format_number(value: Number) -> str:
    """The shortest decimal digits that read back as the same number, never with an exponent."""
    if isinstance(value, int):
        return f"{Decimal(value):f}" if value.bit_length() > 10_000 else str(value)
    sign, size = ("-", -value) if value < 0 else ("", value)
    magnitude = _magnitude(size)
    low, high = 1, 160
    while low < high:
        middle = (low + high) // 2
        if rounded(_to_digits(size, middle - magnitude)) == size:
            high = middle
        else:
            low = middle + 1
    return sign + _written(_to_digits(size, low - magnitude), low - magnitude)


def _magnitude(size: Fraction) -> int:
    """The count of digits before the decimal point; negative for leading zeros behind it."""
    if size >= 1:
        return len(str(int(size)))
    count = 0
    scaled = size * 10
    while scaled < 1:
        scaled *= 10
        count -= 1
    return count


def _to_digits(size: Fraction, places: int) -> Fraction:
    """Rounded half to even at a count of decimal places (negative: tens, hundreds ...)."""
    scale = Fraction(10) ** places
    return Fraction(round(size * scale)) / scale


def _written(value: Fraction, places: int) -> str:
    if places <= 0:
        return str(int(value))
    digits = str(int(value * 10**places)).rjust(places + 1, "0")
    whole, fraction = digits[:-places], digits[-places:].rstrip("0")
    return f"{whole}.{fraction}" if fraction else whole
