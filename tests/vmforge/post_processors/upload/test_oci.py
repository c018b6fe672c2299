"""Uploads to a real registry, read back by its own interface and by skopeo."""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import subprocess
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vmforge.errors import HostError
from vmforge.sdk import Artifact

MANIFEST = "application/vnd.oci.image.manifest.v1+json"


def get(registry: Any, path: str, login: str = "") -> bytes:
    request = urllib.request.Request(f"http://127.0.0.1:{registry.port}/v2/{path}")
    request.add_header("Accept", MANIFEST)
    if login:
        request.add_header("Authorization", "Basic " + base64.b64encode(login.encode()).decode())
    with urllib.request.urlopen(request) as answer:
        return bytes(answer.read())


def test_files_and_their_manifest(
    upload: Callable[..., Artifact], registry: Any, disk: Path, tmp_path: Path
) -> None:
    other = tmp_path / "efivars.fd"
    other.write_bytes(b"vars")
    made = upload(disk, other, urls=[f"{registry.url}/images/debian:12"])
    manifest = json.loads(get(registry, "images/debian/manifests/12"))
    assert (manifest["artifactType"], manifest["mediaType"]) == (
        "application/vnd.vmforge.machine-image.v1",
        MANIFEST,
    )
    for layer, path in zip(manifest["layers"], (disk, other), strict=True):
        contents = path.read_bytes()
        assert layer["digest"] == f"sha256:{hashlib.sha256(contents).hexdigest()}"
        assert layer["size"] == len(contents)
        assert layer["annotations"] == {"org.opencontainers.image.title": path.name}
        assert get(registry, f"images/debian/blobs/{layer['digest']}") == contents
    assert made.id == f"{registry.url}/images/debian:12"


def test_skopeo_reads_it(upload: Callable[..., Artifact], registry: Any, disk: Path, tmp_path: Path) -> None:
    if shutil.which("skopeo") is None:
        pytest.skip("`skopeo` is not installed")
    upload(disk, urls=[f"{registry.url}/images"])
    copied = tmp_path / "copied"
    source = f"docker://127.0.0.1:{registry.port}/images:latest"
    command = ["skopeo", "copy", "-q", "--src-tls-verify=false", source, f"dir:{copied}"]
    subprocess.run(command, check=True, capture_output=True)
    digest = hashlib.sha256(disk.read_bytes()).hexdigest()
    assert (copied / digest).read_bytes() == disk.read_bytes()


def test_what_is_there_is_not_sent_again(upload: Callable[..., Artifact], registry: Any, disk: Path) -> None:
    upload(disk, urls=[f"{registry.url}/images:1"])
    stored = next(registry.folder.rglob(f"{hashlib.sha256(disk.read_bytes()).hexdigest()}/data"))
    written = stored.stat().st_mtime_ns
    upload(disk, urls=[f"{registry.url}/images:2"])
    assert stored.stat().st_mtime_ns == written
    assert get(registry, "images/manifests/1") == get(registry, "images/manifests/2")


def test_logins(upload: Callable[..., Artifact], locked_registry: Any, disk: Path, tmp_path: Path) -> None:
    url = f"{locked_registry.url}/images"
    with pytest.raises(HostError, match="the server refuses access"):
        upload(disk, urls=[url])
    upload(disk, urls=[f"{url}:option"], username="me", password="sesame")
    login = base64.b64encode(b"me:sesame").decode()
    auths = {"auths": {f"127.0.0.1:{locked_registry.port}": {"auth": login}}}
    (tmp_path / "config.json").write_text(json.dumps(auths))
    upload(disk, urls=[f"{url}:file"])
    tags = json.loads(get(locked_registry, "images/tags/list", "me:sesame"))
    assert sorted(tags["tags"]) == ["file", "option"]


def test_a_token(monkeypatch: pytest.MonkeyPatch, upload: Callable[..., Artifact], disk: Path) -> None:
    """The token that a registry asks for is had from its server, with the user's password."""
    from vmforge.post_processors.upload import http

    asked: list[tuple[str, str, str]] = []

    def send(
        self: object, method: str, url: str, *, auth: Any = None, body: Any = None, **rest: Any
    ) -> http.Answer:
        header = _authorization(auth)
        asked.append((method, url, header))
        if url.startswith("https://auth.example.org/"):
            return http.Answer(200, b'{"token": "t0ken"}')
        if header != "Bearer t0ken":
            challenge = 'Bearer realm="https://auth.example.org/token",service="r",scope="repository:a:push"'
            return http.Answer(401, headers={"www-authenticate": challenge})
        return http.Answer(200 if method == "HEAD" else 201)

    monkeypatch.setattr(http.HttpClient, "send", send)
    upload(disk, urls=["oci://registry.example.org/a:b"], username="me", password="sesame")
    token = "https://auth.example.org/token?service=r&scope=repository%3Aa%3Apush"
    assert asked[1] == ("GET", token, "Basic " + base64.b64encode(b"me:sesame").decode())
    assert asked[-1] == ("PUT", "https://registry.example.org/v2/a/manifests/b", "Bearer t0ken")


def _authorization(auth: Any) -> str:
    import requests

    if auth is None:
        return ""
    return str(auth(requests.Request("GET", "http://x").prepare()).headers["Authorization"])


def test_a_server_that_is_no_registry(upload: Callable[..., Artifact], put_server: Any, disk: Path) -> None:
    url = put_server.url.replace("http", "oci+http")
    with pytest.raises(HostError, match="the server answered 501"):
        upload(disk, urls=[f"{url}/images"])
