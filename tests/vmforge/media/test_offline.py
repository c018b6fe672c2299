"""Retrieving media offline, and from mirrors."""

from __future__ import annotations

import socket

import pytest

from vmforge.errors import DownloadError
from vmforge.sdk.network import Mirrors, Network

URL = "https://cd.example/d/x.iso"
LIST = "file:https://cd.example/d/SHA256SUMS"


def network(*pairs, offline=False):
    return Network(offline=offline, mirrors=Mirrors.of(pairs))


@pytest.fixture(autouse=True)
def no_names(monkeypatch):
    """Whoever looks up a name goes to the network."""

    def refuse(host, *more, **others):
        assert host in ("127.0.0.1", "localhost"), f"{host} was looked up"
        return lookup(host, *more, **others)

    lookup = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def test_what_is_kept_is_used_offline(bench, mirror, sha256):
    online = network(("https://cd.example/d/", f"{mirror.server.url}/"))
    first = bench.get(URL, checksum=sha256, network=online)
    assert (first.from_cache, first.path) == (False, bench.store.path_of(sha256, "iso"))
    assert [item.origin for item in bench.store.objects()] == [URL]
    again = bench.get(URL, checksum=sha256, network=network(offline=True))
    assert (again.from_cache, again.path) == (True, first.path)


def test_what_is_not_kept_is_refused_offline(bench, sha256):
    with pytest.raises(DownloadError) as caught:
        bench.get(URL, checksum=sha256, network=network(offline=True))
    assert "offline: `https://cd.example/d/x.iso` is not asked" in caught.value.message


def test_what_a_list_said_is_remembered_for_builds_that_are_offline(bench, mirror, sha256):
    (mirror.folder / "SHA256SUMS").write_text(f"{sha256}  x.iso\n")
    online = network(("https://cd.example/d/", f"{mirror.server.url}/"))
    bench.get(URL, checksum=LIST, network=online)
    kept = bench.get(URL, checksum=LIST, network=network(offline=True))
    assert (kept.from_cache, kept.digest) == (True, sha256)
    with pytest.raises(DownloadError) as caught:
        bench.get("https://cd.example/d/y.iso", checksum=LIST, network=network(offline=True))
    assert "SHA256SUMS" in caught.value.message


def test_a_list_is_asked_again_when_it_can_be(bench, mirror, sha256):
    (mirror.folder / "SHA256SUMS").write_text(f"{sha256}  x.iso\n")
    online = network(("https://cd.example/d/", f"{mirror.server.url}/"))
    bench.get(URL, checksum=LIST, network=online)
    (mirror.folder / "SHA256SUMS").write_text(f"{'0' * 64}  x.iso\n")
    with pytest.raises(DownloadError, match="is not the file that the template states"):
        bench.get(URL, checksum=LIST, network=online)


def test_a_mirrors_file_is_used_where_it_is(bench, mirror, sha256):
    (mirror.folder / "SHA256SUMS").write_text(f"{sha256}  x.iso\n")
    offline = network(("https://cd.example/d/", f"file://{mirror.folder}/"), offline=True)
    found = bench.get(URL, checksum=LIST, network=offline)
    assert (found.path, found.digest) == (mirror.folder / "x.iso", sha256)
    assert bench.store.objects() == []


def test_a_file_that_its_mirror_has_not_is_told_by_its_place(bench, tmp_path, sha256):
    offline = network(("https://cd.example/d/", f"file://{tmp_path}/none/"), offline=True)
    with pytest.raises(DownloadError) as caught:
        bench.get(URL, checksum=sha256, network=offline)
    assert caught.value.message == f"there is no file `{tmp_path}/none/x.iso`"


def test_offline_no_redirect_is_followed(bench, odd, sha256):
    def elsewhere(request):
        request.send_response(302)
        request.send_header("Location", "https://cd.example/d/x.iso")
        request.send_header("Content-Length", "0")
        request.end_headers()

    with odd(elsewhere) as server, pytest.raises(DownloadError) as caught:
        bench.get(server.url, checksum=sha256, network=network(offline=True))
    assert "the server leads elsewhere (302 Found), which is not followed offline" in caught.value.message


def test_offline_no_proxy_is_asked(bench, mirror, sha256, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://proxy.example:3128")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    assert bench.get(mirror.url, checksum=sha256, network=network(offline=True)).digest == sha256


def test_a_medium_without_a_checksum_is_used_offline_as_it_is_kept(bench, mirror):
    online = network(("https://cd.example/d/", f"{mirror.server.url}/"))
    first = bench.get(URL, network=online)
    again = bench.get(URL, network=network(offline=True))
    assert (again.path, again.from_cache) == (first.path, True)
    assert bench.ui.texts("warn") == []


def test_offline_the_cache_stands_for_a_target_path_that_is_not_there(bench, mirror, sha256, tmp_path):
    kept = bench.get(mirror.url, checksum=sha256)
    found = bench.get(
        URL, checksum=sha256, target_path=tmp_path / "chosen.iso", network=network(offline=True)
    )
    assert found.path == kept.path


def test_who_states_a_checksum_is_told(bench, mirror):
    with pytest.raises(DownloadError, match="is not the file that the lock file states"):
        bench.get(mirror.url, checksum="0" * 64, stated_by="the lock file")
