"""Retrieving an ISO from servers that behave, and from those that do not."""

from __future__ import annotations

import hashlib
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from vmforge.cache import Store
from vmforge.errors import DownloadError, HostError, Interrupted
from vmforge.media.download import Patience
from vmforge.sdk.cancellation import Cancellation


def test_a_download_is_verified_and_kept(bench, mirror, content, sha256):
    first = bench.get(mirror.url, checksum=f"sha256:{sha256}")
    assert first.path.read_bytes() == content
    assert first.path == bench.store.path_of(sha256, "iso")
    assert (first.digest, first.from_cache) == (sha256, False)
    second = bench.get(mirror.url, checksum=sha256)
    assert (second.path, second.from_cache) == (first.path, True)
    assert [request.method for request in mirror.asked] == ["GET"]
    assert bench.staged() == []
    assert [item.origin for item in bench.store.objects()] == [mirror.url]


@pytest.mark.parametrize("target", [None, "chosen.iso"])
def test_again_fetches_whatever_was_fetched_before(target, bench, mirror, content, sha256):
    where = Path(target) if target else None
    bench.get(mirror.url, checksum=sha256, target_path=where)
    again = bench.get(mirror.url, checksum=sha256, target_path=where, again=True)
    assert (again.from_cache, again.path.read_bytes()) == (False, content)
    assert [request.bytes_sent for request in mirror.asked] == [len(content)] * 2
    assert bench.get(mirror.url, checksum=sha256, target_path=where).from_cache


@pytest.mark.parametrize("algorithm", ["md5", "sha1", "sha256", "sha512"])
def test_every_type_of_checksum_finds_the_kept_file(algorithm, bench, mirror, content, sha256):
    checksum = f"{algorithm}:{hashlib.new(algorithm, content).hexdigest()}"
    assert bench.get(mirror.url, checksum=checksum).digest == sha256
    again = bench.get("http://127.0.0.1:9/elsewhere.iso", checksum=checksum)
    assert (again.digest, again.from_cache) == (sha256, True)


def test_a_damaged_copy_is_fetched_again(bench, mirror, content, sha256):
    path = bench.get(mirror.url, checksum=sha256).path
    status = path.stat()
    damaged = bytearray(content)
    damaged[1000] ^= 1
    path.write_bytes(damaged)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    again = bench.get(mirror.url, checksum=sha256)
    assert (again.from_cache, again.path.read_bytes()) == (False, content)
    assert bench.ui.texts("warn") == [f"{path} is not what it should be; fetching it again"]


def test_a_wrong_checksum_names_both_and_keeps_nothing(bench, mirror, sha256):
    wrong = "0" * 64
    with pytest.raises(DownloadError) as caught:
        bench.get(mirror.url, checksum=f"sha256:{wrong}")
    assert caught.value.message == (
        f"`{mirror.url}` is not the file that the template states: its sha256 is {sha256}, expected {wrong}"
    )
    assert caught.value.hint
    assert bench.store.objects() == []
    assert list((bench.store.root / "objects").iterdir()) == []


def test_the_list_of_checksums_may_be_anywhere(bench, mirror, sha256, tmp_path):
    (mirror.folder / "SHA256SUMS").write_text(f"{'0' * 64}  y.iso\n{sha256} *x.iso\n")
    (tmp_path / "SUMS").write_text(f"SHA256 (x.iso) = {sha256}\n")
    for place in (
        f"{mirror.server.url}/SHA256SUMS",
        "SUMS",
        "./SUMS",
        f"{tmp_path}/SUMS",
        f"//{tmp_path}/SUMS",
    ):
        assert bench.get(mirror.url, checksum=f"file:{place}").digest == sha256
    assert [r.path for r in mirror.asked].count("/x.iso") == 1


def test_lists_that_do_not_help(bench, mirror, tmp_path):
    (mirror.folder / "SUMS").write_text(f"{'0' * 64}  y.iso\n")
    with pytest.raises(DownloadError, match=r"`http.*/SUMS` has none for `x.iso`") as caught:
        bench.get(mirror.url, checksum=f"file:{mirror.server.url}/SUMS")
    assert caught.value.hint == "it names `y.iso`"
    with pytest.raises(DownloadError, match=r"cannot be read: the server has no such file \(404 Not Found\)"):
        bench.get(mirror.url, checksum=f"file:{mirror.server.url}/SUMS.asc")
    with pytest.raises(DownloadError, match="cannot be read: no such file or directory"):
        bench.get(mirror.url, checksum="file:missing")
    with pytest.raises(DownloadError, match="is not a checksum"):
        bench.get(mirror.url, checksum="sha3:00")


# ---- files on this machine ----


def test_a_local_file_is_used_where_it_is(bench, tmp_path, content, sha256):
    (tmp_path / "my isos").mkdir()
    path = tmp_path / "my isos" / "x.iso"
    path.write_bytes(content)
    for url in (str(path), "my isos/x.iso", f"file://{tmp_path}/my%20isos/x.iso", "file:my isos/x.iso"):
        retrieved = bench.get(url, checksum=sha256)
        assert (retrieved.path, retrieved.digest, retrieved.from_cache) == (path, sha256, False)
    assert bench.store.objects() == []


def test_a_local_file_is_verified_each_time(bench, tmp_path, content, sha256):
    path = tmp_path / "x.iso"
    path.write_bytes(content)
    bench.get(str(path), checksum=sha256)
    path.write_bytes(content[:-1] + b"!")
    with pytest.raises(DownloadError, match="is not the file that the template states"):
        bench.get(str(path), checksum=sha256)
    assert path.exists()


def test_local_files_that_cannot_be_used(bench, tmp_path):
    with pytest.raises(DownloadError, match=f"there is no file `{tmp_path}/missing.iso`"):
        bench.get("missing.iso")
    with pytest.raises(DownloadError, match=f"`{tmp_path}/cache` cannot be read: is a directory"):
        bench.get("cache")


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_without_permission(bench, tmp_path):
    (tmp_path / "x.iso").write_bytes(b"x")
    (tmp_path / "x.iso").chmod(0)
    with pytest.raises(DownloadError, match="cannot be read: permission denied"):
        bench.get("x.iso")


def test_an_unknown_kind_of_url(bench):
    with pytest.raises(DownloadError, match="`s3://` URLs cannot be fetched"):
        bench.get("s3://bucket/x.iso")


# ---- mirrors ----


def test_the_next_mirror_is_tried_and_the_reason_shown(bench, mirror, sha256, odd):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    dead = f"http://user:secret@127.0.0.1:{port}/x.iso?token=secret"
    retrieved = bench.get("missing.iso", dead, f"{mirror.server.url}/y.iso", mirror.url, checksum=sha256)
    assert retrieved.digest == sha256
    missing, refused, not_found = bench.ui.texts("warn")
    assert missing.startswith("there is no file `")
    assert refused == (
        f"`http://127.0.0.1:{port}/x.iso` could not be fetched: `127.0.0.1:{port}` refused the connection; "
        f"trying `{mirror.server.url}/y.iso`"
    )
    assert "the server has no such file (404 Not Found)" in not_found
    assert "secret" not in str(bench.ui.events)


def test_a_mirror_with_a_wrong_file_is_passed_over(bench, mirror, sha256):
    (mirror.folder / "wrong.iso").write_bytes(b"wrong")
    assert bench.get(f"{mirror.server.url}/wrong.iso", mirror.url, checksum=sha256).digest == sha256
    assert "is not the file that the template states" in bench.ui.texts("warn")[0]


def test_when_no_mirror_works_all_reasons_are_told(bench, mirror):
    with pytest.raises(DownloadError) as caught:
        bench.get(f"{mirror.server.url}/a.iso", "b.iso")
    assert caught.value.message.splitlines() == [
        "none of the 2 URLs could be used:",
        f"  `{mirror.server.url}/a.iso` could not be fetched: the server has no such file (404 Not Found)",
        f"  there is no file `{bench.base}/b.iso`",
    ]


@pytest.mark.parametrize(
    ("status", "reason", "requests"),
    [
        (403, "the server refuses access (403 Forbidden)", 1),
        (410, "the server has no such file (410 Gone)", 1),
        (503, "the server answered 503 Service Unavailable", 3),
        (204, "the server answered 204 No Content", 1),
    ],
)
def test_statuses(status, reason, requests, bench, odd):
    def serve(handler):
        handler.send_response(status)
        handler.end_headers()

    with odd(serve) as server, pytest.raises(DownloadError) as caught:
        bench.get(server.url)
    assert caught.value.message == f"`{server.url}` could not be fetched: {reason}"
    assert len(server.asked) == requests


def test_a_circle_of_redirects(bench, odd):
    def redirect(handler):
        handler.send_response(302)
        handler.send_header("Location", "/odd.iso")
        handler.end_headers()

    with odd(redirect) as server, pytest.raises(DownloadError, match="redirects in a circle"):
        bench.get(server.url)


def test_names_and_schemes_that_lead_nowhere(bench):
    with pytest.raises(DownloadError, match=r"the name `no-such-host.invalid` could not be resolved"):
        bench.get("http://no-such-host.invalid/x.iso")
    with pytest.raises(DownloadError, match="`` is not the name of a server"):
        bench.get("http:///x.iso")


def test_a_proxy_that_does_not_work(bench, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    with pytest.raises(DownloadError, match=r"the proxy for `example.com` does not work"):
        bench.get("http://example.com/x.iso")


def test_a_server_without_tls(bench, mirror):
    url = mirror.url.replace("http:", "https:")
    with pytest.raises(DownloadError, match=r"no secure connection to `127.0.0.1:"):
        bench.get(url)


# ---- downloads that break off ----


def part(handler, content, end=None, *, length=None, ranges=True):
    """Answer with the file from the asked start to `end`, and hang up."""
    asked = handler.headers.get("Range") if ranges else None
    start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked else 0
    handler.send_response(206 if asked else 200)
    if asked:
        handler.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
    handler.send_header("ETag", '"v1"')
    handler.send_header("Content-Length", str(len(content) - start if length is None else length))
    handler.end_headers()
    handler.wfile.write(content[start : len(content) if end is None else end])


def test_a_break_is_mended_with_a_range(bench, odd, content, sha256):
    ends = iter([1_000_000, 2_000_000, None])
    with odd(lambda handler: part(handler, content, next(ends))) as server:
        assert bench.get(server.url, checksum=sha256).digest == sha256
    assert [ask.get("Range") for ask in server.asked] == [None, "bytes=1000000-", "bytes=2000000-"]
    assert [ask.get("If-Range") for ask in server.asked] == [None, '"v1"', '"v1"']


def test_a_server_that_knows_no_ranges_sends_all_again(bench, odd, content, sha256):
    ends = iter([1_000_000, None])
    with odd(lambda handler: part(handler, content, next(ends), ranges=False)) as server:
        assert bench.get(server.url, checksum=sha256).digest == sha256
    assert len(server.asked) == 2


def test_a_server_that_always_breaks_off_is_given_up(bench, odd, content, sha256):
    with (
        odd(lambda handler: part(handler, content, 1_000_000)) as server,
        pytest.raises(DownloadError, match=r"the connection ended after 1,000,000 of 3,145,745 bytes|broke"),
    ):
        bench.get(server.url, checksum=sha256)
    assert len(server.asked) == 1 + bench.patience.attempts
    # what has arrived is kept for the next run
    assert [path.stat().st_size for path in bench.staged()] == [1_000_000]


def test_the_next_run_goes_on_where_the_last_broke_off(bench, odd, content, sha256, mirror):
    with odd(lambda handler: part(handler, content, 1_000_000)) as server, pytest.raises(DownloadError):
        bench.get(server.url, checksum=sha256)
    assert bench.get(mirror.url, checksum=sha256).path.read_bytes() == content
    assert [(r.status, r.bytes_sent) for r in mirror.asked] == [(206, len(content) - 1_000_000)]
    assert list((bench.store.root / "objects").iterdir()) == [bench.store.path_of(sha256, "iso")]


def test_a_complete_part_is_not_fetched_again(bench, odd, content, sha256, mirror):
    """As after a kill between the last byte and the rename."""
    bench.store.staged(f"sha256:{sha256}").write_bytes(content)
    assert bench.get(mirror.url, checksum=sha256).path.read_bytes() == content
    assert [r.status for r in mirror.asked] == [416]


@pytest.mark.parametrize("left", [b"garbage", b"x" * 4_000_000])
def test_a_wrong_part_is_noticed_and_all_fetched_again(left, bench, content, sha256, mirror):
    bench.store.staged(f"sha256:{sha256}").write_bytes(left)
    assert bench.get(mirror.url, checksum=sha256).path.read_bytes() == content
    assert mirror.asked[-1].status == 200


def test_without_a_checksum_parts_of_unknown_origin_are_not_trusted(bench, content, sha256, mirror):
    bench.store.staged(f"url:{mirror.url}").write_bytes(b"garbage")
    assert bench.get(mirror.url).digest == sha256
    assert [r.status for r in mirror.asked] == [200]


def test_without_a_checksum_a_new_version_is_not_mixed_with_the_old(bench, odd, content):
    versions = iter([b"old " * 1000, content])

    def serve(handler):
        version = next(versions)
        etag = '"new"' if version is content else '"old"'
        fits = handler.headers.get("If-Range") == etag
        handler.send_response(206 if fits else 200)
        handler.send_header("ETag", etag)
        handler.send_header("Content-Length", str(len(version)))
        handler.end_headers()
        handler.wfile.write(version if version is content else version[:1000])

    with odd(serve) as server:
        assert bench.get(server.url).path.read_bytes() == content
    assert server.asked[1]["If-Range"] == '"old"'


def test_a_length_that_is_too_short_is_noticed_by_the_checksum(bench, odd, content, sha256):
    def serve(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        handler.wfile.write(content)

    with odd(serve) as server, pytest.raises(DownloadError, match="is not the file that the template states"):
        bench.get(server.url, checksum=sha256)
    assert bench.staged() == []


def test_no_length_at_all(bench, odd, content, sha256):
    def serve(handler):
        handler.send_response(200)
        handler.end_headers()
        handler.wfile.write(content)

    with odd(serve) as server:
        assert bench.get(server.url, checksum=sha256).digest == sha256


def test_a_part_of_another_length_is_not_continued(bench, odd, content, sha256):
    """The server's file changed its size between two attempts."""
    answers = iter([content, content + b"more", content])
    ends = iter([1000, None, None])
    with odd(lambda handler: part(handler, next(answers), next(ends))) as server:
        assert bench.get(server.url, checksum=sha256).digest == sha256
    assert [ask.get("Range") for ask in server.asked] == [None, "bytes=1000-", None]


def test_compressed_transfer_is_not_asked_for(bench, odd, content, sha256):
    with odd(lambda handler: part(handler, content)) as server:
        bench.get(server.url, checksum=sha256)
    assert server.asked[0]["Accept-Encoding"] == "identity"
    assert server.asked[0]["User-Agent"].startswith("vmforge/")


def test_silence_ends_by_the_time_limit(bench, odd, content):
    silent = threading.Event()

    def serve(handler):
        part(handler, content, 200_000)
        handler.wfile.flush()
        silent.wait(20)

    try:
        with odd(serve) as server:
            patience = Patience(connect=5, read=0.1, attempts=1, pause=0)
            with pytest.raises(
                DownloadError, match=r"`127.0.0.1:\d+` sent nothing for 0.1 s after 1\d\d,\d{3} of"
            ):
                bench.get(server.url, patience=patience)
            silent.set()
    finally:
        silent.set()


# ---- being told to stop ----


def cancel_when(event, cancellation):
    """Cancel as soon as the event is set, on another thread."""
    stopper = threading.Thread(target=lambda: (event.wait(20), cancellation.cancel()))
    stopper.start()
    return stopper


def test_waiting_for_an_answer_ends_when_told(bench, odd):
    reached = threading.Event()

    def serve(handler):
        reached.set()
        bench.cancellation.wait(20)

    with odd(serve) as server:
        stopper = cancel_when(reached, bench.cancellation)
        with pytest.raises(Interrupted):
            bench.get(server.url, patience=Patience(read=20))
        stopper.join()


def test_a_stalled_download_ends_when_told_and_hangs_up(bench, odd, content):
    some_arrived, hung_up = threading.Event(), threading.Event()

    class Progress:
        def advance(self, amount):
            if amount:
                some_arrived.set()

        def __enter__(self):
            return self

        def __exit__(self, *exception):
            return None

    def serve(handler):
        part(handler, content, 200_000)
        handler.wfile.flush()
        if handler.connection.recv(1) == b"":
            hung_up.set()

    bench.ui.progress = lambda title, total: Progress()
    with odd(serve) as server:
        stopper = cancel_when(some_arrived, bench.cancellation)
        with pytest.raises(Interrupted):
            bench.get(server.url, patience=Patience(read=20))
        stopper.join()
        assert hung_up.wait(20)
    (staged,) = bench.staged()
    assert 0 < staged.stat().st_size <= 200_000


def test_hashing_ends_when_told(bench, tmp_path, content):
    (tmp_path / "x.iso").write_bytes(content)
    bench.cancellation.cancel()
    with pytest.raises(Interrupted):
        bench.get("x.iso")


# ---- no checksum ----


def test_without_a_checksum_the_server_is_asked_for_a_newer_version(bench, mirror, content):
    first = bench.get(mirror.url)
    assert bench.get(mirror.url).from_cache
    assert [r.method for r in mirror.asked] == ["GET", "HEAD"]
    (mirror.folder / "x.iso").write_bytes(b"new version")
    second = bench.get(mirror.url)
    assert (second.from_cache, second.path.read_bytes()) == (False, b"new version")
    assert first.path.read_bytes() == content


def test_without_a_checksum_and_without_the_server_the_copy_is_used(bench, mirror, sha256):
    bench.get(mirror.url)
    mirror.server.__exit__(None, None, None)
    again = bench.get(mirror.url)
    assert (again.digest, again.from_cache) == (sha256, True)
    assert "its server could not be asked for a newer one: `127.0.0.1" in bench.ui.texts("warn")[0]


# ---- iso_target_path ----


def test_a_target_path_is_used_instead_of_the_cache(bench, mirror, content, sha256, tmp_path):
    target = tmp_path / "deep" / "my.iso"
    first = bench.get(mirror.url, checksum=sha256, target_path=Path("deep/my.iso"))
    assert (first.path, first.digest, first.from_cache) == (target, sha256, False)
    assert bench.store.objects() == []
    assert [path.name for path in target.parent.iterdir()] == ["my.iso"]
    assert bench.get(mirror.url, checksum=sha256, target_path=target).from_cache
    target.write_bytes(b"something else")
    assert bench.get(mirror.url, checksum=sha256, target_path=target).path.read_bytes() == content


def test_a_target_path_without_a_checksum(bench, mirror, tmp_path):
    target = tmp_path / "my.iso"
    target.write_bytes(b"who knows")
    assert not bench.get(mirror.url, target_path=target).from_cache
    assert bench.get(mirror.url, target_path=target).from_cache


def test_a_target_path_that_cannot_be_written(bench, mirror, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(HostError, match=f"`{tmp_path}/file/my.iso` cannot be used"):
        bench.get(mirror.url, target_path=tmp_path / "file" / "my.iso")


# ---- several processes ----

FETCH = """
import sys
from pathlib import Path
from vmforge.cache import Store
from vmforge.media.iso_source import retrieve
from vmforge.sdk.cancellation import Cancellation
from vmforge.sdk.testing import RecordingUi

class Ui(RecordingUi):
    def message(self, text):
        print(text, flush=True)

url, checksum, cache = sys.argv[1:]
retrieved = retrieve([url], checksum, store=Store(Path(cache)), ui=Ui(), cancellation=Cancellation(),
                     base_dir=Path())
print(retrieved.digest, retrieved.from_cache, flush=True)
"""


def start(url: str, checksum: str, cache: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", FETCH, url, checksum, str(cache)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_two_processes_fetch_one_iso_once(odd, content, sha256, tmp_path):
    asked, release = threading.Event(), threading.Event()

    def serve(handler):
        asked.set()
        release.wait(60)
        part(handler, content)

    with odd(serve) as server, start(server.url, sha256, tmp_path) as first:
        assert asked.wait(60)
        with start(server.url, sha256, tmp_path) as second:
            assert second.stdout is not None
            waits = second.stdout.readline()
            release.set()
            outputs = [first.communicate()[0], second.communicate()[0]]
    assert waits == f"waiting for process {first.pid}, which is fetching or checking the same ISO\n"
    assert outputs[0].splitlines()[-1] == f"{sha256} False"
    assert outputs[1].splitlines()[-1] == f"{sha256} True"
    assert len(server.asked) == 1


def test_a_killed_download_is_continued_by_the_next_process(odd, content, sha256, tmp_path):
    """The lock of a killed process is free, and what it fetched is not fetched again."""
    killed = threading.Event()

    def serve(handler):
        if not killed.is_set():
            part(handler, content, 2_000_000)
            handler.wfile.flush()
            killed.wait(60)
        else:
            part(handler, content)

    with odd(serve) as server:
        with start(server.url, "none", tmp_path) as first:
            staged = Store(tmp_path).staged(f"url:{server.url}")
            while first.poll() is None and not (staged.exists() and staged.stat().st_size >= 1_900_000):
                threading.Event().wait(0.01)
            first.kill()
        killed.set()
        with start(server.url, "none", tmp_path) as second:
            output = second.communicate()[0]
    assert output.splitlines()[-1] == f"{sha256} False"
    assert server.asked[1]["Range"].removeprefix("bytes=").removesuffix("-").isdecimal()
    assert server.asked[1]["If-Range"] == '"v1"'


# ---- a full disk ----

ON_A_SMALL_DISK = """
import subprocess, sys
from pathlib import Path
from vmforge.cache import Store
from vmforge.errors import HostError
from vmforge.media.iso_source import retrieve
from vmforge.sdk.cancellation import Cancellation
from vmforge.sdk.testing import RecordingUi

url, small, cache = sys.argv[1], sys.argv[2], Path(sys.argv[3])
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(cache)], check=True)
def get(url, checksum="none"):
    return retrieve([url], checksum, store=Store(cache), ui=RecordingUi(), cancellation=Cancellation(),
                    base_dir=Path())
kept = get(small)
try:
    get(url)
except HostError as error:
    print(error.message)
print(get(small).from_cache)
"""


@pytest.mark.parametrize("length_known", [True, False])
def test_a_full_disk_names_the_bytes_and_loses_nothing(length_known, odd, content, mirror, tmp_path):
    def serve(handler):
        handler.send_response(200)
        if length_known:
            handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)

    namespace = ["unshare", "--user", "--map-root-user", "--mount"]
    if subprocess.run([*namespace, "true"], check=False).returncode != 0:
        pytest.skip("no user namespaces")
    (mirror.folder / "small.iso").write_bytes(bytes(100_000))
    (tmp_path / "disk").mkdir()
    with odd(serve) as server:
        command = [*namespace, sys.executable, "-c", ON_A_SMALL_DISK]
        command += [server.url, f"{mirror.server.url}/small.iso", str(tmp_path / "disk")]
        message, again = subprocess.run(
            command, capture_output=True, text=True, check=True
        ).stdout.splitlines()
    assert message.startswith(f"no space left in `{tmp_path}/disk")
    assert message.endswith("bytes are free")
    assert ("3,145,745 bytes are needed" in message) == length_known
    assert again == "True"


def test_a_cancelled_wait_for_the_lock_ends(bench, mirror, sha256):
    holder = Cancellation()
    with bench.store.lock(f"sha256:{sha256}", holder):
        waiting = threading.Event()
        bench.ui.message = lambda text: waiting.set()
        stopper = cancel_when(waiting, bench.cancellation)
        with pytest.raises(Interrupted):
            bench.get(mirror.url, checksum=sha256)
        stopper.join()
