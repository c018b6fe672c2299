"""Keys, from whatever program they are, and who is believed."""

from __future__ import annotations

import subprocess

import pytest

from vmforge.bundles import BundleError, Signer, Trust, make_key
from vmforge.bundles.signing import is_signed
from vmforge.errors import HostError, VmforgeError

TEXT = b"the manifest"


@pytest.fixture
def signer(tmp_path):
    return make_key(tmp_path / "key")


def test_a_key_is_made_for_its_owner_alone_and_never_replaced(signer, tmp_path):
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600
    assert Signer.read(tmp_path / "key").public == signer.public
    assert Trust.of([tmp_path / "key.pub"]).keys == {signer.public}
    with pytest.raises(HostError, match="file exists"):
        make_key(tmp_path / "key")
    assert Signer.read(tmp_path / "key").public == signer.public


def test_openssls_keys_are_read(tmp_path):
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", tmp_path / "k"], check=True)
    subprocess.run(["openssl", "pkey", "-in", tmp_path / "k", "-pubout", "-out", tmp_path / "p"], check=True)
    signer = Signer.read(tmp_path / "k")
    Trust.of([tmp_path / "p"]).check(TEXT, signer.sign(TEXT), signer.public)


def test_openssh_keys_are_read_with_their_passphrase(tmp_path, monkeypatch):
    made = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "a passphrase", "-f", tmp_path / "k"]
    subprocess.run(made, check=True)
    with pytest.raises(VmforgeError, match="is no private key that can be read"):
        Signer.read(tmp_path / "k")
    monkeypatch.setenv("VMFORGE_KEY_PASSPHRASE", "a passphrase")
    signer = Signer.read(tmp_path / "k")
    assert Trust.of([tmp_path / "k.pub"]).keys == {signer.public}


def test_other_keys_are_told(tmp_path):
    subprocess.run(["openssl", "genpkey", "-algorithm", "X25519", "-out", tmp_path / "k"], check=True)
    with pytest.raises(VmforgeError, match="is no Ed25519 key"):
        Signer.read(tmp_path / "k")
    with pytest.raises(VmforgeError, match="is no public key"):
        Trust.of([tmp_path / "k"])
    with pytest.raises(HostError, match="cannot be read"):
        Signer.read(tmp_path / "none")


def test_the_keys_of_a_folder_are_believed(signer, tmp_path):
    assert Trust.of([], tmp_path).keys == {signer.public}
    assert Trust.of([], tmp_path / "none").keys == frozenset()


def test_only_what_a_trusted_key_signed_is_believed(signer, tmp_path):
    signature, trust = signer.sign(TEXT), Trust(frozenset({signer.public}))
    trust.check(TEXT, signature, signer.public)
    with pytest.raises(BundleError, match="the bundle's signature is wrong"):
        trust.check(TEXT + b".", signature, signer.public)
    other = make_key(tmp_path / "other")
    with pytest.raises(BundleError, match="which is not trusted"):
        trust.check(TEXT, other.sign(TEXT), other.public)
    with pytest.raises(BundleError, match="signature is wrong"):
        trust.check(TEXT, other.sign(TEXT), signer.public)


def test_unsigned_must_be_wanted_and_a_stripped_signature_is_no_unsigned_bundle(signer):
    trust = Trust(frozenset({signer.public}))
    with pytest.raises(BundleError, match="the bundle is not signed"):
        trust.check(TEXT, b"", "")
    trust.check(TEXT, b"", "", allow_unsigned=True)
    for signature, public in ((b"", signer.public), (b"x" * 64, ""), (b"x" * 64, "zz")):
        with pytest.raises(BundleError):
            trust.check(TEXT, signature, public, allow_unsigned=True)
    assert not is_signed(TEXT, signer.sign(TEXT), "00")
