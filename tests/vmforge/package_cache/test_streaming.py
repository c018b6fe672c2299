"""Bodies on their way: joined, in parts, chunked, broken off, and ended with the build."""

from __future__ import annotations

import http.client
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from vmforge.package_cache.proxy import Proxy

MIRROR, TAGGED = "http://mirror.test", {"ETag": '"1"'}
DEB = "/debian/pool/main/h/hello/hello_2.10-3_amd64.deb"
BODY = bytes(range(256)) * 4000


def begin(proxy: Proxy, path: str, headers: dict[str, str] | None = None) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=30)
    connection.request("GET", MIRROR + path, headers=headers or {})
    return connection.getresponse()


def kept(proxy: Proxy, settle: Any) -> list[str]:
    settle(proxy)
    return [entry.url for entry in proxy.cache.shelf.entries()]


def leftovers(proxy: Proxy) -> list[Path]:
    return list((proxy.cache.shelf.root / "objects").iterdir())


def test_requests_for_one_url_are_one_fetch_that_all_see_grow(settle: Any, proxy: Proxy, mirror: Any) -> None:
    gate = threading.Event()
    mirror.pages[DEB] = mirror.page(BODY, gate=gate)
    responses = [begin(proxy, DEB) for _ in range(4)]
    half = len(BODY) // 2
    # the mirror holds the other half back
    assert all(response.read(half) == BODY[:half] for response in responses)
    gate.set()
    assert all(response.read() == BODY[half:] for response in responses)
    assert mirror.asked == [f"GET {DEB}"]
    proxy.__exit__(None, None, None)
    assert proxy.counts().from_mirrors == len(BODY) and proxy.counts().served == 4 * len(BODY)
    assert kept(proxy, settle) == [MIRROR + DEB]


def test_many_at_once(ask: Any, proxy: Proxy, mirror: Any) -> None:
    paths = [f"/pool/p_{number}_all.deb" for number in range(8)]
    for number, path in enumerate(paths):
        mirror.pages[path] = mirror.page(BODY + bytes([number]))
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda path: ask(proxy, path).body, paths * 4))
    assert answers == [BODY + bytes([number]) for number in range(8)] * 4
    assert sorted(mirror.asked) == [f"GET {path}" for path in paths]


def test_a_range_of_what_is_being_fetched(proxy: Proxy, mirror: Any) -> None:
    gate = threading.Event()
    mirror.pages[DEB] = mirror.page(BODY, gate=gate)
    whole = begin(proxy, DEB)
    first, last = begin(proxy, DEB, {"Range": "bytes=10-19"}), begin(proxy, DEB, {"Range": "bytes=-5"})
    assert first.status == last.status == 206
    assert (first.headers["Content-Range"], first.read()) == (f"bytes 10-19/{len(BODY)}", BODY[10:20])
    gate.set()
    assert last.read() == BODY[-5:] and whole.read() == BODY
    assert mirror.asked == [f"GET {DEB}"]


@pytest.mark.parametrize(
    ("headers", "status", "body"),
    [
        ({"Range": "bytes=2-4"}, 206, b"234"),
        ({"Range": "bytes=-3"}, 206, b"789"),
        ({"Range": "bytes=0-1,3-4"}, 200, b"0123456789"),
        ({"Range": "bytes=2-4", "If-Range": '"1"'}, 206, b"234"),
        ({"Range": "bytes=2-4", "If-Range": '"other"'}, 200, b"0123456789"),
        ({"Range": "bytes=2-4", "If-Range": 'W/"1"'}, 200, b"0123456789"),
        ({"If-None-Match": '"0", W/"1"'}, 304, b""),
        ({"If-None-Match": '"0"'}, 200, b"0123456789"),
        ({"If-Modified-Since": "Sat, 17 May 2025 09:00:00 GMT"}, 304, b""),
        ({"If-Modified-Since": "Sat, 17 May 2025 07:00:00 GMT"}, 200, b"0123456789"),
        ({"If-Modified-Since": "tomorrow"}, 200, b"0123456789"),
        (
            {"If-None-Match": '"0"', "If-Modified-Since": "Sat, 17 May 2025 09:00:00 GMT"},
            200,
            b"0123456789",
        ),
    ],
)
def test_conditions_and_ranges_are_answered_from_the_cache(
    ask: Any, proxy: Proxy, mirror: Any, headers: dict[str, str], status: int, body: bytes
) -> None:
    validators = {"ETag": '"1"', "Last-Modified": "Sat, 17 May 2025 08:00:00 GMT"}
    mirror.pages[DEB] = mirror.page(b"0123456789", validators)
    ask(proxy, DEB)
    answer = ask(proxy, DEB, headers)
    assert (answer.status, answer.body) == (status, body)
    assert len(mirror.requests) == 1


def test_a_range_behind_the_end(ask: Any, proxy: Proxy, mirror: Any) -> None:
    mirror.pages[DEB] = mirror.page(b"0123456789")
    for _ in range(2):
        answer = ask(proxy, DEB, {"Range": "bytes=10-"})
        assert (answer.status, answer.headers["Content-Range"]) == (416, "bytes */10")


def test_head(ask: Any, proxy: Proxy, mirror: Any) -> None:
    mirror.pages[DEB] = mirror.page(b"0123456789", {"Content-Type": "application/x-deb"})
    missed = ask(proxy, DEB, method="HEAD")
    ask(proxy, DEB)
    hit = ask(proxy, DEB, method="HEAD")
    for answer in (missed, hit):
        assert answer.headers.get_all("Content-Length") == ["10"] and not answer.body
        assert answer.headers["Content-Type"] == "application/x-deb"
    assert mirror.asked == [f"HEAD {DEB}", f"GET {DEB}"]


def test_a_chunked_body(ask: Any, proxy: Proxy, mirror: Any) -> None:
    mirror.pages[DEB] = mirror.page(BODY, chunked=True)
    first, second = ask(proxy, DEB), ask(proxy, DEB)
    assert first.body == second.body == BODY
    assert first.headers["Transfer-Encoding"] == "chunked" and "Content-Length" not in first.headers
    assert second.headers["Content-Length"] == str(len(BODY))


def test_an_empty_body(ask: Any, proxy: Proxy, mirror: Any) -> None:
    mirror.pages |= {DEB: mirror.page(b""), DEB + "2": mirror.page(b"", chunked=True)}
    for path in (DEB, DEB + "2"):
        assert ask(proxy, path).body == ask(proxy, path).body == b""


@pytest.mark.parametrize("validator", [TAGGED, {"Last-Modified": "Sat, 17 May 2025 08:00:00 GMT"}, {}])
def test_a_body_that_breaks_off_is_gone_on_with(
    settle: Any, ask: Any, proxy: Proxy, mirror: Any, validator: dict[str, str]
) -> None:
    mirror.pages[DEB] = mirror.page(BODY, validator, cuts=[1000, 0, 5000])
    assert ask(proxy, DEB).body == BODY
    ranges = [headers["Range"] for _, _, headers in mirror.requests]
    assert ranges == [None, "bytes=1000-", "bytes=1000-", "bytes=6000-"]
    assert mirror.requests[1][2]["If-Range"] == next(iter(validator.values()), None)
    assert kept(proxy, settle) == [MIRROR + DEB]


@pytest.mark.parametrize(
    ("path", "page"),
    [
        (DEB, {"body": BODY, "cuts": [1000], "knows_ranges": False}),
        (DEB, {"body": BODY, "cuts": [1000, 0, 0, 0, 0]}),
        ("/InRelease", {"body": BODY, "cuts": [1000]}),
        (DEB, {"body": BODY, "cuts": [1000], "chunked": True}),
    ],
    ids=["no ranges", "never more", "may have changed", "chunked"],
)
def test_a_body_that_stays_broken_breaks_the_clients_connection(
    settle: Any, ask: Any, proxy: Proxy, mirror: Any, path: str, page: dict[str, Any]
) -> None:
    made = mirror.pages[path] = mirror.page(**page)
    with pytest.raises(http.client.IncompleteRead):
        begin(proxy, path).read()
    assert not kept(proxy, settle) and not leftovers(proxy)
    del made.cuts[:]
    assert ask(proxy, path).body == BODY


def test_connections_are_kept_on_both_sides(settle: Any, proxy: Proxy, mirror: Any) -> None:
    client = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=30)
    for number in range(4):
        path = f"/pool/p_{number}_all.deb"
        mirror.pages[path] = mirror.page(b"body", chunked=number % 2 == 1)
        client.request("GET", MIRROR + path)
        assert client.getresponse().read() == b"body"
        settle(proxy)
    assert client.sock is not None and len(mirror.connections) == 1


def test_a_kept_connection_that_the_mirror_closed(ask: Any, proxy: Proxy, mirror: Any) -> None:
    mirror.pages |= {DEB: mirror.page(b"one"), DEB + "2": mirror.page(b"two")}
    ask(proxy, DEB)
    mirror.connections[0].shutdown(socket.SHUT_RDWR)
    assert ask(proxy, DEB + "2").body == b"two"


def test_pipelined_requests_are_answered_in_order(proxy: Proxy, mirror: Any) -> None:
    for number in range(5):
        mirror.pages[f"/{number}"] = mirror.page(b"<%d>" % number)
    requests = b"".join(b"GET %s/%d HTTP/1.1\r\nHost: x\r\n\r\n" % (MIRROR.encode(), n) for n in range(5))
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=30) as client:
        client.sendall(requests)
        said = b""
        while b"<4>" not in said:
            said += client.recv(65536)
    assert said.count(b"HTTP/1.1 200") == 5
    assert [said.index(b"<%d>" % n) for n in range(5)] == sorted(said.index(b"<%d>" % n) for n in range(5))


def test_an_old_client_learns_the_end_from_the_connection(proxy: Proxy, mirror: Any) -> None:
    mirror.pages[DEB] = mirror.page(b"0123456789", chunked=True)
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=30) as client:
        client.sendall(f"GET {MIRROR}{DEB} HTTP/1.0\r\n\r\n".encode())
        said = b""
        while chunk := client.recv(65536):
            said += chunk
    assert said.endswith(b"\r\n\r\n0123456789") and b"chunked" not in said


def test_a_client_that_hangs_up_does_not_end_the_fetch(settle: Any, proxy: Proxy, mirror: Any) -> None:
    gate = threading.Event()
    mirror.pages[DEB] = mirror.page(BODY, gate=gate)
    response = begin(proxy, DEB)
    response.read(10)
    response.close()
    gate.set()
    assert kept(proxy, settle) == [MIRROR + DEB]


def test_the_end_of_a_build_ends_its_clients_at_once(settle: Any, start: Any, mirror: Any) -> None:
    proxy, gate = start(), threading.Event()
    mirror.pages[DEB] = mirror.page(BODY, gate=gate)
    response = begin(proxy, DEB)
    response.read(10)
    proxy.__exit__(None, None, None)
    with pytest.raises(http.client.IncompleteRead):
        response.read()
    # nobody waits for the mirror, which still holds the rest back
    proxy.cache.__exit__(None, None, None)
    assert not kept(proxy, settle) and not leftovers(proxy)
