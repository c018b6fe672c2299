"""The certificate file of an OVF package: who made its manifest (DSP0243 1.1, section 5.1)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from vmforge.errors import VmforgeError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey


class Digest(StrEnum):
    """How files are summed in a manifest. SHA-1 is for readers of before 2016."""

    SHA1 = "sha1"
    SHA256 = "sha256"
    SHA512 = "sha512"


@dataclass(frozen=True)
class SigningFiles:
    """An RSA key without a password and the certificate of its other half, both as PEM files."""

    key: Path
    certificate: Path


class Signer:
    """Signs manifests. Raises `VmforgeError` when key and certificate cannot be used."""

    def __init__(self, files: SigningFiles, digest: Digest) -> None:
        self._digest = digest
        self._key = _load_key(files.key)
        self._certificate = _certificate_text(files, self._key)

    def certificate_file(self, manifest_name: str, manifest: bytes) -> bytes:
        """The certificate file's contents, whose length depends on the manifest's name alone."""
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import padding

        algorithms: dict[Digest, hashes.HashAlgorithm] = {
            Digest.SHA1: hashes.SHA1(),
            Digest.SHA256: hashes.SHA256(),
            Digest.SHA512: hashes.SHA512(),
        }
        signature = self._key.sign(manifest, padding.PKCS1v15(), algorithms[self._digest])
        line = f"{self._digest.upper()}({manifest_name})= {signature.hex()}\n"
        return line.encode() + self._certificate


def _load_key(path: Path) -> RSAPrivateKey:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(_read(path), password=None)
    except TypeError as error:
        hint = f"write it without: `openssl pkey -in {path} -out KEY`"
        raise VmforgeError(f"the signing key `{path}` has a password", hint=hint) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise VmforgeError(f"`{path}` is no private key in PEM form") from error
    if not isinstance(key, RSAPrivateKey):
        hint = "`openssl req -x509 -newkey rsa:2048 -nodes -keyout KEY -out CERTIFICATE -days 365`"
        raise VmforgeError(f"the signing key `{path}` is no RSA key, which OVF wants", hint=hint)
    return key


def _certificate_text(files: SigningFiles, key: RSAPrivateKey) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding
    from cryptography.x509 import load_pem_x509_certificate

    try:
        certificate = load_pem_x509_certificate(_read(files.certificate))
    except ValueError as error:
        raise VmforgeError(f"`{files.certificate}` is no certificate in PEM form") from error
    if certificate.public_key() != key.public_key():
        raise VmforgeError(f"the certificate `{files.certificate}` does not belong to the key `{files.key}`")
    return certificate.public_bytes(Encoding.PEM)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise VmforgeError(f"`{path}` cannot be read: {error.strerror}") from error
