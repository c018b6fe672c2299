"""The password that cloudbase-init makes on Windows, which only the holder of a key can read."""

from __future__ import annotations

import base64
from dataclasses import dataclass

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from vmforge.builders.openstack.api import Account, Service
from vmforge.errors import HostError
from vmforge.sdk.cloud import wait_for

_BITS = 2048  # the encrypted password must fit into the 255 characters of metadata four times


@dataclass(frozen=True)
class PasswordKey:
    """A key pair for one password; Nova's clients and cloudbase-init know nothing but RSA for that."""

    private: rsa.RSAPrivateKey

    @classmethod
    def make(cls) -> PasswordKey:
        return cls(rsa.generate_private_key(public_exponent=65537, key_size=_BITS))

    @property
    def public(self) -> str:
        """As Nova imports it."""
        form = serialization.PublicFormat.OpenSSH
        return self.private.public_key().public_bytes(serialization.Encoding.OpenSSH, form).decode("ascii")

    def decrypt(self, data: str) -> str:
        """The password: PKCS #1 v1.5, in base64
        (https://cloudbase-init.readthedocs.io/en/latest/plugins.html#setting-password-main)."""
        try:
            return self.private.decrypt(base64.b64decode(data), padding.PKCS1v15()).decode()
        except ValueError:
            message = "the password of Windows was encrypted with another key than this build's"
            raise HostError(message, hint="set `winrm_password`") from None


def await_password(account: Account, server: str, limit: float) -> str:
    """What Windows has posted to the metadata service. Raises `CloudError`."""

    def look() -> str | None:
        told = account.get(Service.COMPUTE, f"/servers/{server}/os-server-password")
        return str(told.get("password") or "") or None

    hint = "is it Windows, with cloudbase-init? else set `winrm_password`"
    what = "the password of Windows"
    return wait_for(look, what, cancellation=account.cancellation, limit=limit, hint=hint)
