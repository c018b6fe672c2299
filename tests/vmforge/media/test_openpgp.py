"""Signatures, checked by the program and by the library alike."""

from __future__ import annotations

from pathlib import Path
from shutil import which

import pytest

from vmforge.errors import DownloadError, HostError, Interrupted
from vmforge.media import openpgp
from vmforge.media.openpgp import Signer, dearmour, is_clearsigned, verify_clearsigned, verify_detached
from vmforge.sdk.cancellation import Cancellation

TEXT = b"aaaa  x.iso\n- a line that clear signing escapes\n"


@pytest.fixture(params=["gpgv", "pysequoia"], autouse=True)
def engine(request, monkeypatch):
    if request.param == "gpgv" and which("gpgv") is None:
        pytest.skip("gpgv is not installed")
    if request.param == "pysequoia":
        monkeypatch.setattr(openpgp, "which", lambda program: None)
    return request.param


@pytest.fixture
def sums(tmp_path: Path) -> Path:
    path = tmp_path / "SHA256SUMS"
    path.write_bytes(TEXT)
    return path


def check(sums: Path, signature: bytes, keyring: Path) -> Signer:
    return verify_detached(sums, signature, keyring, Cancellation())


@pytest.mark.parametrize("armour", [True, False])
def test_a_detached_signature_names_its_signer(armour, publisher, sums):
    signer = check(sums, publisher.detached(TEXT, armour=armour), publisher.keyring)
    assert signer == Signer(publisher.fingerprint, publisher.name)
    assert str(signer) == f"{publisher.name} ({publisher.fingerprint})"


def test_keyrings_without_armour_and_with_several_keys(publisher, stranger, sums, tmp_path):
    both = tmp_path / "both.gpg"
    both.write_bytes(dearmour(stranger.keyring.read_bytes()) + dearmour(publisher.keyring.read_bytes()))
    assert check(sums, publisher.detached(TEXT), both).name == publisher.name
    both.write_bytes(stranger.keyring.read_bytes() + publisher.keyring.read_bytes())
    assert check(sums, publisher.detached(TEXT), both).name == publisher.name


def test_one_of_several_signatures_is_enough(publisher, stranger, sums):
    signatures = stranger.detached(TEXT, armour=False) + publisher.detached(TEXT, armour=False)
    assert check(sums, signatures, publisher.keyring).name == publisher.name


def test_a_changed_file_is_refused(publisher, sums):
    signature = publisher.detached(TEXT)
    sums.write_bytes(TEXT.replace(b"aaaa", b"bbbb"))
    with pytest.raises(DownloadError, match=r"the signature of `SHA256SUMS` is bad|no key of the keyring"):
        check(sums, signature, publisher.keyring)


def test_a_strangers_signature_is_refused(publisher, stranger, sums):
    with pytest.raises(DownloadError, match=r"is signed by a key that is not in the keyring|no key of the"):
        check(sums, stranger.detached(TEXT), publisher.keyring)


def test_a_message_is_no_detached_signature(publisher, sums):
    """It would be good whatever the file is."""
    sums.write_bytes(b"something else")
    for given in (publisher.inline(TEXT), publisher.clear(TEXT), b"", b"<html>", b"\xc2\x05x"):
        with pytest.raises(DownloadError, match="of `SHA256SUMS`"):
            check(sums, given, publisher.keyring)


def test_damaged_armour(publisher, sums):
    whole = publisher.detached(TEXT)
    for damaged in (whole.replace(b"-----END", b"-----"), whole[:-60], whole.replace(b"\n", b"\n!", 4)):
        with pytest.raises(DownloadError, match="of `SHA256SUMS`"):
            check(sums, damaged, publisher.keyring)


def test_what_is_no_keyring(publisher, sums, tmp_path):
    signature = publisher.detached(TEXT)
    (tmp_path / "text").write_text("hello")
    (tmp_path / "signature").write_bytes(signature)
    for name, message in (
        ("text", "is no keyring: it is not in OpenPGP's format"),
        ("signature", "is no keyring: it holds no public key"),
        ("missing", "cannot be read: no such file or directory"),
    ):
        with pytest.raises(DownloadError, match=message):
            check(sums, signature, tmp_path / name)


def test_only_the_signed_part_of_a_text_is_returned(publisher):
    signed = publisher.clear(TEXT)
    assert is_clearsigned(signed)
    text, signer = verify_clearsigned(
        b"evil  x.iso\n" + signed + b"evil  x.iso\n", "CHECKSUM", publisher.keyring, Cancellation()
    )
    assert (text.rstrip(b"\n"), signer.name) == (TEXT.rstrip(b"\n"), publisher.name)


def test_a_clearsigned_text_that_was_changed(publisher, stranger):
    for text, keyring in (
        (publisher.clear(TEXT).replace(b"aaaa", b"bbbb"), publisher.keyring),
        (stranger.clear(TEXT), publisher.keyring),
    ):
        with pytest.raises(DownloadError, match="CHECKSUM"):
            verify_clearsigned(text, "CHECKSUM", keyring, Cancellation())


def test_without_program_and_library_the_hint_names_both(publisher, sums, monkeypatch):
    monkeypatch.setattr(openpgp, "which", lambda program: None)
    monkeypatch.setattr(openpgp.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(HostError) as caught:
        check(sums, publisher.detached(TEXT), publisher.keyring)
    assert "`gpgv`" in caught.value.hint
    assert "vmforge[openpgp]" in caught.value.hint


def test_being_told_to_stop(engine, publisher, sums):
    if engine != "gpgv":
        pytest.skip("the library cannot be interrupted")
    cancellation = Cancellation()
    cancellation.cancel()
    with pytest.raises(Interrupted):
        verify_detached(sums, publisher.detached(TEXT), publisher.keyring, cancellation)
