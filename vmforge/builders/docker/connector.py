"""The communicator `docker` as a component. It is loaded with every template, and so loads little itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vmforge.errors import VmforgeError
from vmforge.sdk import BuildContext, Communicator, Config, Connector, Endpoint

if TYPE_CHECKING:
    from vmforge.builders.docker.config import DockerConfig
    from vmforge.builders.docker.container import Container


@dataclass(frozen=True, kw_only=True)
class DockerConnectorConfig(Config):
    """Its options are the builder's."""


class DockerConnector(Connector[DockerConnectorConfig]):
    """Talks to a container through the engine that runs it."""

    config_type = DockerConnectorConfig
    summary = "runs commands in a container by the engine's `exec`, and copies files by its archives"
    needs_network = False

    @property
    def port(self) -> int:
        return 0

    @property
    def host(self) -> str:
        return ""

    def prepare(self, context: BuildContext) -> dict[str, str]:
        return {"ConnType": "docker"}

    def connect(
        self, context: BuildContext, endpoint: Callable[[], Endpoint], *, time_scale: float = 1.0
    ) -> Communicator:
        raise VmforgeError(
            f"the builder `{context.builder_type}` runs no container",
            hint='use the builder `docker`, or `communicator = "ssh"`',
        )

    def attach(self, context: BuildContext, container: Container, config: DockerConfig) -> Communicator:
        """The communicator of a container that runs. `build.User` is who its commands run as."""
        from vmforge.builders.docker.communicator import DockerCommunicator

        # programs that come by SSH (Ansible, say) look for that user's home folder
        named = config.exec_user or str(container.inspect()["Config"].get("User") or "")
        user = named.partition(":")[0]
        context.data["User"] = "root" if user in ("", "0") and not config.windows_container else user
        return DockerCommunicator(context, container, config)
