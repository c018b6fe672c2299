"""The WinRM communicator as a component: what templates get to know, and how it connects."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from vmforge.communicators.winrm.config import WinRmConfig, problems
from vmforge.sdk import BuildContext, Communicator, Connector, Endpoint, Problem, Secret


class WinRmConnector(Connector[WinRmConfig]):
    """Connects over WinRM."""

    config_type = WinRmConfig
    summary = "talks to a Windows guest over WinRM (HTTP or HTTPS, Basic or NTLM)"

    @classmethod
    def check(cls, config: WinRmConfig) -> Iterable[Problem]:
        return problems(config)

    @property
    def port(self) -> int:
        return self.config.port

    @property
    def host(self) -> str:
        return self.config.winrm_host

    def prepare(self, context: BuildContext) -> dict[str, str]:
        """Returns `ConnType`, `User`, `Password` and `WinRMPassword`."""
        password = self.config.winrm_password.value
        return {
            "ConnType": "winrm",
            "User": self.config.winrm_username,
            "Password": password,
            "WinRMPassword": password,
        }

    def connect(
        self, context: BuildContext, endpoint: Callable[[], Endpoint], *, time_scale: float = 1.0
    ) -> Communicator:
        """Wait until the guest lets the user in; `winrm_timeout` is multiplied by `time_scale`. Without a
        `winrm_password` the one in `context.data["WinRMPassword"]` is used: a cloud told the builder."""
        from vmforge.communicators.winrm.communicator import WinRmCommunicator
        from vmforge.communicators.winrm.dialer import Dialer

        password = self.config.winrm_password or Secret(context.data.get("WinRMPassword", ""))
        dialer = Dialer(replace(self.config, winrm_password=password), context, endpoint, time_scale)
        limit = (self.config.winrm_timeout * time_scale).seconds
        session = dialer.dial(limit)
        pause = self.config.pause_before_connecting
        if pause.seconds > 0:
            context.ui.message(f"WinRM: waiting {pause} before connecting anew")
            context.cancellation.wait(pause.seconds)
            session = dialer.dial(limit)
        return WinRmCommunicator(context, dialer, session)
