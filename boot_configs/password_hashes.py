"""SHA-512 crypt, which every Linux and BSD installer takes as a password's hash.

Specified by Ulrich Drepper in "Unix crypt using SHA-256 and SHA-512"
(https://www.akkadia.org/drepper/SHA-crypt.txt), whose numbers of steps the comments give.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from typing import Final

_ALPHABET: Final = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_ROUNDS: Final = 5000
_MOST_ROUNDS: Final = 999_999_999
_FEWEST_ROUNDS: Final = 1000
_SALT_LENGTH: Final = 16

# What /etc/shadow may hold: `$id$...`, or one of the signs for an account without a password.
HASH: Final = re.compile(r"\$[0-9a-z]{1,8}\$[./0-9A-Za-z$=,+-]+")


def new_salt() -> str:
    """A salt that nobody can foretell."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(_SALT_LENGTH))


def sha512_crypt(password: str, salt: str, rounds: int | None = None) -> str:
    """The hash as /etc/shadow has it: `$6$SALT$...`, or `$6$rounds=N$SALT$...` when `rounds` is given."""
    key, seasoning = password.encode(), salt.encode()[:_SALT_LENGTH]
    count = _ROUNDS if rounds is None else min(max(rounds, _FEWEST_ROUNDS), _MOST_ROUNDS)
    digest = _first_digest(key, seasoning)
    by_key = _filled(hashlib.sha512(key * len(key)).digest(), len(key))  # 13-16
    by_salt = _filled(hashlib.sha512(seasoning * (16 + digest[0])).digest(), len(seasoning))  # 17-20
    for number in range(count):  # 21
        parts = [by_key if number % 2 else digest]
        parts += [by_salt] if number % 3 else []
        parts += [by_key] if number % 7 else []
        parts += [digest if number % 2 else by_key]
        digest = hashlib.sha512(b"".join(parts)).digest()
    stated = f"rounds={count}$" if rounds is not None else ""
    return f"$6${stated}{seasoning.decode()}${_written(digest)}"


def _first_digest(key: bytes, salt: bytes) -> bytes:
    other = hashlib.sha512(key + salt + key).digest()  # 4-8
    text = key + salt + _filled(other, len(key))  # 1-3, 9-10
    length = len(key)
    while length:  # 11
        text += other if length & 1 else key
        length >>= 1
    return hashlib.sha512(text).digest()  # 12


def _filled(digest: bytes, length: int) -> bytes:
    """The digest repeated and cut to a length."""
    return (digest * (length // len(digest) + 1))[:length]


def _written(digest: bytes) -> str:
    """Base 64 of crypt's own: three bytes at a time in an order of its own, the lowest 6 bits first."""
    order = [(index, index + 21, index + 42) for index in range(21)]
    # each group of three begins one column further on
    triples = [group[turn % 3 :] + group[: turn % 3] for turn, group in enumerate(order)]
    text = "".join(_digits(digest[a] << 16 | digest[b] << 8 | digest[c], 4) for a, b, c in triples)
    return text + _digits(digest[63], 2)


def _digits(number: int, count: int) -> str:
    return "".join(_ALPHABET[number >> 6 * place & 63] for place in range(count))
