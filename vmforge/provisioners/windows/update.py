"""The `windows-update` provisioner: installs updates, restarting the guest as often as they ask for it.

Its options are those of https://github.com/rgl/packer-plugin-windows-update.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from vmforge.errors import CommandFailed, CommunicatorError
from vmforge.provisioners.windows.elevated import Account, elevated
from vmforge.provisioners.windows.rebooting import Rebooting
from vmforge.provisioners.windows.restart import RESTART_COMMAND
from vmforge.provisioners.windows.scripts import windows_files
from vmforge.provisioners.windows.texts import FOLDER, literal, run_file, script_file
from vmforge.sdk import BuildContext, Config, Duration, Machine, Problem, Provisioner, Secret, option
from vmforge.sdk.network import RemoteInput, RemoteKind

_SCRIPT = Path(__file__).with_name("update.ps1")

# The script's status when it wants the guest to restart.
_RESTART = 101
_ACTIONS = ("include", "exclude")
_PATIENCE = Duration(300)
# Updates bring updates, but not without end: what restarts this often goes round in circles.
_MOST_ROUNDS = 50


@dataclass(frozen=True, kw_only=True)
class WindowsUpdateConfig(Config):
    """The options of the `windows-update` provisioner."""

    search_criteria: str = option(
        "BrowseOnly=0 and IsInstalled=0",
        help="Which updates to look for, as `IUpdateSearcher::Search` takes it.",
    )
    filters: tuple[str, ...] = option(
        ("include:$true",),
        help="Which of them to install: each `include:` or `exclude:` and a PowerShell expression over `$_`; "
        "the first that is true decides.",
    )
    update_limit: int = option(1000, help="How many updates to install before a restart.")
    update_max_retries: int = option(
        5, help="How often a round that failed is tried again.", affects_image=False
    )
    restart_command: str = option(RESTART_COMMAND, help="The command that restarts the guest.")
    restart_check_command: str = option(
        "", help="A command that is run, once the guest is up again, until it ends with status 0."
    )
    restart_timeout: Duration = option(
        Duration(4 * 3600),
        help="How long a restart may take: Windows completes updates in it.",
        affects_image=False,
    )
    username: str = option("SYSTEM", help="The user who installs them.")
    password: Secret = option(Secret(""), help="The user's password; `SYSTEM` has none.", affects_image=False)


class WindowsUpdateProvisioner(Provisioner[WindowsUpdateConfig]):
    """Installs updates. A layer can stand in for it; how long it does is up to the template's `cache_ttl`."""

    config_type = WindowsUpdateConfig
    summary = "installs Windows' updates and restarts the guest as they ask for it"

    @classmethod
    def check(cls, config: WindowsUpdateConfig) -> Iterable[Problem]:
        for text in config.filters:
            action, colon, expression = text.partition(":")
            if action not in _ACTIONS or not colon or not expression.strip():
                hint = "write `include:EXPRESSION` or `exclude:EXPRESSION`"
                yield Problem(f"`{text}` is not a filter", option="filters", hint=hint)
        if config.update_limit < 1:
            yield Problem("`update_limit` is less than 1", "update_limit")
        if config.update_max_retries < 0:
            yield Problem("`update_max_retries` is negative", "update_max_retries")

    @classmethod
    def remote_inputs(cls, config: WindowsUpdateConfig) -> Iterable[RemoteInput]:
        yield RemoteInput(RemoteKind.GUEST, "Windows' updates, from Microsoft or the network's WSUS")

    @property
    def cacheable(self) -> bool:
        return True

    def provision(self, context: BuildContext, machine: Machine) -> None:
        failures = 0
        for number in range(1, _MOST_ROUNDS + 1):
            context.cancellation.check()
            context.ui.message(f"installing updates, round {number}")
            status = self._round(context, machine)
            if status == 0:
                return
            if status == _RESTART:
                failures = 0
                self._restart(context, machine)
                continue
            failures += 1
            if failures > self.config.update_max_retries:
                hint = "the last lines above say why; the guest's `Get-WindowsUpdateLog` says more"
                raise CommandFailed(
                    f"the updates ended with exit status {status}, {failures} times in a row",
                    status=status,
                    hint=hint,
                )
            context.ui.warn(f"the updates ended with exit status {status}; trying again")
            context.cancellation.wait(min(30.0, 2.0**failures))
        raise CommandFailed(
            f"updates were still found after {_MOST_ROUNDS} restarts",
            status=_RESTART,
            hint="one of them is offered again and again: leave it out by a filter",
        )

    def _round(self, context: BuildContext, machine: Machine) -> int:
        """Install what there is now; the script's exit status."""
        communicator = machine.communicator
        path = f"{FOLDER}/vmforge-windows-update-{secrets.token_hex(6)}.ps1"
        account = Account(self.config.username, self.config.password)
        with windows_files(communicator, context, _PATIENCE) as files:
            files.put(script_file(update_script(self.config)), path, mode=None)
            command = elevated(files, run_file(path), account)
            try:
                return communicator.run(command, lambda line, error: context.ui.output(line, error=error))
            except CommunicatorError as error:
                # the network's drivers are updated too
                context.ui.warn(f"the connection broke during updates: {error.message}")
                communicator.reconnect(self.config.restart_timeout.seconds)
                return -1

    def _restart(self, context: BuildContext, machine: Machine) -> None:
        config = self.config
        rebooting = Rebooting(context, machine.communicator, config.restart_timeout)
        context.ui.message("restarting the guest to complete updates")
        rebooting.restart(config.restart_command)
        if config.restart_check_command:
            rebooting.until_passes("`restart_check_command` ends with 0", config.restart_check_command)


def update_script(config: WindowsUpdateConfig) -> str:
    """The PowerShell script with the configuration in it."""
    filters = ", ".join(map(literal, config.filters))
    text = _SCRIPT.read_text(encoding="utf-8")
    values = {
        "CRITERIA": literal(config.search_criteria),
        "FILTERS": filters,
        "LIMIT": str(config.update_limit),
    }
    for key, value in values.items():
        text = text.replace(f"@{key}@", value, 1)
    return text
