"""What `powershell` and `windows-shell` have in common: scripts that are uploaded and run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from vmforge.errors import CommunicatorError, VmforgeError
from vmforge.provisioners.guest_files import GuestFiles
from vmforge.provisioners.windows.statuses import check_status
from vmforge.provisioners.windows.texts import remove_files
from vmforge.scripts.script import ScriptOptions, check_sources, check_variables
from vmforge.sdk import BuildContext, Communicator, Duration, Problem, option
from vmforge.sdk.late import check_late

# The status by which templates name the connection's end in `valid_exit_codes`.
DISCONNECTED = 2300218

FIELDS = ("Path", "Vars")


@dataclass(frozen=True, kw_only=True)
class WindowsScriptOptions(ScriptOptions):
    """Options of both."""

    binary: bool = option(False, help="Scripts are uploaded as they are, with this option or without.")
    execute_command: str = option(
        "",
        help="The command that runs a script; knows `{{ .Path }}` and `{{ .Vars }}`.",
        late=True,
        default_text="runs the script with its variables",
    )
    remote_path: str = option(
        "", help="The path of a script in the guest.", default_text="a name in `c:/Windows/Temp`"
    )
    start_retry_timeout: Duration = option(
        Duration(300),
        help="How long to try to get a script into a guest that does not answer.",
        affects_image=False,
    )


@dataclass(frozen=True)
class Script:
    title: str
    content: bytes


def check_scripts(config: WindowsScriptOptions) -> Iterator[Problem]:
    """Everything that is wrong with these options, judged by their values."""
    given = {
        "inline": bool(config.inline),
        "script": bool(config.script),
        "scripts": bool(config.scripts),
    }
    yield from check_sources(given, config.paths, "script" if config.script else "scripts")
    yield from check_variables(config)
    yield from check_late(config.execute_command, FIELDS, "execute_command")


def scripts_of(config: WindowsScriptOptions, inline: Callable[[Iterable[str]], bytes]) -> Iterator[Script]:
    """The scripts in their order; `inline` makes one of commands. Raises `VmforgeError` for one that cannot
    be read."""
    if config.inline:
        yield Script("the inline script", inline(config.inline))
    for path in config.paths:
        try:
            yield Script(f"`{path}`", path.read_bytes())
        except OSError as error:
            raise VmforgeError(f"script `{path}` cannot be read: {error.strerror}") from error


def windows_files(
    communicator: Communicator, context: BuildContext, patience: Duration, *, keep: bool = False
) -> GuestFiles:
    """Temporary files in a Windows guest."""
    return GuestFiles(communicator, context, patience=patience, keep=keep, removal=remove_files)


def execute(
    context: BuildContext,
    communicator: Communicator,
    script: Script,
    command: str,
    config: WindowsScriptOptions,
) -> None:
    """Run a script's command. Raises `CommandFailed` for a bad exit status, `CommunicatorError` for a
    connection that ends, unless the template counts on that."""
    try:
        status = communicator.run(command, lambda line, error: context.ui.output(line, error=error))
    except CommunicatorError as error:
        if DISCONNECTED not in config.valid_exit_codes:
            hint = "if the script restarts the guest, leave that to `windows-restart`"
            raise CommunicatorError(
                f"{script.title} lost its connection: {error.message}", hint=hint
            ) from error
        context.ui.message("the script ended the connection, as expected; waiting for the guest")
        communicator.reconnect(config.start_retry_timeout.seconds)
        return
    check_status(script.title, status, config.valid_exit_codes)
