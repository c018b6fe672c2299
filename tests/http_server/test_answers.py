"""What the answers say: bodies, ranges, types, and the record of each request."""

from __future__ import annotations

import hashlib
import http.client
from queue import Queue

import pytest
from hypothesis import given
from hypothesis import strategies as st

from http_server import Request, Server
from http_server.ranges import Unsatisfiable, parse_range


def test_get_and_head(folder, get):
    expected = (folder / "big.bin").read_bytes()
    with Server(folder) as server:
        response, body = get(server, "/big.bin")
        assert response.status == 200
        assert hashlib.sha256(body).digest() == hashlib.sha256(expected).digest()
        head, nothing = get(server, "/big.bin", "HEAD")
        assert nothing == b""
        assert head.headers["Content-Length"] == str(len(expected))
        assert head.headers["ETag"] == response.headers["ETag"]
        assert head.headers["Last-Modified"] == response.headers["Last-Modified"]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("ks.cfg", "text/plain; charset=utf-8"),
        ("site.ks", "text/plain; charset=utf-8"),
        ("user.yaml", "text/plain; charset=utf-8"),
        ("meta-data", "text/plain; charset=utf-8"),
        ("agama.json", "application/json"),
        ("autoyast.xml", "text/xml; charset=utf-8"),
        ("vmlinuz", "application/octet-stream"),
        ("x.ISO", "application/x-iso9660-image"),
    ],
)
def test_content_types(name, kind, get):
    body = b"\x7fELF\0" if name == "vmlinuz" else b"plain"
    with Server(content={name: body}) as server:
        assert get(server, f"/{name}")[0].headers["Content-Type"] == kind


def test_text_that_is_cut_inside_a_character_is_text(get):
    with Server(content={"/user-data": "x" + "ä" * 1000}) as server:
        assert get(server, "/user-data")[0].headers["Content-Type"].startswith("text/plain")


def test_contents(get):
    with Server(
        content={"/ks.cfg": "text", "user-data": b"bytes", "/a/b.cfg": "deep", "/": "root"}
    ) as server:
        assert get(server, "/ks.cfg")[1] == b"text"
        assert get(server, "/user-data?x=1")[1] == b"bytes"
        assert get(server, "/a/../a/b.cfg")[1] == b"deep"
        assert get(server, "/")[1] == b"root"
        assert get(server, "/a/")[0].status == 404
        assert get(server, "/ks.cfg", headers={"Range": "bytes=1-2"})[1] == b"ex"


@pytest.mark.parametrize(
    ("header", "start", "end"),
    [("bytes=10-19", 10, 20), ("bytes=1048570-", 1048570, None), ("bytes=-5", -5, None)],
)
def test_ranges(header, start, end, folder, get):
    whole = (folder / "big.bin").read_bytes()
    with Server(folder) as server:
        response, body = get(server, "/big.bin", headers={"Range": header})
        assert response.status == 206
        assert body == whole[start:end]
        first = start % len(whole)
        assert response.headers["Content-Range"] == f"bytes {first}-{first + len(body) - 1}/{len(whole)}"


def test_a_range_behind_the_end(folder, get):
    with Server(folder) as server:
        response, _ = get(server, "/big.bin", headers={"Range": "bytes=1048576-"})
    assert response.status == 416
    assert response.headers["Content-Range"] == "bytes */1048576"


@pytest.mark.parametrize("header", ["bytes=0-1,5-6", "bytes=9-3", "bytes=-", "lines=1-2", "bytes=a-b"])
def test_a_range_that_may_be_ignored_is(header, folder, get):
    with Server(folder) as server:
        response, body = get(server, "/preseed.cfg", headers={"Range": header})
    assert (response.status, len(body)) == (200, (folder / "preseed.cfg").stat().st_size)


def test_if_range(folder, get):
    with Server(folder) as server:
        headers = get(server, "/big.bin", "HEAD")[0].headers
        for condition in (headers["ETag"], headers["Last-Modified"]):
            ask = {"Range": "bytes=5-", "If-Range": condition}
            assert get(server, "/big.bin", headers=ask)[0].status == 206
        (folder / "big.bin").write_bytes(b"something else")
        response, body = get(server, "/big.bin", headers={"Range": "bytes=5-", "If-Range": headers["ETag"]})
        assert (response.status, body) == (200, b"something else")


@given(
    st.binary(max_size=60), st.one_of(st.none(), st.integers(0, 70)), st.one_of(st.none(), st.integers(0, 70))
)
def test_a_range_is_a_slice(data: bytes, first: int | None, last: int | None) -> None:
    header = f"bytes={'' if first is None else first}-{'' if last is None else last}"
    if first is None:
        expected = data[max(0, len(data) - (last or 0)) :]
    else:
        expected = data[first : None if last is None else last + 1]
    try:
        part = parse_range(header, len(data))
    except Unsatisfiable:
        assert expected == b""
        return
    if part is not None:
        assert data[part.start : part.start + part.length] == expected
        assert part.size == len(data)


def test_what_was_asked_is_told(folder, get):
    told: list[Request] = []
    telling: Queue[Request] = Queue()
    asked = [
        ("/preseed.cfg", "GET", {}),
        ("/preseed.cfg", "HEAD", {}),
        ("/big.bin", "GET", {"Range": "bytes=0-99"}),
        ("/deep", "GET", {}),
        ("/deep/a%20b&c.txt", "POST", {}),
    ]
    with Server(folder, on_request=telling.put) as server:
        for path, method, headers in asked:
            get(server, path, method, headers=headers)
            told.append(telling.get(timeout=10))  # which comes after the answer
    size = (folder / "preseed.cfg").stat().st_size
    assert [(r.method, r.path, r.status) for r in told] == [
        ("GET", "/preseed.cfg", 200),
        ("HEAD", "/preseed.cfg", 200),
        ("GET", "/big.bin", 206),
        ("GET", "/deep", 301),
        ("POST", "/deep/a%20b&c.txt", 405),
    ]
    assert [r.bytes_sent for r in told[:3]] == [size, 0, 100]
    assert {r.client for r in told} == {"127.0.0.1"}


@pytest.mark.parametrize(
    ("asked", "near"),
    [
        ("/presed.cfg", "/preseed.cfg"),
        ("/http/preseed.cfg", "/preseed.cfg"),
        ("/PRESEED.CFG", "/preseed.cfg"),
        ("/user_data", "/user-data"),
        ("/site/index.html", "/deep/site/index.html"),
        ("/zzzzzzzz", None),
    ],
)
def test_a_404_names_the_nearest_file(asked, near, folder, get):
    told: list[Request] = []
    with Server(folder, on_request=told.append) as server:
        response, body = get(server, asked)
    assert response.status == 404
    assert told[0].nearest == near
    hint = f"\ndid you mean `{near}`?\n" if near else "\n"
    assert body.decode() == f"404 Not Found: there is no file `{asked}`{hint}"


def test_a_404_names_the_nearest_content(get):
    told: list[Request] = []
    with Server(content={"/ks.cfg": "x", "/other": "y"}, on_request=told.append) as server:
        assert b"did you mean `/ks.cfg`?" in get(server, "/ks.cgf")[1]
    assert told[0].nearest == "/ks.cfg"


def test_the_record_has_no_control_characters(folder, get):
    told: list[Request] = []
    with Server(folder, on_request=told.append) as server:
        get(server, "/%1b%5b31mred%ff")
    assert told[0].path == "/\N{REPLACEMENT CHARACTER}[31mred\N{REPLACEMENT CHARACTER}"


def test_a_request_with_a_body_ends_the_connection(folder):
    with Server(folder) as server:
        connection = http.client.HTTPConnection(server.host, server.port, timeout=20)
        connection.request("GET", "/preseed.cfg", body=b"GET /user-data HTTP/1.1\r\n\r\n")
        response = connection.getresponse()
        response.read()
        assert response.will_close or connection.sock is None or connection.sock.recv(1) == b""
        connection.close()


def test_two_requests_on_one_connection(folder):
    with Server(folder) as server:
        connection = http.client.HTTPConnection(server.host, server.port, timeout=20)
        for _ in range(2):
            connection.request("GET", "/preseed.cfg")
            assert connection.getresponse().read() == (folder / "preseed.cfg").read_bytes()
        connection.close()
