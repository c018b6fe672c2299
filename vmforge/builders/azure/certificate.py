"""The certificate by which a Windows machine's WinRM service speaks TLS."""

from __future__ import annotations

import base64
import json
import secrets
from datetime import UTC, datetime, timedelta


def winrm_secret(host: str, seconds: float) -> str:
    """A new self-signed certificate with its key, as a key vault's secret from which Azure installs it
    (https://learn.microsoft.com/azure/virtual-machines/windows/connect-winrm): a PKCS#12 file, wrapped."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, pkcs12
    from cryptography.x509.oid import ExtendedKeyUsageOID

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, host)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))  # the machine's clock may be behind ours
        .not_valid_after(now + timedelta(seconds=seconds))
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    password = secrets.token_urlsafe(24)
    wrapped = pkcs12.serialize_key_and_certificates(
        host.encode(), key, certificate, None, BestAvailableEncryption(password.encode())
    )
    secret = {"data": base64.b64encode(wrapped).decode(), "dataType": "pfx", "password": password}
    return base64.b64encode(json.dumps(secret).encode()).decode()
