"""A Windows guest's password: asked for in the instance's metadata, answered on the fourth serial port.

The exchange of Google's guest agent
(https://cloud.google.com/compute/docs/instances/windows/automate-pw-generation).
"""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

METADATA_KEY = "windows-keys"
SERIAL_PORT = 4
_BITS = 2048
# The agent answers no request that is older.
_LIFETIME = timedelta(minutes=10)


class PasswordRequest:
    """One request for a password, with the key that its answer is encrypted with."""

    def __init__(self, user: str, key: RSAPrivateKey | None = None) -> None:
        from cryptography.hazmat.primitives.asymmetric import rsa

        self._user = user
        self._key = key or rsa.generate_private_key(public_exponent=65537, key_size=_BITS)
        self._expires = datetime.now(UTC) + _LIFETIME

    @property
    def metadata(self) -> str:
        """What the metadata's `windows-keys` has to say."""
        return json.dumps(
            {
                "userName": self._user,
                "modulus": self._modulus,
                "exponent": _encoded(self._key.public_key().public_numbers().e),
                "email": "vmforge@localhost",
                "expireOn": self._expires.strftime("%Y-%m-%dT%H:%M:%SZ"),
            }
        )

    def answer_in(self, serial: str) -> str | None:
        """The password, once it is among what the agent has written; None until then. Raises ValueError with
        the agent's words when it refuses."""
        for line in serial.splitlines():
            said = _decoded(line)
            if said.get("modulus") != self._modulus:
                continue
            if said.get("encryptedPassword"):
                return self._decrypted(str(said["encryptedPassword"]))
            if said.get("errorMessage"):
                raise ValueError(str(said["errorMessage"]))
        return None

    @property
    def _modulus(self) -> str:
        return _encoded(self._key.public_key().public_numbers().n)

    def _decrypted(self, password: str) -> str:
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import padding

        how = padding.OAEP(mgf=padding.MGF1(hashes.SHA1()), algorithm=hashes.SHA1(), label=None)
        return self._key.decrypt(base64.b64decode(password), how).decode()


def _encoded(number: int) -> str:
    return base64.b64encode(number.to_bytes(-(-number.bit_length() // 8))).decode()


def _decoded(line: str) -> dict[str, Any]:
    try:
        said = json.loads(line)
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}
