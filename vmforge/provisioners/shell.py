"""The `shell` provisioner: runs scripts in the guest."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from vmforge.errors import CommunicatorError, Interrupted, VmforgeError
from vmforge.provisioners.fate import fate_of
from vmforge.provisioners.guest_files import GuestFiles
from vmforge.scripts.script import (
    ScriptConfig,
    check_sources,
    check_status,
    check_variables,
    guest_variables_of,
    write_variables,
)
from vmforge.sdk import BuildContext, Communicator, Duration, Machine, Problem, Provisioner, option
from vmforge.sdk.late import check_late

# The status by which templates name the connection's end in `valid_exit_codes`.
DISCONNECTED = 2300218

_EXECUTE = "chmod +x {{.Path}}; {{.Vars}} {{.Path}}"
_EXECUTE_WITH_FILE = "chmod +x {{.Path}}; . {{.EnvVarFile}} && {{.Path}}"
_FIELDS = ("Path", "Vars", "EnvVarFile")


@dataclass(frozen=True, kw_only=True)
class ShellConfig(ScriptConfig):
    """The options of the `shell` provisioner."""

    binary: bool = option(False, help="Upload scripts as they are, without turning CRLF line ends into LF.")
    use_env_var_file: bool = option(
        False, help="Give the variables in a file that is sourced, rather than on the command line."
    )
    execute_command: str = option(
        "",
        help="The command that runs a script; knows `{{ .Path }}`, `{{ .Vars }}` and `{{ .EnvVarFile }}`.",
        late=True,
        default_text=f"`{_EXECUTE}`, or with `use_env_var_file` `{_EXECUTE_WITH_FILE}`",
    )
    expect_disconnect: bool = option(
        False, help="The script may end the connection (it restarts the guest); then the guest is waited for."
    )
    remote_folder: str = option("/tmp", help="The guest's folder for the scripts; must exist.")
    remote_file: str = option(
        "",
        help="The file name of a script in the guest.",
        default_text="`script_NNNN.sh` with a random number",
    )
    remote_path: str = option(
        "", help="The path of a script in the guest.", default_text="`remote_file` in `remote_folder`"
    )
    skip_clean: bool = option(False, help="Leave the scripts in the guest.")
    start_retry_timeout: Duration = option(
        Duration(300),
        help="How long to try to get a script into a guest that does not answer.",
        affects_image=False,
    )
    pause_after: Duration = option(
        Duration(0), help="How long to wait after the scripts.", affects_image=False
    )


@dataclass(frozen=True)
class _Script:
    title: str
    content: bytes


class ShellProvisioner(Provisioner[ShellConfig]):
    """Runs scripts in the guest."""

    config_type = ShellConfig
    summary = "runs scripts in the guest"

    @classmethod
    def check(cls, config: ShellConfig) -> Iterable[Problem]:
        given = {
            "inline": bool(config.inline),
            "script": bool(config.script),
            "scripts": bool(config.scripts),
        }
        yield from check_sources(given, config.paths, "script" if config.script else "scripts")
        yield from check_variables(config)
        yield from check_late(config.execute_command, _FIELDS, "execute_command")
        if config.remote_file and config.remote_path:
            summary = "`remote_file` has no effect beside `remote_path`"
            yield Problem(summary, option="remote_file", warning=True)

    def input_files(self) -> Iterable[Path]:
        return self.config.paths

    @property
    def cacheable(self) -> bool:
        return True

    def provision(self, context: BuildContext, machine: Machine) -> None:
        for script in self._scripts():
            context.cancellation.check()
            if not self.config.inline:
                context.ui.message(f"running {script.title}")
            self._run_script(context, machine.communicator, script)
        if self.config.pause_after.seconds > 0:
            context.ui.message(f"pausing {self.config.pause_after} after the scripts")
            context.cancellation.wait(self.config.pause_after.seconds)

    def _scripts(self) -> Iterator[_Script]:
        if self.config.inline:
            yield _Script("the inline script", self._converted(self.config.inline_text.encode()))
        for path in self.config.paths:
            try:
                content = path.read_bytes()
            except OSError as error:
                raise VmforgeError(f"script `{path}` cannot be read: {error.strerror}") from error
            yield _Script(f"`{path}`", self._converted(content))

    def _converted(self, content: bytes) -> bytes:
        return content if self.config.binary else content.replace(b"\r\n", b"\n")

    def _run_script(self, context: BuildContext, communicator: Communicator, script: _Script) -> None:
        """Upload, run and remove one script."""
        config = self.config
        number = secrets.randbelow(10_000)
        path = (
            config.remote_path or f"{config.remote_folder}/{config.remote_file or f'script_{number:04}.sh'}"
        )
        variable_file = f"{config.remote_folder}/varfile_{number:04}.sh" if config.use_env_var_file else ""
        variables = self._variables(context)
        fields = {**context.data, "Path": path, "Vars": variables, "EnvVarFile": variable_file}
        command = context.render(self._execute_command, fields)
        with GuestFiles(
            communicator, context, patience=config.start_retry_timeout, keep=config.skip_clean
        ) as files:
            if variable_file:
                files.put(variables.encode(), variable_file, mode=0o600)
            files.put(script.content, path, mode=0o755)
            self._execute(context, communicator, script.title, command, path)

    @property
    def _execute_command(self) -> str:
        return self.config.execute_command or (
            _EXECUTE_WITH_FILE if self.config.use_env_var_file else _EXECUTE
        )

    def _variables(self, context: BuildContext) -> str:
        default = "export %s='%s'\n" if self.config.use_env_var_file else "%s='%s' "
        variables = guest_variables_of(self.config, context)
        return write_variables(variables, self.config.env_var_format or default)

    def _execute(
        self, context: BuildContext, communicator: Communicator, title: str, command: str, path: str
    ) -> None:
        try:
            status = communicator.run(command, lambda line, error: context.ui.output(line, error=error))
        except CommunicatorError as error:
            if not self.config.expect_disconnect and DISCONNECTED not in self.config.valid_exit_codes:
                hint = "if the script restarts the guest, set `expect_disconnect = true`"
                context.ui.message(f"{title} lost its connection; looking for it in the guest")
                message = f"{title} lost its connection: {error.message}; {fate_of(path, communicator)}"
                raise CommunicatorError(message, hint=hint) from error
            self._await_guest(context, communicator)
            return
        check_status(title, status, self.config.valid_exit_codes)

    def _await_guest(self, context: BuildContext, communicator: Communicator) -> None:
        """After an expected end of the connection: wait until the guest answers again.

        With `skip_clean` nothing more is done in the guest here, so the script may as well have shut
        it down for good.
        """
        context.ui.message("the script ended the connection, as expected; waiting for the guest")
        try:
            communicator.reconnect(self.config.start_retry_timeout.seconds)
        except Interrupted:
            raise
        except VmforgeError as error:
            if not self.config.skip_clean:
                raise
            context.ui.message(f"the guest does not answer any more ({error.message}); going on")
