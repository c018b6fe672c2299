"""Images on servers, read in parts."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from vmforge.errors import DownloadError, Interrupted, VmforgeError
from vmforge.media.download import Fetcher, Patience
from vmforge.media.iso import write_iso
from vmforge.media.iso_inspection import inspect_iso
from vmforge.media.location import Local, Remote
from vmforge.media.remote_file import RemoteFile
from vmforge.sdk.cancellation import Cancellation
from vmforge.sdk.testing import RecordingUi


@pytest.fixture
def fetcher():
    return Fetcher(RecordingUi(), Cancellation(), Patience(connect=5, read=5, attempts=1, pause=0))


def test_reading_and_seeking_as_in_a_file(mirror, content, fetcher):
    with RemoteFile(Remote(mirror.url), fetcher) as file:
        assert file.size == len(content)
        assert (file.seek(1_000_000), file.read(300_000)) == (1_000_000, content[1_000_000:1_300_000])
        assert (file.tell(), file.seek(-10, io.SEEK_END), file.read()) == (
            1_300_000,
            len(content) - 10,
            content[-10:],
        )
        assert file.read(5) == b""
        file.seek(0)
        assert file.readall() == content
    assert {request.status for request in mirror.asked} == {206}


def test_of_an_image_only_what_tells_is_read(mirror, fetcher):
    big = mirror.folder / "big.bin"
    big.write_bytes(bytes(8 * 1024 * 1024))
    contents = {".disk/info": b'Debian GNU/Linux 12.5.0 "Bookworm" - Official amd64 NETINST', "a/big": big}
    write_iso(mirror.folder / "debian.iso", contents, "Debian 12.5.0 amd64 n")
    place = Remote(f"{mirror.server.url}/debian.iso")
    found = inspect_iso(place, fetcher)
    assert (found.identity.title, found.label) == ("Debian 12.5 amd64 netinst", "Debian 12.5.0 amd64 n")
    size = (mirror.folder / "debian.iso").stat().st_size
    assert (found.size, found.image_size) == (size, size)
    assert found.bytes_read < 1024 * 1024
    assert sum(request.bytes_sent for request in mirror.asked) == found.bytes_read
    assert inspect_iso(Local(mirror.folder / "debian.iso"), fetcher).identity == found.identity


def test_a_server_that_sends_no_parts(odd, content, fetcher):
    def serve(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content[:1000])

    with odd(serve) as server, pytest.raises(DownloadError, match="the server sends files as a whole only"):
        RemoteFile(Remote(server.url), fetcher)


def test_a_server_that_sends_another_part(odd, fetcher):
    def serve(handler):
        handler.send_response(206)
        handler.send_header("Content-Range", "bytes 7-8/9")
        handler.end_headers()
        handler.wfile.write(b"xx")

    with (
        odd(serve) as server,
        pytest.raises(DownloadError, match="another part of the file than was asked for"),
    ):
        RemoteFile(Remote(server.url), fetcher)


def test_what_is_no_image_or_not_there(mirror, fetcher):
    with pytest.raises(VmforgeError, match=r"`x.iso`: is not an ISO image"):
        inspect_iso(Remote(mirror.url), fetcher)
    with pytest.raises(DownloadError, match=r"y.iso` could not be read: the server has no such file"):
        inspect_iso(Remote(f"{mirror.server.url}/y.iso"), fetcher)
    with pytest.raises(DownloadError, match="cannot be read: no such file"):
        inspect_iso(Local(Path("/nowhere/x.iso")), fetcher)


def test_reading_ends_when_told(mirror):
    cancellation = Cancellation()
    cancellation.cancel()
    with pytest.raises(Interrupted):
        RemoteFile(Remote(mirror.url), Fetcher(RecordingUi(), cancellation))
