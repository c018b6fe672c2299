"""The provisioner: one script up, one report back."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass

from vmforge.errors import CommandFailed, VmforgeError
from vmforge.provisioners.generalize.operations import Operation, script
from vmforge.provisioners.generalize.report import Report
from vmforge.provisioners.guest_files import GuestFiles
from vmforge.sdk import BuildContext, Config, Duration, Machine, Problem, Provisioner, option
from vmforge.sdk.communicator import PinningCommunicator
from vmforge.sdk.late import check_late

_EXECUTE = "sh {{.Path}}"
_FIELDS = ("Path",)
_PATIENCE = Duration(300)
# RFC 1123, section 2.1
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_HOSTNAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")


@dataclass(frozen=True, kw_only=True)
class GeneralizeConfig(Config):
    """The options of the `generalize` provisioner."""

    operations: tuple[Operation, ...] = option(
        tuple(Operation), help="What to take out of the guest.", default_text="all of them"
    )
    skip: tuple[Operation, ...] = option((), help="What to leave, of all operations.")
    hostname: str = option("", help="The guest's new name.", default_text="the name that it has")
    execute_command: str = option(
        "",
        help="The command that runs the script, which needs root; knows `{{ .Path }}`. The script itself "
        "tries sudo and doas without a password.",
        late=True,
        default_text=f"`{_EXECUTE}`",
    )
    remote_folder: str = option("/tmp", help="The guest's folder for the script; must exist.")

    @property
    def chosen(self) -> tuple[Operation, ...]:
        return tuple(operation for operation in self.operations if operation not in self.skip)


class GeneralizeProvisioner(Provisioner[GeneralizeConfig]):
    """Takes out of the guest what must not be in the copies of its image. It should come last: once the
    host keys are gone, the guest may refuse another connection."""

    config_type = GeneralizeConfig
    summary = "takes machine id, SSH host keys, logs and the like out of the guest, for copies of its image"

    @classmethod
    def check(cls, config: GeneralizeConfig) -> Iterable[Problem]:
        if not config.chosen:
            yield Problem("there is nothing to take out of the guest", "skip", hint="leave an operation in")
        for operation in config.skip:
            if operation not in config.operations:
                summary = f"`{operation}` is to be skipped, but is not among the `operations`"
                yield Problem(summary, "skip", warning=True)
        if config.hostname and (len(config.hostname) > 253 or not _HOSTNAME.fullmatch(config.hostname)):
            hint = "letters, digits and `-`, in parts with a `.` between them"
            yield Problem(f"`{config.hostname}` cannot be a host name", "hostname", hint=hint)
        yield from check_late(config.execute_command, _FIELDS, "execute_command")

    def provision(self, context: BuildContext, machine: Machine) -> None:
        communicator = machine.communicator
        if communicator.kind == "winrm":
            hint = "run Windows' own `sysprep` with the `powershell` provisioner"
            raise VmforgeError("`generalize` knows nothing of Windows", hint=hint)
        path = f"{self.config.remote_folder}/vmforge-generalize-{secrets.token_hex(4)}.sh"
        content = script(self.config.chosen, self.config.hostname)
        command = context.render(self.config.execute_command or _EXECUTE, {**context.data, "Path": path})
        report = Report()

        def show(line: str, error: bool) -> None:
            if not report.read(line):
                context.ui.output(line, error=error)

        with GuestFiles(communicator, context, patience=_PATIENCE, keep=False) as files:
            files.put(content.encode(), path, mode=0o700)
            status = communicator.run(command, show)
        if Operation.SSH_HOST_KEYS in self.config.chosen and isinstance(communicator, PinningCommunicator):
            communicator.forget_host_key()
        _check(report, status)
        _tell(report, context)


def _check(report: Report, status: int) -> None:
    if not report.started:
        hint = (
            "the script needs root: log in as root, let the user run sudo without a password, or set "
            "`execute_command`, as in `echo PASSWORD | sudo -S sh {{ .Path }}`"
        )
        raise CommandFailed(f"the guest was not generalized: status {status}", status=status, hint=hint)
    if report.failed:
        names = ", ".join(f"`{name}`" for name in report.failed)
        hint = "the lines above say why; `skip` leaves an operation out"
        raise CommandFailed(f"the guest could not be generalized: {names} failed", status=status, hint=hint)
    if status != 0:
        raise CommandFailed(f"the guest's script ended with exit status {status}", status=status)


def _tell(report: Report, context: BuildContext) -> None:
    for name, reason in report.skipped.items():
        if reason:
            context.ui.message(f"{name}: {reason}")
    absent = [name for name, reason in report.skipped.items() if not reason]
    if absent:
        context.ui.message(f"nothing to remove: {', '.join(absent)}")
    context.ui.message(str(report))
