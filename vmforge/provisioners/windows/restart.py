"""The `windows-restart` provisioner: restarts the guest and waits until it is up again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from vmforge.provisioners.windows.rebooting import Rebooting
from vmforge.provisioners.windows.texts import literal
from vmforge.sdk import BuildContext, Config, Duration, Machine, Problem, Provisioner, option

RESTART_COMMAND = 'shutdown /r /f /t 0 /c "packer restart"'

_SERVICING = r"HKLM:\SOFTWARE\Microsoft\Windows\CurrentVersion\Component Based Servicing"
_PENDING = tuple(rf"{_SERVICING}\{name}" for name in ("RebootPending", "PackagesPending", "RebootInProgress"))


@dataclass(frozen=True, kw_only=True)
class WindowsRestartConfig(Config):
    """The options of the `windows-restart` provisioner."""

    restart_command: str = option(RESTART_COMMAND, help="The command that restarts the guest.")
    restart_check_command: str = option(
        "", help="A command that is run, once the guest is up again, until it ends with status 0."
    )
    restart_timeout: Duration = option(
        Duration(300), help="How long all of it may take.", affects_image=False
    )
    check_registry: bool = option(
        False, help="Wait until none of the `registry_keys` exists: until Windows has completed its updates."
    )
    registry_keys: tuple[str, ...] = option(
        _PENDING, help="The keys that `check_registry` looks for, as PowerShell names them (`HKLM:\\...`)."
    )


class WindowsRestartProvisioner(Provisioner[WindowsRestartConfig]):
    """Restarts the guest."""

    config_type = WindowsRestartConfig
    summary = "restarts a Windows guest and waits until it is up again"

    @classmethod
    def check(cls, config: WindowsRestartConfig) -> Iterable[Problem]:
        if not config.restart_command:
            yield Problem("`restart_command` is empty", "restart_command", hint=f"write `{RESTART_COMMAND}`")
        if config.restart_timeout.seconds <= 0:
            yield Problem("`restart_timeout` leaves no time", "restart_timeout", hint="write a time, as `5m`")

    @property
    def cacheable(self) -> bool:
        return True

    def provision(self, context: BuildContext, machine: Machine) -> None:
        config = self.config
        rebooting = Rebooting(context, machine.communicator, config.restart_timeout)
        context.ui.message("restarting the guest")
        rebooting.restart(config.restart_command)
        if config.restart_check_command:
            rebooting.until_passes("`restart_check_command` ends with 0", config.restart_check_command)
        if config.check_registry and config.registry_keys:
            rebooting.until_passes("Windows has completed its updates", pending_command(config.registry_keys))
        context.ui.message("the guest has restarted")


def pending_command(keys: Iterable[str]) -> str:
    """Ends with 1 while one of the registry's keys exists."""
    tests = " -or ".join(f"(Test-Path {literal(key)})" for key in keys)
    return f'powershell -NoProfile -NonInteractive -Command "if ({tests}) {{ exit 1 }}"'
