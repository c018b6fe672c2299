"""The DES block cipher (FIPS 46-3), encryption only: VNC's password check is made of it.

It protects nothing nowadays and is here because servers ask for it; cryptographic libraries have
moved it to their attics, so that a page of tables is the smaller burden.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

BLOCK_BYTES: Final = 8

# The tables of the standard. Positions count from 1, from the most significant bit.
_INITIAL: Final = tuple(column - 8 * row for column in (58, 60, 62, 64, 57, 59, 61, 63) for row in range(8))
_FINAL: Final = tuple(_INITIAL.index(position) + 1 for position in range(1, 65))
_EXPANSION: Final = tuple((first + offset - 1) % 32 + 1 for first in range(0, 32, 4) for offset in range(6))
# fmt: off
_PERMUTATION: Final = (
    16, 7, 20, 21, 29, 12, 28, 17, 1, 15, 23, 26, 5, 18, 31, 10,
    2, 8, 24, 14, 32, 27, 3, 9, 19, 13, 30, 6, 22, 11, 4, 25,
)
_KEY_CHOICE_1: Final = (
    57, 49, 41, 33, 25, 17, 9, 1, 58, 50, 42, 34, 26, 18,
    10, 2, 59, 51, 43, 35, 27, 19, 11, 3, 60, 52, 44, 36,
    63, 55, 47, 39, 31, 23, 15, 7, 62, 54, 46, 38, 30, 22,
    14, 6, 61, 53, 45, 37, 29, 21, 13, 5, 28, 20, 12, 4,
)
_KEY_CHOICE_2: Final = (
    14, 17, 11, 24, 1, 5, 3, 28, 15, 6, 21, 10, 23, 19, 12, 4, 26, 8, 16, 7, 27, 20, 13, 2,
    41, 52, 31, 37, 47, 55, 30, 40, 51, 45, 33, 48, 44, 49, 39, 56, 34, 53, 46, 42, 50, 36, 29, 32,
)
_KEY_SHIFTS: Final = (1, 1, 2, 2, 2, 2, 2, 2, 1, 2, 2, 2, 2, 2, 2, 1)
# fmt: on
# Each S-box: four rows of sixteen hexadecimal digits.
_S_BOXES: Final = (
    "e4d12fb83a6c5907 0f74e2d1a6cb9538 41e8d62bfc973a50 fc8249175b3ea06d",
    "f18e6b34972dc05a 3d47f28ec01a69b5 0e7ba4d158c6932f d8a13f42b67c05e9",
    "a09e63f51dc7b428 d709346a285ecbf1 d6498f30b12c5ae7 1ad069874fe3b52c",
    "7de3069a1285bc4f d8b56f03472c1ae9 a690cb7df13e5284 3f06a1d8945bc72e",
    "2c417ab6853fd0e9 eb2c47d150fa3986 421bad78f9c5630e b8c71e2d6f09a453",
    "c1af92680d34e75b af427c9561de0b38 9ef528c3704a1db6 432c95fabe17608d",
    "4b2ef08d3c975a61 d0b7491ae35c2f86 14bdc37eaf680592 6bd814a7950fe23c",
    "d2846fb1a93e50c7 1fd8a374c56b0e92 7b419ce206adf358 21e74a8dfc90356b",
)


def encrypt(key: bytes, data: bytes) -> bytes:
    """Encrypt whole blocks of 8 bytes, each on its own (ECB), with a key of 8 bytes."""
    if len(key) != BLOCK_BYTES or len(data) % BLOCK_BYTES:
        raise ValueError("DES takes a key of 8 bytes and whole blocks of 8 bytes")
    round_keys = tuple(_round_keys(int.from_bytes(key)))
    blocks = (data[start : start + BLOCK_BYTES] for start in range(0, len(data), BLOCK_BYTES))
    return b"".join(_encrypt_block(round_keys, block) for block in blocks)


def _encrypt_block(round_keys: Sequence[int], block: bytes) -> bytes:
    mixed = _permute(int.from_bytes(block), 64, _INITIAL)
    left, right = mixed >> 32, mixed & 0xFFFF_FFFF
    for round_key in round_keys:
        left, right = right, left ^ _scramble(right, round_key)
    return _permute(right << 32 | left, 64, _FINAL).to_bytes(BLOCK_BYTES)


def _scramble(half: int, round_key: int) -> int:
    """The cipher function f(R, K) of the standard."""
    mixed = _permute(half, 32, _EXPANSION) ^ round_key
    chosen = 0
    for number, box in enumerate(_S_BOXES):
        six = mixed >> (42 - 6 * number) & 0b11_1111
        row, column = six >> 4 & 0b10 | six & 1, six >> 1 & 0b1111
        chosen = chosen << 4 | int(box[17 * row + column], 16)
    return _permute(chosen, 32, _PERMUTATION)


def _round_keys(key: int) -> Iterator[int]:
    chosen = _permute(key, 64, _KEY_CHOICE_1)
    left, right = chosen >> 28, chosen & 0xFFF_FFFF
    for shift in _KEY_SHIFTS:
        left, right = _rotate(left, shift), _rotate(right, shift)
        yield _permute(left << 28 | right, 56, _KEY_CHOICE_2)


def _rotate(half: int, by: int) -> int:
    return (half << by | half >> (28 - by)) & 0xFFF_FFFF


def _permute(value: int, width: int, table: Sequence[int]) -> int:
    result = 0
    for position in table:
        result = result << 1 | value >> (width - position) & 1
    return result
