"""Uploads by HTTP PUT, to a real server with faults on order."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vmforge.errors import HostError
from vmforge.sdk import Artifact
from vmforge.sdk.testing import RecordingUi


def test_a_file_with_its_checksums(upload: Callable[..., Artifact], put_server: Any, disk: Path) -> None:
    made = upload(disk, urls=[f"{put_server.url}/{{{{ .BuildName }}}}/"])
    (request,) = put_server.received
    digest = hashlib.sha256(disk.read_bytes())
    assert request.path == "/base/disk%201.qcow2"
    assert request.body == disk.read_bytes()
    assert request.headers["x-checksum-sha256"] == digest.hexdigest()
    assert request.headers["content-digest"] == f"sha-256=:{base64.b64encode(digest.digest()).decode()}:"
    assert "transfer-encoding" not in request.headers
    assert (made.files, made.state) == ((), {"urls": (f"{put_server.url}/base/disk%201.qcow2",)})
    assert str(made) == f"uploaded to: {put_server.url}/base/disk%201.qcow2"


def test_logins(upload: Callable[..., Artifact], put_server: Any, tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_text("x")
    in_url = put_server.url.replace("//", "//you:open%20up@")
    upload(file, urls=[f"{put_server.url}/"], username="me", password="sesame")
    upload(file, urls=[f"{put_server.url}/"], token="t0ken", headers={"X-Api-Key": "abc"})
    made = upload(file, urls=[f"{in_url}/"])
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login net password rc\n")
    upload(file, urls=[f"{put_server.url}/"])
    upload(file, urls=[f"{put_server.url}/"], token="t0ken")
    sent = [request.headers["authorization"] for request in put_server.received]
    logins = ["me:sesame", "you:open up", "net:rc"]
    basic = ["Basic " + base64.b64encode(login.encode()).decode() for login in logins]
    assert sent == [basic[0], "Bearer t0ken", basic[1], basic[2], "Bearer t0ken"]
    assert put_server.received[1].headers["x-api-key"] == "abc"
    assert "open up" not in str(made) and "open%20up" not in str(made)


def test_another_attempt(
    upload: Callable[..., Artifact], put_server: Any, disk: Path, ui: RecordingUi
) -> None:
    put_server.answers += [(503, {}), (0, {})]
    upload(disk, urls=[f"{put_server.url}/x"])
    assert put_server.received[-1].body == disk.read_bytes()
    told = [text for text in ui.texts("message") if "trying again" in text]
    assert told == [
        f"`{put_server.url}/x`: the server answered 503 Service Unavailable: no room for it; trying again",
        f"`{put_server.url}/x`: the connection broke; trying again",
    ]


def test_the_body_is_sent_again_after_a_redirect(
    upload: Callable[..., Artifact], put_server: Any, disk: Path
) -> None:
    put_server.answers.append((307, {"Location": "/elsewhere"}))
    upload(disk, urls=[f"{put_server.url}/x"])
    assert [request.path for request in put_server.received] == ["/x", "/elsewhere"]
    assert put_server.received[1].body == disk.read_bytes()


@pytest.mark.parametrize(
    ("status", "expected", "hint"),
    [
        (401, "the server refuses access (401 Unauthorized)", "`~/.netrc`"),
        (413, "the server answered 413 Request Entity Too Large: no room for it", "`upload` again"),
    ],
)
def test_what_does_not_pass_is_not_tried_again(
    upload: Callable[..., Artifact], put_server: Any, disk: Path, status: int, expected: str, hint: str
) -> None:
    put_server.answers += [(status, {})] * 9
    with pytest.raises(HostError) as caught:
        upload(disk, urls=[f"{put_server.url}/x"])
    assert expected in caught.value.message
    assert hint in caught.value.hint
    assert len(put_server.received) == 1


def test_attempts(upload: Callable[..., Artifact], put_server: Any, disk: Path) -> None:
    put_server.answers += [(500, {})] * 9
    with pytest.raises(HostError, match="500 Internal Server Error"):
        upload(disk, urls=[f"{put_server.url}/x"], attempts=2)
    assert len(put_server.received) == 2


def test_a_certificate_that_nobody_signed(
    upload: Callable[..., Artifact], tls_server: Any, disk: Path
) -> None:
    with pytest.raises(HostError, match="the server's certificate is not valid"):
        upload(disk, urls=[f"{tls_server.url}/x"])
    upload(disk, urls=[f"{tls_server.url}/x"], insecure_skip_tls_verify=True)
    assert tls_server.received[-1].body == disk.read_bytes()


def test_nobody_listens(upload: Callable[..., Artifact], disk: Path) -> None:
    with pytest.raises(HostError, match="the server refused the connection"):
        upload(disk, urls=["http://127.0.0.1:1/x"], attempts=1)
