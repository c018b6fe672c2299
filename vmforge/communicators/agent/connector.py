"""The guest agent's communicator as a component: its options, and the wait for the agent."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from vmforge.communicators.agent.communicator import AgentCommunicator
from vmforge.communicators.agent.dialer import Dialer
from vmforge.errors import VmforgeError
from vmforge.sdk import (
    BuildContext,
    Communicator,
    Config,
    Connector,
    Duration,
    Endpoint,
    GuestAgent,
    Problem,
    option,
)


@dataclass(frozen=True, kw_only=True)
class AgentConfig(Config):
    """All options of the agent's communicator."""

    agent_timeout: Duration = option(
        Duration(300), help="How long to wait until the guest's agent answers.", affects_image=False
    )


class AgentConnector(Connector[AgentConfig]):
    """Talks to `qemu-ga` in the guest through the hypervisor."""

    config_type = AgentConfig
    summary = "talks to QEMU's agent in the guest through the hypervisor; needs no network"
    needs_network = False
    needs_agent = True

    @classmethod
    def check(cls, config: AgentConfig) -> Iterable[Problem]:
        if config.agent_timeout.seconds <= 0:
            yield Problem("`agent_timeout` leaves no time", "agent_timeout", hint="write a time such as `5m`")

    @property
    def port(self) -> int:
        return 0

    @property
    def host(self) -> str:
        return ""

    def prepare(self, context: BuildContext) -> dict[str, str]:
        """Returns `ConnType` and `User`: the agent runs everything as the system's own user."""
        return {"ConnType": "agent", "User": "root"}

    def connect(
        self, context: BuildContext, endpoint: Callable[[], Endpoint], *, time_scale: float = 1.0
    ) -> Communicator:
        """Wait until the agent answers; `agent_timeout` is multiplied by `time_scale`."""
        dialer = Dialer(_agent_of(context), context, endpoint)
        guest = dialer.dial((self.config.agent_timeout * time_scale).seconds)
        return AgentCommunicator(context, dialer, guest)


def _agent_of(context: BuildContext) -> GuestAgent:
    if context.agent is None:
        raise VmforgeError(
            f"the builder `{context.builder_type}` gives no way to the guest's agent",
            hint='use the `qemu` builder, or `communicator = "ssh"`',
        )
    return context.agent
