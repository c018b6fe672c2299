"""The `vagrant-registry` post-processor: uploads boxes to the HCP Vagrant Box Registry.

The API is `cloud-vagrant-box-registry` of 2022-09-30, as HashiCorp's SDK describes it
(https://github.com/hashicorp/hcp-sdk-go); it logs in with a service principal's OAuth 2 credentials.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

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

BUILDER_ID = "hashicorp.post-processor.vagrant-registry"
_NAME = "HCP Vagrant Box Registry"
_API = "/vagrant/2022-09-30/registry"
_AUDIENCE = "https://api.hashicorp.cloud"


@dataclass(frozen=True, kw_only=True)
class VagrantRegistryConfig(BoxUploadConfig):
    """The options of the `vagrant-registry` post-processor."""

    client_id: str = option(
        "", help="The service principal's client ID; else `HCP_CLIENT_ID` of the environment."
    )
    client_secret: Secret = option(
        Secret(""), help="The service principal's secret; else `HCP_CLIENT_SECRET` of the environment."
    )
    box_description: str = option("", help="What the box is, in short; noted when the box is made.")
    box_private: bool = option(False, help="Make the box, if it is not there, for your organization only.")
    hcp_api_address: str = option("api.cloud.hashicorp.com", help="The API's server, with a port if need be.")
    hcp_auth_url: str = option("https://auth.idp.hashicorp.com", help="The URL of the server to log in at.")
    insecure_skip_tls_verify: bool = option(
        False, help="Do not check certificates, for servers other than HashiCorp's."
    )

    @property
    def api_url(self) -> str:
        """The API's server."""
        address = self.hcp_api_address
        return address if "://" in address else f"https://{address}"

    @property
    def credentials(self) -> tuple[str, str]:
        """The ID and the secret of the template, else of the environment."""
        secret = self.client_secret.value or os.environ.get("HCP_CLIENT_SECRET", "")
        return self.client_id or os.environ.get("HCP_CLIENT_ID", ""), secret


class VagrantRegistryPostProcessor(PostProcessor[VagrantRegistryConfig]):
    """Uploads boxes to the HCP Vagrant Box Registry."""

    config_type = VagrantRegistryConfig
    summary = "uploads Vagrant boxes to the HCP Vagrant Box Registry"

    @classmethod
    def check(cls, config: VagrantRegistryConfig) -> Iterable[Problem]:
        yield from check_upload(config)
        for value, name in zip(config.credentials, ("client_id", "client_secret"), strict=True):
            if not value:
                hint = f"set `{name}`, or `HCP_{name.upper()}` in the environment"
                yield Problem("there is no login for the HCP Vagrant Box Registry", option=name, hint=hint)

    @classmethod
    def remote_inputs(cls, config: VagrantRegistryConfig) -> Iterable[RemoteInput]:
        yield RemoteInput(RemoteKind.UPLOAD, "the upload of the boxes", (config.api_url,))

    def process(self, context: BuildContext, artifact: Artifact) -> Processed:
        context.network.locate(self.config.api_url)
        config = self.config
        release = _Release(config, context, _log_in(config, context))
        return upload_boxes(release, config, artifact, context, BUILDER_ID)


def _log_in(config: VagrantRegistryConfig, context: BuildContext) -> Service:
    """The registry's API, with a token that is good for an hour."""
    client_id, secret = config.credentials
    context.redact([secret])
    client = HttpClient(context.cancellation, verify=not config.insecure_skip_tls_verify)
    login = Service(_NAME, config.hcp_auth_url, client, context.cancellation)
    fields = {
        "client_id": client_id,
        "client_secret": secret,
        "grant_type": "client_credentials",
        "audience": _AUDIENCE,
    }
    token = login.text(login.post_form("/oauth2/token", fields), "access_token")
    context.redact([token])
    service = Service(_NAME, config.api_url + _API, client, context.cancellation)
    service.token = token
    return service


class _Release(Release):
    """One version of a box in the registry. What is not there yet is made."""

    def __init__(self, config: VagrantRegistryConfig, context: BuildContext, service: Service) -> None:
        user, name = config.user_and_name
        self._config = config
        self._registry = f"/{user}"
        self._box = f"/{user}/box/{name}"
        super().__init__(config, context, service, f"{self._box}/version/{config.version}")

    def prepare(self) -> None:
        """Have the box and the version there."""
        config = self._config
        _, name = config.user_and_name
        box = {"name": name, "is_private": config.box_private, "short_description": config.box_description}
        self._make(self._box, f"{self._registry}/boxes", box, f"made the box `{config.box_tag}`")
        version = {"name": config.version, "description": config.version_description}
        found = self._make(self._version, f"{self._box}/versions", version, f"made version {config.version}")
        state = found.get("version")
        self._is_released = isinstance(state, dict) and state.get("state") in ("RELEASED", "ACTIVE")

    def _make(self, place: str, folder: str, document: Mapping[str, object], told: str) -> dict[str, object]:
        """What is at a place, or what was made there."""
        found = self._service.find(place)
        if found is not None:
            return found
        made = self._service.post(folder, document)
        self._context.ui.message(told)
        return made

    def add(self, box: Box, url: str) -> None:
        """Have provider and architecture there, and the box uploaded unless it lies at `url`."""
        architecture = architecture_of(self._config, box)
        provider = f"{self._version}/provider/{box.provider}"
        told = f"made provider {box.provider}"
        self._make(provider, f"{self._version}/providers", {"name": box.provider}, told)
        place = f"{provider}/architecture/{architecture}"
        document = self._architecture(architecture, url)
        if self._service.find(place) is None:
            self._service.post(f"{provider}/architectures", document)
        else:
            self._service.put(place, document)
        if not url:
            self._upload(box, place)

    def _architecture(self, architecture: str, url: str) -> dict[str, object]:
        data: dict[str, object] = {}
        if self._config.box_checksum:
            kind, digest = self._config.checksum
            data |= {"checksum_type": kind.upper(), "checksum": digest}
        if url:
            data["download_url"] = url
        document: dict[str, object] = {"architecture_type": architecture, "box_data": data}
        if self._config.default_architecture:
            document["default"] = architecture == self._config.default_architecture
        return document

    def _upload(self, box: Box, place: str) -> None:
        target, direct = self.send(box, f"{place}/direct/upload", f"{place}/upload", "url")
        if direct:
            self._service.put(f"{place}/direct/complete/{self._service.text(target, 'object')}")
