"""The password that Windows makes for its administrator, which only the holder of a key can read."""

from __future__ import annotations

import base64
from dataclasses import dataclass

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from vmforge.builders.amazon.api import Api
from vmforge.sdk import Cancellation, Secret
from vmforge.sdk.cloud import wait_for

_BITS = 2048  # EC2 encrypts with keys of this size, at most of 4096


@dataclass(frozen=True)
class PasswordKey:
    """A key pair for one password. EC2 takes nothing but RSA for that."""

    key: rsa.RSAPrivateKey

    @classmethod
    def make(cls) -> PasswordKey:
        return cls(rsa.generate_private_key(public_exponent=65537, key_size=_BITS))

    @property
    def public(self) -> str:
        """As `import_key_pair` takes it."""
        form = serialization.PublicFormat.OpenSSH
        return self.key.public_key().public_bytes(serialization.Encoding.OpenSSH, form).decode("ascii")

    def decrypt(self, data: str) -> Secret:
        """What `get_password_data` answers: base64 of PKCS #1 v1.5
        (https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_GetPasswordData.html)."""
        return Secret(self.key.decrypt(base64.b64decode(data), padding.PKCS1v15()).decode())


def wait_for_password(
    ec2: Api, instance: str, key: PasswordKey, *, cancellation: Cancellation, limit: float
) -> Secret:
    """The administrator's password, once Windows has made it. Raises `CloudError`."""

    def look() -> str | None:
        return str(ec2("get_password_data", InstanceId=instance).get("PasswordData") or "").strip() or None

    data = wait_for(
        look,
        "the password of Windows",
        cancellation=cancellation,
        limit=limit,
        longest_pause=5.0,
        hint="is it Windows, with EC2Launch? `windows_password_timeout` gives it longer",
    )
    return key.decrypt(data)
