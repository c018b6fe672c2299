"""Key pairs for logins: made for one build, in OpenSSH's formats."""

from __future__ import annotations

import os
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from vmforge.errors import CommunicatorError
from vmforge.sdk import Secret

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey

_CURVES: dict[int, type[ec.EllipticCurve]] = {256: ec.SECP256R1, 384: ec.SECP384R1, 521: ec.SECP521R1}


class KeyType(StrEnum):
    ED25519 = "ed25519"
    ECDSA = "ecdsa"
    RSA = "rsa"


@dataclass(frozen=True, slots=True)
class KeyPair:
    """`private` is an OpenSSH private key file's text, `public` a line for `authorized_keys`."""

    private: Secret
    public: str

    def write_private(self, path: Path) -> None:
        """Write the private key so that only its owner could ever read it; `path` must not exist."""
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(self.private.value)


def generate(kind: KeyType, bits: int, comment: str) -> KeyPair:
    """A new key pair. `bits` is the size of an RSA key (0 for 4096) or of an ECDSA curve (0 for 521,
    else 256, 384 or 521); an Ed25519 key has only one size."""
    key: PrivateKey
    if kind is KeyType.RSA:
        key = rsa.generate_private_key(public_exponent=65537, key_size=bits or 4096)
    elif kind is KeyType.ECDSA:
        key = ec.generate_private_key(_CURVES[bits or 521]())
    else:
        key = ed25519.Ed25519PrivateKey.generate()
    return as_pair(key, comment)


def read_private(path: Path) -> PrivateKey:
    """The private key in a file, in OpenSSH's format, PKCS#1, SEC 1 or PKCS#8.

    Raises `CommunicatorError` when it cannot be read, is protected by a passphrase, or is of a kind
    that SSH servers of today do not take.
    """
    try:
        key = _parse_private(path.read_bytes())
    except OSError as error:
        raise CommunicatorError(f"cannot read the private key `{path}`: {error.strerror}") from error
    except TypeError as error:  # this is how `cryptography` says that it wants a password
        raise CommunicatorError(
            f"the private key `{path}` is protected by a passphrase",
            hint="load it into an agent (`ssh-add`) and set `ssh_agent_auth = true`",
        ) from error
    except ValueError as error:
        raise CommunicatorError(
            f"`{path}` holds no private key that can be read",
            hint=f"`ssh-keygen -y -f {path}` tells what OpenSSH makes of it",
        ) from error
    if not isinstance(key, PrivateKey):
        raise CommunicatorError(
            f"the private key `{path}` is of a kind that SSH servers no longer accept",
            hint="make another with `ssh-keygen -t ed25519`",
        )
    return key


def parse_private(data: bytes) -> PrivateKey:
    """A private key's text, as `KeyPair` has it. Raises ValueError for one that is none."""
    key = _parse_private(data)
    if not isinstance(key, PrivateKey):
        raise ValueError("not a private key of a kind that is made here")
    return key


def kind_of(key: PrivateKey) -> KeyType:
    if isinstance(key, rsa.RSAPrivateKey):
        return KeyType.RSA
    return KeyType.ECDSA if isinstance(key, ec.EllipticCurvePrivateKey) else KeyType.ED25519


def _parse_private(data: bytes) -> object:
    if b"OPENSSH PRIVATE KEY" in data:
        return serialization.load_ssh_private_key(data, password=None)
    return serialization.load_pem_private_key(data, password=None)


def as_pair(key: PrivateKey, comment: str = "") -> KeyPair:
    """A key's two halves as texts in OpenSSH's formats."""
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    return KeyPair(Secret(private.decode("ascii")), f"{public.decode('ascii')} {comment}".rstrip())
