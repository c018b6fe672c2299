"""The `powershell` provisioner: runs PowerShell scripts in the guest."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from vmforge.provisioners.windows.elevated import Account, check_account, elevated
from vmforge.provisioners.windows.scripts import (
    FIELDS,
    Script,
    WindowsScriptOptions,
    check_scripts,
    execute,
    scripts_of,
    windows_files,
)
from vmforge.provisioners.windows.texts import FOLDER, escaped, literal, run_file, script_file
from vmforge.scripts.script import guest_variables_of
from vmforge.sdk import BuildContext, Duration, Machine, Problem, Provisioner, Secret, option
from vmforge.sdk.late import check_late

_VARIABLE = '$env:%s="%s"; '


class ExecutionPolicy(StrEnum):
    """https://learn.microsoft.com/powershell/module/microsoft.powershell.core/about/about_execution_policies;
    `none` leaves the guest's own."""

    BYPASS = "bypass"
    ALL_SIGNED = "allsigned"
    DEFAULT = "default"
    REMOTE_SIGNED = "remotesigned"
    RESTRICTED = "restricted"
    UNDEFINED = "undefined"
    UNRESTRICTED = "unrestricted"
    NONE = "none"


@dataclass(frozen=True, kw_only=True)
class PowerShellConfig(WindowsScriptOptions):
    """The options of the `powershell` provisioner."""

    remote_env_var_path: str = option(
        "",
        help="The path of the file with the variables in the guest, which `{{ .Vars }}` names.",
        default_text="a name in `c:/Windows/Temp`",
    )
    elevated_user: str = option(
        "",
        help="Run the scripts as this user by a scheduled task, with all rights; `SYSTEM` needs no password.",
        late=True,
    )
    elevated_password: Secret = option(
        Secret(""), help="The user's password; may be `{{ .WinRMPassword }}`.", late=True, affects_image=False
    )
    elevated_execute_command: str = option(
        "",
        help="The command that runs a script as `elevated_user`; knows `{{ .Path }}` and `{{ .Vars }}`.",
        late=True,
        default_text="runs the script with its variables",
    )
    elevated_env_var_format: str = option(
        "", help="`env_var_format` for scripts that `elevated_user` runs.", default_text=f"`{_VARIABLE}`"
    )
    execution_policy: ExecutionPolicy = option(
        ExecutionPolicy.BYPASS, help="PowerShell's execution policy; `none` leaves the guest's own."
    )
    debug_mode: int = option(0, help="Show the lines of a script as they run: 1, or 2 for variables too.")
    use_pwsh: bool = option(False, help="Run the scripts with PowerShell 7 (`pwsh`).")
    skip_clean: bool = option(False, help="Leave the scripts in the guest.")
    pause_after: Duration = option(
        Duration(0), help="How long to wait after the scripts.", affects_image=False
    )


class PowerShellProvisioner(Provisioner[PowerShellConfig]):
    """Runs PowerShell scripts in the guest."""

    config_type = PowerShellConfig
    summary = "runs PowerShell scripts in the guest"

    @classmethod
    def check(cls, config: PowerShellConfig) -> Iterable[Problem]:
        yield from check_scripts(config)
        yield from check_account(config.elevated_user, config.elevated_password)
        for name in ("elevated_execute_command", "elevated_user"):
            yield from check_late(getattr(config, name), FIELDS, name)
        yield from check_late(config.elevated_password.value, FIELDS, "elevated_password")
        format = config.elevated_env_var_format
        if format and format.replace("%%", "").count("%s") != 2:
            summary = f"`{format}` must hold `%s` twice: for a variable's name and for its value"
            yield Problem(summary, option="elevated_env_var_format")
        if not 0 <= config.debug_mode <= 2:
            yield Problem(f"`debug_mode` is {config.debug_mode}; it can be 0, 1 or 2", option="debug_mode")

    def input_files(self) -> Iterable[Path]:
        return self.config.paths

    @property
    def cacheable(self) -> bool:
        return True

    def provision(self, context: BuildContext, machine: Machine) -> None:
        for script in scripts_of(self.config, lambda lines: script_file("".join(f"{x}\n" for x in lines))):
            context.cancellation.check()
            if not self.config.inline:
                context.ui.message(f"running {script.title}")
            self._run(context, machine, script)
        pause = self.config.pause_after
        if pause.seconds > 0:
            context.ui.message(f"pausing {pause} after the scripts")
            context.cancellation.wait(pause.seconds)

    def _run(self, context: BuildContext, machine: Machine, script: Script) -> None:
        """Upload, run and remove one script."""
        config, name = self.config, uuid.uuid4()
        path = config.remote_path or f"{FOLDER}/script-{name}.ps1"
        variables = config.remote_env_var_path or f"{FOLDER}/vmforge-ps-env-vars-{name}.ps1"
        fields = {**context.data, "Path": path, "Vars": variables}
        own = config.elevated_execute_command if config.elevated_user else config.execute_command
        command = context.render(own, fields) if own else self._default_command(variables)
        text = self._variables(guest_variables_of(config, context))
        if not own:
            text += self._launcher(path)
        communicator = machine.communicator
        keep = config.skip_clean
        with windows_files(communicator, context, config.start_retry_timeout, keep=keep) as files:
            files.put(script_file(text), variables, mode=None)
            files.put(script.content, path, mode=None)
            if config.elevated_user:
                command = elevated(files, command, self._account(context))
            execute(context, communicator, script, command, config)

    def _account(self, context: BuildContext) -> Account:
        password = context.render(self.config.elevated_password.value, context.data)
        context.redact([password])
        return Account(context.render(self.config.elevated_user, context.data), Secret(password))

    def _default_command(self, launcher: str) -> str:
        policy = self.config.execution_policy
        allowed = "" if policy is ExecutionPolicy.NONE else policy.value
        return run_file(launcher, allowed, "pwsh" if self.config.use_pwsh else "powershell")

    def _variables(self, variables: Mapping[str, str]) -> str:
        """The file that sets them. It never stands on a command line, so values do not show there."""
        config = self.config
        chosen = config.elevated_env_var_format if config.elevated_user else config.env_var_format
        format = chosen or _VARIABLE
        before, between, after = (part.replace("%%", "%") for part in format.split("%s", 2))
        lines = [f"{before}{name}{between}{escaped(value)}{after}" for name, value in variables.items()]
        return "".join(f"{line.rstrip()}\n" for line in lines)

    def _launcher(self, path: str) -> str:
        """What runs the script once the variables are set. A script's status is that of the last program in
        it, unless it ends with one of its own."""
        trace = f"Set-PSDebug -Trace {self.config.debug_mode}\n" if self.config.debug_mode else ""
        run = f"& {literal(path)}\nexit $LastExitCode\n"
        return f"$ProgressPreference = 'SilentlyContinue'\n{trace}{run}"
