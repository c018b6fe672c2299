from __future__ import annotations

import os

import pytest

from vmforge.console import des


@pytest.mark.parametrize(
    ("key", "plain", "cipher"),
    [
        # NBS Special Publication 500-20, one of each of its tests, and the example of FIPS 74
        ("0101010101010101", "95f8a5e5dd31d900", "8000000000000000"),
        ("8001010101010101", "0000000000000000", "95a8d72813daa94d"),
        ("1046913489980131", "0000000000000000", "88d55e54f54c97b4"),
        ("7ca110454a1a6e57", "01a1d6d039776742", "690f5b0d9a26939b"),
        ("0123456789abcdef", "4e6f772069732074", "3fa40e8a984d4815"),
    ],
)
def test_published_vectors(key: str, plain: str, cipher: str) -> None:
    assert des.encrypt(bytes.fromhex(key), bytes.fromhex(plain)).hex() == cipher


def test_agrees_with_openssl() -> None:
    pytest.importorskip("cryptography")
    from cryptography.hazmat.primitives.ciphers import Cipher, modes

    algorithms = pytest.importorskip("cryptography.hazmat.decrepit.ciphers.algorithms")
    for _ in range(20):
        key, data = os.urandom(8), os.urandom(16)
        encryptor = Cipher(algorithms.TripleDES(key * 3), modes.ECB()).encryptor()
        assert des.encrypt(key, data) == encryptor.update(data)


def test_wrong_lengths_are_refused() -> None:
    with pytest.raises(ValueError):
        des.encrypt(b"short", bytes(8))
    with pytest.raises(ValueError):
        des.encrypt(bytes(8), bytes(9))
