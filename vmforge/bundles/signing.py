"""Keys of bundles: Ed25519 (RFC 8032), in the files that openssl and OpenSSH write too.

What is signed is the manifest's text, and the signature its 64 bytes as they are, so that
`openssl pkeyutl -verify -pubin -inkey KEY.pub -rawin -in manifest.json -sigfile manifest.sig` can check it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from vmforge.bundles.manifest import BundleError
from vmforge.errors import HostError, VmforgeError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

SIGNATURE_SIZE: Final = 64
PASSPHRASE_VARIABLE: Final = "VMFORGE_KEY_PASSPHRASE"


@dataclass(frozen=True)
class Signer:
    """A private key; `public` is the public one in hex."""

    key: Ed25519PrivateKey
    public: str

    @classmethod
    def read(cls, path: Path) -> Signer:
        """A private key in PEM or OpenSSH's format; its passphrase is in `VMFORGE_KEY_PASSPHRASE`. Raises
        `VmforgeError`."""
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_ssh_private_key

        data = _read(path)
        passphrase = os.environ.get(PASSPHRASE_VARIABLE, "").encode() or None
        load = load_ssh_private_key if b"OPENSSH PRIVATE KEY" in data else load_pem_private_key
        try:
            key = load(data, passphrase)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            hint = (
                f"make one with `vmforge bundle key FILE`; a passphrase is taken from `{PASSPHRASE_VARIABLE}`"
            )
            raise VmforgeError(f"`{path}` is no private key that can be read", hint=hint) from None
        if not isinstance(key, Ed25519PrivateKey):
            raise VmforgeError(f"`{path}` is no Ed25519 key", hint="make one with `vmforge bundle key FILE`")
        return cls(key, key.public_key().public_bytes_raw().hex())

    def sign(self, text: bytes) -> bytes:
        return self.key.sign(text)


@dataclass(frozen=True)
class Trust:
    """The public keys, in hex, whose bundles are believed."""

    keys: frozenset[str] = frozenset()

    @classmethod
    def of(cls, files: Iterable[Path], folder: Path | None = None) -> Trust:
        """The keys in these files, and in all files `*.pub` of a folder, if there is one. Raises
        `VmforgeError` for a file that is no key."""
        kept = sorted(folder.glob("*.pub")) if folder is not None else []
        return cls(frozenset(key for path in (*files, *kept) for key in _public_keys(path)))

    def check(self, text: bytes, signature: bytes, signer: str, *, allow_unsigned: bool = False) -> None:
        """Raises `BundleError` unless a manifest is signed by one of the keys; or, when that is allowed, not
        signed at all."""
        if not signature and not signer:
            if not allow_unsigned:
                hint = "if you know where it is from, say `--allow-unsigned`"
                raise BundleError("the bundle is not signed", hint=hint)
            return
        if not is_signed(text, signature, signer):
            raise BundleError("the bundle's signature is wrong: it was changed after it was signed")
        if signer not in self.keys:
            hint = "if this is the key of who made it, write its public file behind `--trust`"
            raise BundleError(
                f"the bundle is signed by `{shown_key(signer)}`, which is not trusted", hint=hint
            )


def is_signed(text: bytes, signature: bytes, signer: str) -> bool:
    """Whether a text has a signature of this public key's."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(signer)).verify(signature, text)
    except (InvalidSignature, ValueError):
        return False
    return True


def shown_key(public: str) -> str:
    """A public key as people compare it."""
    return f"ed25519:{public}"


def make_key(path: Path) -> Signer:
    """Make a key: the private one in `path`, which only its owner may read, the public one beside it, in
    `PATH.pub`. Raises `HostError` when they cannot be written, or are there already."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        NoEncryption,
        PrivateFormat,
        PublicFormat,
    )

    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    for target, data, mode in ((path, private, 0o600), (public_file(path), public, 0o644)):
        try:
            descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise HostError(f"the key `{target}` cannot be written: {reason}") from None
    return Signer(key, key.public_key().public_bytes_raw().hex())


def public_file(path: Path) -> Path:
    """Where the public half of a private key's file is."""
    return path.with_name(f"{path.name}.pub")


def _public_keys(path: Path) -> Iterator[str]:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key, load_ssh_public_key

    data = _read(path)
    load = load_ssh_public_key if data.startswith(b"ssh-") else load_pem_public_key
    try:
        key = load(data)
    except (ValueError, UnsupportedAlgorithm):
        hint = "name the public half, which `vmforge bundle key` writes into `FILE.pub`"
        raise VmforgeError(f"`{path}` is no public key that can be read", hint=hint) from None
    if not isinstance(key, Ed25519PublicKey):
        raise VmforgeError(f"`{path}` is no Ed25519 key")
    yield key.public_bytes_raw().hex()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise HostError(f"`{path}` cannot be read: {(error.strerror or str(error)).lower()}") from None
