"""The `windows-shell` provisioner: runs batch files in the guest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from vmforge.provisioners.windows.scripts import (
    Script,
    WindowsScriptOptions,
    check_scripts,
    execute,
    scripts_of,
    windows_files,
)
from vmforge.provisioners.windows.texts import FOLDER
from vmforge.scripts.script import guest_variables_of
from vmforge.sdk import BuildContext, Machine, Problem, Provisioner

_VARIABLE = 'set "%s=%s" && '


@dataclass(frozen=True, kw_only=True)
class WindowsShellConfig(WindowsScriptOptions):
    """The options of the `windows-shell` provisioner."""


class WindowsShellProvisioner(Provisioner[WindowsShellConfig]):
    """Runs batch files in the guest."""

    config_type = WindowsShellConfig
    summary = "runs batch files in a Windows guest"

    @classmethod
    def check(cls, config: WindowsShellConfig) -> Iterable[Problem]:
        return check_scripts(config)

    def input_files(self) -> Iterable[Path]:
        return self.config.paths

    @property
    def cacheable(self) -> bool:
        return True

    def provision(self, context: BuildContext, machine: Machine) -> None:
        for script in scripts_of(self.config, _batch_file):
            context.cancellation.check()
            if not self.config.inline:
                context.ui.message(f"running {script.title}")
            self._run(context, machine, script)

    def _run(self, context: BuildContext, machine: Machine, script: Script) -> None:
        """Upload, run and remove one script."""
        config = self.config
        path = config.remote_path or f"{FOLDER}/script.bat"
        variables = guest_variables_of(config, context)
        content, command = script.content, f'cmd /c "{path}"'
        if config.execute_command or config.env_var_format:
            text = _on_command_line(variables, config.env_var_format or _VARIABLE)
            fields = {**context.data, "Path": path, "Vars": text}
            command = context.render(config.execute_command or '{{.Vars}}cmd /c "{{.Path}}"', fields)
        else:
            # where the template does not say how, values stay off the command line, which all can see
            content = _assignments(variables) + content
        with windows_files(machine.communicator, context, config.start_retry_timeout) as files:
            files.put(content, path, mode=None)
            execute(context, machine.communicator, script, command, config)


def _batch_file(lines: Iterable[str]) -> bytes:
    return "".join(f"{line}\r\n" for line in lines).encode()


def _assignments(variables: Mapping[str, str]) -> bytes:
    """The variables as the head of a batch file, where `%` is written twice."""
    return "".join(f'@set "{n}={v.replace("%", "%%")}"\r\n' for n, v in variables.items()).encode()


def _on_command_line(variables: Mapping[str, str], format: str) -> str:
    before, between, after = (part.replace("%%", "%") for part in format.split("%s", 2))
    return "".join(f"{before}{name}{between}{value}{after}" for name, value in variables.items())
