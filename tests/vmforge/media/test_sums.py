"""Signed lists of checksums, and retrieving by them."""

from __future__ import annotations

import pytest

from vmforge.errors import DownloadError
from vmforge.media.sums import SignedBy
from vmforge.sdk.network import Network


@pytest.fixture
def sums(mirror, sha256) -> str:
    """The URL of a list beside the ISO."""
    (mirror.folder / "SHA256SUMS").write_text(f"{sha256}  x.iso\n")
    return f"{mirror.server.url}/SHA256SUMS"


def test_a_list_is_believed_once_its_signature_is_good(bench, mirror, sums, sha256, publisher):
    content = (mirror.folder / "SHA256SUMS").read_bytes()
    (mirror.folder / "SHA256SUMS.gpg").write_bytes(publisher.detached(content))
    signed = SignedBy(publisher.keyring, f"{sums}.gpg")
    assert bench.get(mirror.url, checksum=f"file:{sums}", signed=signed).digest == sha256
    assert f"`SHA256SUMS` is signed by {publisher.name} ({publisher.fingerprint})" in bench.ui.texts(
        "message"
    )


def test_a_list_with_a_bad_signature_fetches_nothing(bench, mirror, sums, publisher):
    (mirror.folder / "SHA256SUMS.gpg").write_bytes(publisher.detached(b"another list"))
    with pytest.raises(DownloadError, match="`SHA256SUMS`"):
        bench.get(mirror.url, checksum=f"file:{sums}", signed=SignedBy(publisher.keyring, f"{sums}.gpg"))
    assert [r.path for r in mirror.asked] == ["/SHA256SUMS", "/SHA256SUMS.gpg"]


def test_a_list_that_is_signed_inside_of_itself(bench, mirror, sha256, publisher):
    """As Fedora's; what stands outside of the signature does not count."""
    text = f"# Fedora-x.iso: 17 bytes\nSHA256 (x.iso) = {sha256}\n".encode()
    other = f"SHA512 (x.iso) = {'0' * 128}\n".encode()
    (mirror.folder / "CHECKSUM").write_bytes(other + publisher.clear(text) + other)
    place = f"file:{mirror.server.url}/CHECKSUM"
    assert bench.get(mirror.url, checksum=place, signed=SignedBy(publisher.keyring)).digest == sha256
    with pytest.raises(DownloadError, match="its sha512 is"):
        bench.get(mirror.url, checksum=place)


def test_a_list_without_a_signature(bench, mirror, sums, publisher):
    with pytest.raises(DownloadError, match="is not signed inside of itself") as caught:
        bench.get(mirror.url, checksum=f"file:{sums}", signed=SignedBy(publisher.keyring))
    assert "name its signature too" in caught.value.hint
    with pytest.raises(DownloadError, match=r"the signature `http.*gpg` cannot be read: the server has no"):
        bench.get(mirror.url, checksum=f"file:{sums}", signed=SignedBy(publisher.keyring, f"{sums}.gpg"))


def test_offline_only_what_the_same_keys_vouched_for_is_remembered(
    bench, mirror, sums, sha256, publisher, stranger, monkeypatch
):
    url, listed = mirror.url.replace("127.0.0.1", "mirror.test"), sums.replace("127.0.0.1", "mirror.test")
    monkeypatch.setattr("socket.getaddrinfo", _to_loopback())
    content = (mirror.folder / "SHA256SUMS").read_bytes()
    (mirror.folder / "SHA256SUMS.gpg").write_bytes(publisher.detached(content))
    signed = SignedBy(publisher.keyring, f"{listed}.gpg")
    bench.get(url, checksum=f"file:{listed}")
    offline = Network(offline=True)
    with pytest.raises(DownloadError, match="cannot be read: offline"):
        bench.get(url, checksum=f"file:{listed}", signed=signed, network=offline)
    bench.get(url, checksum=f"file:{listed}", signed=signed)
    bench.get(url, checksum=f"file:{listed}")  # which does not make it forget who signed
    assert bench.get(url, checksum=f"file:{listed}", signed=signed, network=offline).digest == sha256
    with pytest.raises(DownloadError, match="cannot be read: offline"):
        other = SignedBy(stranger.keyring, f"{listed}.gpg")
        bench.get(url, checksum=f"file:{listed}", signed=other, network=offline)


def _to_loopback():
    import socket

    resolve = socket.getaddrinfo

    def lookup(host, *more, **named):
        return resolve("127.0.0.1" if host == "mirror.test" else host, *more, **named)

    return lookup
