"""Hashes, passwords and unique names."""

from __future__ import annotations

import base64
import binascii
import hashlib
import uuid

from vmforge.template.expressions.types import NUMBER, STRING
from vmforge.template.functions.declaration import FunctionError, Parameter, function
from vmforge.template.hcl.numbers import Number

_TEXT = Parameter("text", STRING)
_NAMESPACES = {
    "dns": uuid.NAMESPACE_DNS,
    "oid": uuid.NAMESPACE_OID,
    "url": uuid.NAMESPACE_URL,
    "x500": uuid.NAMESPACE_X500,
}


@function(
    "A bcrypt hash of a password, another one each time.",
    _TEXT,
    Parameter("cost", NUMBER, optional=True),
    conceals=True,
    name="bcrypt",
)
def bcrypt_hash(text: str, cost: Number = 10) -> str:
    try:
        import bcrypt
    except ImportError:
        raise FunctionError(
            "the Python package `bcrypt` is missing", hint="run `pip install bcrypt`"
        ) from None
    if cost not in range(4, 32):
        raise FunctionError("the cost must be a whole number from 4 to 31", 1)
    if len(text.encode()) > 72:
        raise FunctionError("bcrypt takes passwords of at most 72 bytes", 0)
    return bcrypt.hashpw(text.encode(), bcrypt.gensalt(int(cost), b"2a")).decode()


@function("The MD5 hash of a text, in hexadecimal.", _TEXT, conceals=True)
def md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


@function(
    "The text that was encrypted with an RSA key (PKCS#1 v1.5) and is given in base64.",
    Parameter("ciphertext", STRING),
    Parameter("private_key", STRING),
)
def rsadecrypt(ciphertext: str, private_key: str) -> str:
    try:
        from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
        from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
        from cryptography.hazmat.primitives.serialization import load_pem_private_key
    except ImportError:
        hint = "run `pip install cryptography`"
        raise FunctionError("the Python package `cryptography` is missing", hint=hint) from None
    try:
        key = load_pem_private_key(private_key.encode(), None)
    except (ValueError, TypeError):
        raise FunctionError("expected an RSA key in PEM format without a passphrase", 1) from None
    if not isinstance(key, RSAPrivateKey):
        raise FunctionError("expected an RSA key", 1)
    try:
        return key.decrypt(base64.b64decode(ciphertext, validate=True), PKCS1v15()).decode()
    except (ValueError, binascii.Error):
        raise FunctionError("the text cannot be decrypted with this key", 0) from None


@function("The SHA-1 hash of a text, in hexadecimal.", _TEXT, conceals=True)
def sha1(text: str) -> str:
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


@function("The SHA-256 hash of a text, in hexadecimal.", _TEXT, conceals=True)
def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@function("The SHA-512 hash of a text, in hexadecimal.", _TEXT, conceals=True)
def sha512(text: str) -> str:
    return hashlib.sha512(text.encode()).hexdigest()


@function("A random unique name, another one each time.")
def uuidv4() -> str:
    return str(uuid.uuid4())


@function(
    "The unique name of a name in a namespace: `dns`, `url`, `oid`, `x500` or another UUID.",
    Parameter("namespace", STRING),
    Parameter("name", STRING),
)
def uuidv5(namespace: str, name: str) -> str:
    try:
        space = _NAMESPACES.get(namespace) or uuid.UUID(namespace)
    except ValueError:
        raise FunctionError("the namespace is none of `dns`, `url`, `oid`, `x500` and no UUID", 0) from None
    return str(uuid.uuid5(space, name))
