"""Which files a request can reach, and that it reaches no others."""

from __future__ import annotations

import http.client
import os
import socket
import urllib.parse
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from http_server import Server
from http_server.site import FolderSite, Resource, clean_path

ESCAPES = [
    "/../secret.txt",
    "/%2e%2e/secret.txt",
    "/%2E%2E%2fsecret.txt",
    "/deep/../../secret.txt",
    "/deep/..%2f..%2fsecret.txt",
    "/..\\secret.txt",
    "/..%5csecret.txt",
    "/deep/%2e%2e%5c..%5csecret.txt",
    "//../secret.txt",
    "/./.././secret.txt",
    "/secret.txt%00.cfg",
    "http://elsewhere/../secret.txt",
]


@pytest.mark.parametrize("target", ESCAPES)
def test_no_path_leads_out(target, folder, get):
    with Server(folder) as server:
        response, body = get(server, target)
    assert response.status == 404
    assert b"out of bounds" not in body


def test_dots_are_resolved_inside(folder, get):
    with Server(folder) as server:
        assert get(server, "/deep/../../../preseed.cfg")[0].status == 200
        assert get(server, "/deep/./%2e%2e/user%2Ddata?query#fragment")[0].status == 200
        assert get(server, "http://10.0.2.2/preseed.cfg")[0].status == 200


def test_links_are_followed_inside_only(folder, get):
    (folder / "ks.cfg").symlink_to("preseed.cfg")
    (folder / "stolen.txt").symlink_to(folder.parent / "secret.txt")
    (folder / "up").symlink_to(folder.parent)
    (folder / "circle").symlink_to("circle")
    with Server(folder) as server:
        assert get(server, "/ks.cfg")[1] == (folder / "preseed.cfg").read_bytes()
        for target in ("/stolen.txt", "/up/secret.txt", "/up/"):
            response, body = get(server, target)
            assert response.status == 403
            assert b"leads out of the served folder" in body
        assert get(server, "/circle")[0].status == 404
        # what cannot be served is not proposed either
        assert b"did you mean" not in get(server, "/stolen.tx")[1]


def test_only_regular_files_are_served(folder, get):
    os.mkfifo(folder / "pipe")
    with Server(folder) as server:
        assert get(server, "/pipe")[0].status == 404
        assert get(server, "/preseed.cfg/")[0].status == 404
        assert get(server, "/" + "x" * 5000)[0].status == 404


def test_folders(folder, get):
    with Server(folder) as server:
        response, _ = get(server, "/deep")
        assert (response.status, response.headers["Location"]) == (301, "deep/")
        assert get(server, "/deep/site/")[1] == b"<p>index</p>"
        response, listing = get(server, "/deep/")
        assert response.headers["Content-Type"] == "text/html; charset=utf-8"
        assert b'<a href="a%20b%26c.txt">a b&amp;c.txt</a>' in listing
        assert b'<a href="site/">site/</a>' in listing
        assert b".." not in get(server, "/")[1]


def test_a_listing_links_to_what_it_lists(folder, get):
    for name in ("semi;colon", "perc%41ent", "quest?ion", 'quo"te', "col:on", "sharp#", "ünï", "<tag>"):
        (folder / "deep" / name).write_text(name)
    with Server(folder) as server:
        listing = get(server, "/deep/")[1].decode()
        targets = [line.split('"')[1] for line in listing.splitlines() if line.startswith("<a")]
        assert len(targets) == 10
        for target in targets:
            url = urllib.parse.urljoin(f"{server.url}/deep/", target)
            assert get(server, url.removeprefix(server.url))[0].status == 200


@given(st.text())
def test_a_clean_path_is_absolute_and_has_no_dots(target: str) -> None:
    path = clean_path(target)
    if path is not None:
        assert path.startswith("/")
        assert not {"..", "."} & set(path.split("/"))
        assert "\0" not in path
        assert "\\" not in path


PARTS = ["..", ".", "%2e%2e", "%2f", "/", "//", "deep", "up", "in", "secret.txt", "%5c", "%00", "~"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(parts=st.lists(st.sampled_from(PARTS), max_size=9))
def test_what_is_found_is_inside(tmp_path: Path, parts: list[str]) -> None:
    root = tmp_path / "http"
    if not root.exists():
        (root / "deep").mkdir(parents=True)
        (tmp_path / "secret.txt").write_text("out of bounds")
        (root / "deep" / "secret.txt").write_text("fine")
        (root / "up").symlink_to("..")
        (root / "in").symlink_to("deep")
    path = clean_path("/".join(parts))
    found = FolderSite(root).find(path) if path is not None else None
    if isinstance(found, Resource):
        with found.stream:
            assert found.stream.seek(0) == 0
            assert found.stream.read() != b"out of bounds"


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(garbage=st.binary(max_size=200))
def test_garbage_gets_an_answer_or_none_but_never_the_secret(
    server_of_garbage: Server, garbage: bytes
) -> None:
    with socket.create_connection((server_of_garbage.host, server_of_garbage.port), timeout=20) as client:
        client.sendall(garbage + b"\r\n\r\n")
        client.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: client.recv(4096), b""))
    assert b"out of bounds" not in answer
    # and the server lives on
    connection = http.client.HTTPConnection(server_of_garbage.host, server_of_garbage.port, timeout=20)
    connection.request("GET", "/preseed.cfg")
    assert connection.getresponse().status == 200
    connection.close()


@pytest.fixture
def server_of_garbage(folder):
    with Server(folder) as server:
        yield server
