"""Commands and scripts that run on this machine with the build's values: what `shell-local` is made of."""

from __future__ import annotations

import os
import platform
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from types import TracebackType

from vmforge.scripts.process import run_process
from vmforge.scripts.script import (
    ScriptConfig,
    check_sources,
    check_status,
    check_variables,
    variables_of,
    write_variables,
)
from vmforge.sdk import BuildContext, Problem, option
from vmforge.sdk.late import check_late

_FIELDS = ("Vars", "Script", "Command")


class System(StrEnum):
    """The systems that vmforge may run on, as Go calls them."""

    DARWIN = "darwin"
    FREEBSD = "freebsd"
    LINUX = "linux"
    OPENBSD = "openbsd"
    SOLARIS = "solaris"
    WINDOWS = "windows"


@dataclass(frozen=True, kw_only=True)
class LocalCommandConfig(ScriptConfig):
    """The options of `shell-local`."""

    command: str = option("", help="One command; the same as `inline` with one element.")
    execute_command: tuple[str, ...] = option(
        ("/bin/sh", "-c", "{{.Vars}} {{.Script}}"),
        help="The program that runs a script and its arguments; knows `{{ .Vars }}` and `{{ .Script }}`.",
        late=True,
    )
    only_on: tuple[System, ...] = option((), help="Run only where vmforge itself runs on one of these.")
    tempfile_extension: str = option("", help="The extension of the temporary script made of `inline`.")
    use_linux_pathing: bool = option(
        False, help="For Windows with WSL: give the paths of scripts as Linux sees them (`/mnt/c/...`)."
    )

    @property
    def commands(self) -> tuple[str, ...]:
        return self.inline or ((self.command,) if self.command else ())


def check_local_command(config: LocalCommandConfig) -> Iterator[Problem]:
    """Everything that is wrong with the options, judged by their values."""
    given = {
        "command": bool(config.command),
        "inline": bool(config.inline),
        "script": bool(config.script),
        "scripts": bool(config.scripts),
    }
    yield from check_sources(given, config.paths, "script" if config.script else "scripts")
    yield from check_variables(config)
    for part in config.execute_command:
        yield from check_late(part, _FIELDS, "execute_command")
    if config.use_linux_pathing and config.commands:
        summary = "`use_linux_pathing` works only with `script` and `scripts`"
        yield Problem(summary, option="use_linux_pathing", hint="put the commands into a script")


def run_local_command(config: LocalCommandConfig, context: BuildContext) -> None:
    """Run the command or the scripts, one after the other.

    Raises `CommandFailed` for a bad exit status, `HostError` when the program cannot be started.
    """
    system = platform.system().lower()
    if config.only_on and system not in config.only_on:
        context.ui.message(f"skipped: `only_on` does not name this system, `{system}`")
        return
    variables = variables_of(config, context)
    if config.commands:
        with _TemporaryScript(context.scratch, config) as path:
            _run_script(config, context, variables, path, "the inline script")
    for path in config.paths:
        context.ui.message(f"running `{path}` on this machine")
        _run_script(config, context, variables, path.absolute(), f"`{path}`")


def _run_script(
    config: LocalCommandConfig, context: BuildContext, variables: Mapping[str, str], path: Path, title: str
) -> None:
    script = _linux_path(path) if config.use_linux_pathing else str(path)
    text = write_variables(variables, config.env_var_format or "%s='%s' ")
    fields = {**context.data, "Vars": text, "Script": script, "Command": script}
    arguments = [context.render(part, fields) for part in config.execute_command]
    if len(arguments) == 1 and " " in arguments[0]:
        # a single string is a shell command: nobody has a program with such a name
        arguments = ["/bin/sh", "-c", *arguments]
    with _Discreet(arguments, context) as unseen:
        status = run_process(
            unseen,
            environment=variables,
            output=lambda line, error: context.ui.output(line, error=error),
            cancellation=context.cancellation,
        )
    check_status(title, status, config.valid_exit_codes)


def _linux_path(path: Path) -> str:
    r"""`C:\scripts\a.sh` as WSL sees it: `/mnt/c/scripts/a.sh`. Other paths stay as they are."""
    text = str(path).replace("\\", "/")
    drive = re.match(r"([A-Za-z]):/", text)
    return f"/mnt/{drive[1].lower()}/{text[drive.end() :]}" if drive else text


class _Discreet:
    """A command line, with a script in place of a `-c TEXT` that holds a secret: everybody on this machine
    may read a command line."""

    def __init__(self, arguments: list[str], context: BuildContext) -> None:
        self._arguments, self._context = arguments, context
        self._file = ExitStack()

    def __enter__(self) -> list[str]:
        *before, flag, text = self._arguments if len(self._arguments) > 2 else ["", "", ""]
        if flag != "-c" or self._context.hide(text) == text:
            return self._arguments
        descriptor, name = tempfile.mkstemp(prefix="command-", dir=self._context.scratch)
        self._file.callback(Path(name).unlink, missing_ok=True)
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
            file.write(text)
        return [*before, str(Path(name).absolute())]

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()


class _TemporaryScript:
    """The file of an inline script, readable and executable by the user alone."""

    def __init__(self, folder: Path, config: LocalCommandConfig) -> None:
        self._folder = folder
        self._config = config
        self._path = Path()

    def __enter__(self) -> Path:
        extension = self._config.tempfile_extension.removeprefix(".")
        suffix = f".{extension}" if extension else ""
        descriptor, name = tempfile.mkstemp(prefix="script-", suffix=suffix, dir=self._folder)
        self._path = Path(name)
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
            os.fchmod(descriptor, 0o700)
            file.write(self._config.inline_text)
        return self._path

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._path.unlink(missing_ok=True)
