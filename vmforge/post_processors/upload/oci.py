"""Uploads to registries of container images, as artifacts that `oras pull` and `skopeo` fetch.

The protocol is that of https://github.com/opencontainers/distribution-spec (v1.1, "Push"), the manifest
that of https://github.com/opencontainers/image-spec (v1.1, "Guidelines for Artifact Usage").
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urljoin

from vmforge.post_processors.upload.destination import Destination, Scheme, Transfer
from vmforge.post_processors.upload.http import Answer, Auth, FileBody, HttpClient, authorization
from vmforge.post_processors.upload.transport import Delivery, TransferFailed, UploadConfig

ARTIFACT_TYPE = "application/vnd.vmforge.machine-image.v1"
MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
_EMPTY_TYPE = "application/vnd.oci.empty.v1+json"
_EMPTY = b"{}"
_FILE_TYPE = "application/octet-stream"
_TITLE = "org.opencontainers.image.title"
_PARAMETER = re.compile(r'(\w+)="([^"]*)"')


def upload_oci(transfer: Transfer, delivery: Delivery) -> None:
    """Push the files and the manifest that names them; what the registry has already is not sent.

    The tag appears with the manifest, when all is there. Raises `TransferFailed`.
    """
    registry = _Registry(transfer.destination, delivery)
    registry.push_bytes(_EMPTY)
    for path in transfer.files:
        registry.push_file(path, delivery.digests[path])
    registry.push_manifest(manifest(transfer, delivery))


def manifest(transfer: Transfer, delivery: Delivery) -> bytes:
    """The manifest of files, each a layer with its name in an annotation. Equal files, equal manifests."""
    layers = [
        {
            "mediaType": _FILE_TYPE,
            "digest": f"sha256:{delivery.digests[path]}",
            "size": path.stat().st_size,
            "annotations": {_TITLE: path.name},
        }
        for path in transfer.files
    ]
    document = {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "artifactType": ARTIFACT_TYPE,
        "config": {"mediaType": _EMPTY_TYPE, "digest": _digest(_EMPTY), "size": len(_EMPTY)},
        "layers": layers,
    }
    return json.dumps(document, separators=(",", ":")).encode()


class _Registry:
    """One repository of a registry, and the login that it asked for."""

    def __init__(self, destination: Destination, delivery: Delivery) -> None:
        scheme = "http" if destination.scheme is Scheme.OCI_HTTP else "https"
        self._base = f"{scheme}://{destination.server}/v2{destination.path}"
        self._tag = destination.tag
        self._delivery = delivery
        verify = not delivery.config.insecure_skip_tls_verify
        self._client = HttpClient(delivery.context.cancellation, verify=verify)
        self._login = _login(delivery.config, destination)
        self._auth: Auth | None = None

    def push_bytes(self, blob: bytes) -> None:
        if not self._has(_digest(blob)):
            self._push(_digest(blob), blob)

    def push_file(self, path: Path, sha256: str) -> None:
        digest = f"sha256:{sha256}"
        if self._has(digest):
            self._delivery.advance(path.stat().st_size)
            return
        self._push(digest, FileBody(path, self._delivery.context.cancellation, self._delivery.advance))

    def push_manifest(self, text: bytes) -> None:
        url = f"{self._base}/manifests/{self._tag}"
        answer = self._send("PUT", url, text, {"Content-Type": MANIFEST_TYPE})
        answer.require(HTTPStatus.CREATED, HTTPStatus.OK, HTTPStatus.ACCEPTED)

    def _has(self, digest: str) -> bool:
        answer = self._send("HEAD", f"{self._base}/blobs/{digest}")
        if answer.status != HTTPStatus.NOT_FOUND:
            answer.require(HTTPStatus.OK)
        return answer.status == HTTPStatus.OK

    def _push(self, digest: str, body: bytes | FileBody) -> None:
        begun = self._send("POST", f"{self._base}/blobs/uploads/", b"")
        begun.require(HTTPStatus.ACCEPTED)
        location = urljoin(self._base, begun.headers.get("location", ""))
        url = f"{location}{'&' if '?' in location else '?'}{urlencode({'digest': digest})}"
        answer = self._send("PUT", url, body, {"Content-Type": "application/octet-stream"})
        answer.require(HTTPStatus.CREATED, HTTPStatus.NO_CONTENT)

    def _send(
        self,
        method: str,
        url: str,
        body: bytes | FileBody | None = None,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        """Send a request, and once more with the login that the registry asks for."""
        answer = self._client.send(method, url, headers=headers, body=body, auth=self._auth)
        if answer.status == HTTPStatus.UNAUTHORIZED:
            self._auth = self._authorize(answer.headers.get("www-authenticate", ""))
            answer = self._client.send(method, url, headers=headers, body=body, auth=self._auth)
        return answer

    def _authorize(self, challenge: str) -> Auth | None:
        """What the challenge asks for: the user's password, or a token that is had for it.

        See https://distribution.github.io/distribution/spec/auth/token/.
        """
        basic = authorization(*self._login, "")
        if not challenge.lower().startswith("bearer"):
            return basic
        asked = dict(_PARAMETER.findall(challenge))
        realm = asked.pop("realm", "")
        if not realm:
            raise TransferFailed("the registry asks for a token, but does not say whence")
        asked.pop("error", None)
        answer = self._client.send("GET", f"{realm}?{urlencode(asked)}", auth=basic)
        answer.require(HTTPStatus.OK)
        try:
            given = json.loads(answer.body)
            token = str(given.get("token") or given["access_token"])
        except (ValueError, KeyError, AttributeError):
            raise TransferFailed("the registry's token cannot be read") from None
        self._delivery.context.redact([token])
        return authorization("", "", token)


def _login(config: UploadConfig, destination: Destination) -> tuple[str, str]:
    """The user and password: of the options, of the URL, of `podman login` or `docker login`."""
    if config.username:
        return config.username, config.password.value
    if destination.user:
        return destination.user, destination.password
    for path in _login_files():
        try:
            auths: Any = json.loads(path.read_text(encoding="utf-8")).get("auths", {})
            encoded = auths[destination.server]["auth"]
            user, _, password = base64.b64decode(encoded).decode().partition(":")
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            continue
        return user, password
    return "", ""


def _login_files() -> Iterator[Path]:
    """Where the login may be, see containers-auth.json(5)."""
    environment = os.environ
    if own := environment.get("REGISTRY_AUTH_FILE"):
        yield Path(own)
    if runtime := environment.get("XDG_RUNTIME_DIR"):
        yield Path(runtime, "containers/auth.json")
    yield Path(environment.get("DOCKER_CONFIG") or Path.home() / ".docker", "config.json")


def _digest(blob: bytes) -> str:
    return f"sha256:{hashlib.sha256(blob).hexdigest()}"
