"""How a guest in Google Cloud is reached: its SSH keys, its password, its address, a tunnel."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from vmforge.builders.googlecompute.account import Service
from vmforge.builders.googlecompute.bodies import metadata_body
from vmforge.builders.googlecompute.compute import Compute, rest_for
from vmforge.builders.googlecompute.config import GoogleComputeConfig
from vmforge.builders.googlecompute.login import Login
from vmforge.builders.googlecompute.os_login import Profile
from vmforge.builders.googlecompute.tunnel import Leading, Tunnel, require_gcloud
from vmforge.builders.googlecompute.windows import METADATA_KEY, SERIAL_PORT, PasswordRequest
from vmforge.errors import CommunicatorError, MachineError
from vmforge.sdk import BuildContext, Endpoint
from vmforge.sdk.cloud import Leftover, Resource, RunMark

_SSH_KEYS = "ssh-keys"
_TUNNEL_SECONDS, _WINRM_TUNNEL_SECONDS = 30.0, 40.0


class Reaching:
    """The ways to one instance; `path` is the instance's."""

    def __init__(
        self, config: GoogleComputeConfig, context: BuildContext, login: Login, compute: Compute, path: str
    ) -> None:
        self._config, self._context, self._login = config, context, login
        self._compute, self._path = compute, path
        self._tunnel: Tunnel | None = None
        rests = [rest_for(config, login, context, service) for service in (Service.OS_LOGIN, Service.OAUTH2)]
        self._profile = Profile(rests[0], rests[1], login, config.project_id)

    def examine(self) -> None:
        """Raise `HostError` when a program is missing."""
        if self._config.use_iap:
            require_gcloud()

    # --- SSH keys

    @property
    def _key(self) -> str:
        """The line of the metadata's `ssh-keys` that lets the build in; empty when there is none to add."""
        data = self._context.data
        public = data.get("SSHPublicKey", "").strip()
        return f"{data.get('User', '')}:{public}" if public and not self._config.use_os_login else ""

    @property
    def _adds_key_late(self) -> bool:
        return bool(self._key) and self._config.wait_to_add_ssh_keys.seconds > 0

    def first_metadata(self, items: Mapping[str, str]) -> dict[str, str]:
        """What the instance's metadata needs from the start, beside `items`."""
        if self._config.use_os_login:
            return {"enable-oslogin": "TRUE"}
        if not self._key or self._adds_key_late:
            return {}
        return {_SSH_KEYS: "\n".join(filter(None, [items.get(_SSH_KEYS, ""), self._key]))}

    def add_late_key(self) -> None:
        """With `wait_to_add_ssh_keys`: wait so long, and add the key."""
        if self._adds_key_late:
            self._context.cancellation.wait(self._config.wait_to_add_ssh_keys.seconds)
            self._add_metadata(_SSH_KEYS, self._key)

    def _add_metadata(self, key: str, line: str) -> None:
        """Add a line to an item of the instance's metadata."""
        metadata = self._compute.get(self._path).get("metadata") or {}
        items = {item["key"]: item.get("value", "") for item in metadata.get("items") or ()}
        items[key] = "\n".join(filter(None, [items.get(key, ""), line]))
        body = metadata_body(items) | {"fingerprint": metadata.get("fingerprint", "")}
        self._compute.change(f"{self._path}/setMetadata", body)

    def os_login_key(self, mark: RunMark) -> Resource[str]:
        """The key in the profile of the account that asks, whose user becomes the build's."""

        def add() -> str:
            place, user = self._profile.add(self._context.data["SSHPublicKey"], mark)
            self._context.data["User"] = user
            return place

        return Resource("Adding the key to OS Login", "OS Login key", add, self._profile.remove)

    def leftover_keys(self) -> Iterator[Leftover]:
        for place, mark in self._profile.marked():
            yield Leftover("OS Login key", place, mark, partial(self._profile.remove, place))

    # --- password, tunnel

    def resources(self) -> Iterator[Resource[Any]]:
        data = self._context.data
        if data.get("ConnType") == "winrm" and not data.get("WinRMPassword"):
            yield Resource(
                "Asking the guest for a password", "password", self._ask_password, lambda none: None
            )
        if self._config.use_iap:
            yield Resource("Opening the tunnel", "tunnel", self._open_tunnel, Tunnel.close)

    def _ask_password(self) -> None:
        request = PasswordRequest(self._context.data["User"])
        self._add_metadata(METADATA_KEY, request.metadata)

        def look() -> str | None:
            said = self._compute.get(f"{self._path}/serialPort", port=SERIAL_PORT).get("contents") or ""
            try:
                return request.answer_in(said)
            except ValueError as error:
                raise MachineError(f"the guest gives out no password: {error}") from None

        password = self._compute.wait(
            look,
            "the guest to give out a password",
            limit=self._config.windows_password_timeout.seconds,
            hint="raise `windows_password_timeout`; the guest needs Google's guest agent",
        )
        self._context.redact([password])
        self._context.data.update(Password=password, WinRMPassword=password)

    def _open_tunnel(self) -> Tunnel:
        config, connector = self._config, self._context.connector
        leading = Leading(
            instance=self._path.rpartition("/")[2],
            port=connector.port,
            local_port=config.iap_localhost_port or _free_port(),
            project=config.project_id,
            zone=config.zone,
        )
        usual = _WINRM_TUNNEL_SECONDS if self._context.data.get("ConnType") == "winrm" else _TUNNEL_SECONDS
        tunnel = Tunnel(leading, self._token_file())
        tunnel.open(self._context.cancellation, config.iap_tunnel_launch_wait or usual)
        self._tunnel = tunnel
        return tunnel

    def _token_file(self) -> Path | None:
        """A file with the build's own token, where its options say who asks; else `gcloud` logs in itself."""
        if not self._config.names_login and not self._config.impersonate_service_account:
            return None
        path = self._context.scratch / "google-token"
        path.touch(mode=0o600)
        path.write_text(self._login.token(), encoding="ascii")
        return path

    # --- address

    def endpoint(self, instance: Mapping[str, Any]) -> Endpoint:
        """Where the guest listens. Raises `CommunicatorError` while it has no address."""
        connector = self._context.connector
        if self._tunnel is not None:
            return Endpoint("127.0.0.1", self._tunnel.leading.local_port)
        if connector.host:
            return Endpoint(connector.host, connector.port)
        (interface, *_) = instance.get("networkInterfaces") or [{}]
        outside = next((access.get("natIP") for access in interface.get("accessConfigs") or ()), None)
        address = interface.get("networkIP") if self._config.use_internal_ip else outside
        if not address:
            raise CommunicatorError("the instance has no address yet")
        return Endpoint(str(address), connector.port)

    def close(self) -> None:
        for rest in (self._profile.rest, self._profile.oauth2):
            rest.close()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])
