"""The `vagrant-cloud` post-processor: uploads boxes to Vagrant Cloud, or to a server that speaks its API.

See https://developer.hashicorp.com/vagrant/vagrant-cloud/api/v2; version 1 of it knows no architectures.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from vmforge.errors import VmforgeError
from vmforge.post_processors.upload.http import HttpClient
from vmforge.post_processors.vagrant.boxes import Box
from vmforge.post_processors.vagrant_upload.config import (
    BoxUploadConfig,
    architecture_of,
    check_upload,
)
from vmforge.post_processors.vagrant_upload.release import Release, upload_boxes
from vmforge.post_processors.vagrant_upload.service import Service
from vmforge.sdk import (
    Artifact,
    BuildContext,
    PostProcessor,
    Problem,
    Processed,
    Secret,
    option,
)
from vmforge.sdk.network import RemoteInput, RemoteKind

BUILDER_ID = "pearkes.post-processor.vagrant-cloud"
DEFAULT_URL = "https://vagrantcloud.com/api/v2"
_TOKEN_VARIABLES = ("VAGRANT_CLOUD_TOKEN", "ATLAS_TOKEN")
_NAME = "Vagrant Cloud"


@dataclass(frozen=True, kw_only=True)
class VagrantCloudConfig(BoxUploadConfig):
    """The options of the `vagrant-cloud` post-processor."""

    access_token: Secret = option(
        Secret(""), help="The token to log in with; else `VAGRANT_CLOUD_TOKEN` of the environment."
    )
    vagrant_cloud_url: str = option(
        DEFAULT_URL, help="Another server with the same API; without a token when that asks for none."
    )
    insecure_skip_tls_verify: bool = option(
        False, help="Do not check the certificate of the server at `vagrant_cloud_url`."
    )

    @property
    def token(self) -> str:
        """The token of the template, else of the environment."""
        found = (os.environ.get(name, "") for name in _TOKEN_VARIABLES)
        return self.access_token.value or next(filter(None, found), "")


class VagrantCloudPostProcessor(PostProcessor[VagrantCloudConfig]):
    """Uploads boxes to Vagrant Cloud."""

    config_type = VagrantCloudConfig
    summary = "uploads Vagrant boxes to Vagrant Cloud or a server with its API"

    @classmethod
    def check(cls, config: VagrantCloudConfig) -> Iterable[Problem]:
        yield from check_upload(config)
        if urlsplit(config.vagrant_cloud_url).scheme not in ("http", "https"):
            summary = f"`{config.vagrant_cloud_url}` is not the URL of a server"
            yield Problem(summary, option="vagrant_cloud_url", hint=f"write it as in `{DEFAULT_URL}`")
        if config.vagrant_cloud_url == DEFAULT_URL:
            if not config.token:
                hint = "set `access_token`, or `VAGRANT_CLOUD_TOKEN` in the environment"
                yield Problem("there is no token for Vagrant Cloud", option="access_token", hint=hint)
            if config.insecure_skip_tls_verify:
                summary = "Vagrant Cloud's own certificate is checked all the same"
                yield Problem(summary, option="insecure_skip_tls_verify", warning=True)

    @classmethod
    def remote_inputs(cls, config: VagrantCloudConfig) -> Iterable[RemoteInput]:
        yield RemoteInput(RemoteKind.UPLOAD, "the upload of the boxes", (config.vagrant_cloud_url,))

    def process(self, context: BuildContext, artifact: Artifact) -> Processed:
        context.network.locate(self.config.vagrant_cloud_url)
        config, token = self.config, self.config.token
        context.redact([token] if token else [])
        verify = not config.insecure_skip_tls_verify or config.vagrant_cloud_url == DEFAULT_URL
        client = HttpClient(context.cancellation, verify=verify)
        service = Service(_NAME, config.vagrant_cloud_url, client, context.cancellation)
        service.token = token
        release = _Release(config, context, service)
        return upload_boxes(release, config, artifact, context, BUILDER_ID)


class _Release(Release):
    """One version of a box on the server."""

    def __init__(self, config: VagrantCloudConfig, context: BuildContext, service: Service) -> None:
        user, name = config.user_and_name
        self._config = config
        self._box = f"/box/{user}/{name}"
        super().__init__(config, context, service, f"{self._box}/version/{config.version}")
        self._has_architectures = not config.vagrant_cloud_url.rstrip("/").endswith("/v1")

    def prepare(self) -> None:
        """Have the version there. The box itself must be, as who may see it is not ours to say."""
        if self._service.find(self._box) is None:
            hint = "make it on the server's web page, or correct `box_tag`"
            raise VmforgeError(f"there is no box `{self._config.box_tag}`, or it is not yours", hint=hint)
        found = self._service.find(self._version)
        if found is not None:
            self._is_released = found.get("status") == "active"
            return
        version = {"version": self._config.version, "description": self._config.version_description}
        self._service.post(f"{self._box}/versions", {"version": version})
        self._context.ui.message(f"made version {self._config.version}")

    def add(self, box: Box, url: str) -> None:
        """Have the provider there, and its box uploaded unless it lies at `url`."""
        architecture = architecture_of(self._config, box) if self._has_architectures else ""
        place = f"{self._version}/provider/{box.provider}" + (f"/{architecture}" if architecture else "")
        provider = self._provider(box, architecture, url)
        if self._service.find(place) is None:
            self._service.post(f"{self._version}/providers", {"provider": provider})
        else:
            self._service.put(place, {"provider": provider})
        if not url:
            self._upload(box, place)

    def _provider(self, box: Box, architecture: str, url: str) -> dict[str, object]:
        provider: dict[str, object] = {"name": box.provider}
        if architecture:
            provider["architecture"] = architecture
        if self._config.default_architecture and architecture:
            provider["default_architecture"] = architecture == self._config.default_architecture
        if self._config.box_checksum:
            provider["checksum_type"], provider["checksum"] = self._config.checksum
        return provider | ({"url": url} if url else {})

    def _upload(self, box: Box, place: str) -> None:
        target, _ = self.send(box, f"{place}/upload/direct", f"{place}/upload", "upload_path")
        if target.get("callback"):
            self._service.call_back(str(target["callback"]))
