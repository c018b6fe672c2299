"""The `null` builder: provisions a host that exists already, and leaves nothing behind."""

from __future__ import annotations

from dataclasses import dataclass

from vmforge.errors import VmforgeError
from vmforge.sdk import Artifact, BuildContext, Builder, Communicator, Config, Endpoint, FileArtifact
from vmforge.sdk.connection import Connection


@dataclass(frozen=True, kw_only=True)
class NullConfig(Config):
    """Has no options of its own; the communicator's say where the host is."""


@dataclass
class _Host:
    communicator: Communicator


class NullBuilder(Builder[NullConfig]):
    config_type = NullConfig
    builder_id = "fnoeding.null"
    summary = "provisions an existing host over the communicator; makes no image"

    def build(self, context: BuildContext) -> Artifact | None:
        connector = context.connector
        context.data.update(connector.prepare(context))
        if connector.needs_network:
            if not connector.host:
                option = f"{context.data.get('ConnType', 'ssh')}_host"
                raise VmforgeError("the host to provision is not known", hint=f"set `{option}`")
            context.data["Host"], context.data["Port"] = connector.host, str(connector.port)
            communicator = context.steps.enter(
                "Connecting to the host",
                Connection(context, lambda: Endpoint(connector.host, connector.port)),
            )
        else:
            communicator = connector.connect(context, lambda: Endpoint("", 0))
        context.provision(_Host(communicator))
        connector.finish(context, communicator)
        return FileArtifact(self.builder_id, "Null", (), "Did not export anything. This is the null builder")
