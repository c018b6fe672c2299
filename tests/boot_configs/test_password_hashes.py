"""SHA-512 crypt against the vectors of its specification."""

from __future__ import annotations

import pytest

from boot_configs.password_hashes import HASH, new_salt, sha512_crypt

LONG = "a very much longer text to encrypt.  This one even stretches over morethan one line."

# https://www.akkadia.org/drepper/SHA-crypt.txt: rounds, salt, password, hash
VECTORS = [
    (
        None,
        "saltstring",
        "Hello world!",
        "$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1",
    ),
    (
        10000,
        "saltstringsaltstring",
        "Hello world!",
        "$6$rounds=10000$saltstringsaltst$OW1/O6BYHV6BcXZu8QVeXbDWra3Oeqh0sbHbbMCVNSnCM/UrjmM0Dp8vOuZeHBy/YTBmSK6"
        "H9qs/y3RnOaw5v.",
    ),
    (
        5000,
        "toolongsaltstring",
        "This is just a test",
        "$6$rounds=5000$toolongsaltstrin$lQ8jolhgVRVhY4b5pZKaysCLi0QBxGoNeKQzQ3glMhwllF7oGDZxUhx1yxdYcz/e1JSbq3y6"
        "JMxxl8audkUEm0",
    ),
    (
        1400,
        "anotherlongsaltstring",
        LONG,
        "$6$rounds=1400$anotherlongsalts$POfYwTEok97VWcjxIiSOjiykti.o/pQs.wPvMxQ6Fm7I6IoYN3CmLs66x9t0oSwbtEW7o7Um"
        "JEiDwGqd8p4ur1",
    ),
]


@pytest.mark.parametrize(("rounds", "salt", "password", "expected"), VECTORS)
def test_the_published_vectors(rounds: int | None, salt: str, password: str, expected: str) -> None:
    assert sha512_crypt(password, salt, rounds) == expected
    assert HASH.fullmatch(expected)


def test_rounds_have_a_least_number() -> None:
    assert sha512_crypt("x", "s", 10).startswith("$6$rounds=1000$s$")


def test_no_two_salts_are_alike() -> None:
    assert len({new_salt() for _ in range(20)}) == 20
    assert len(new_salt()) == 16
