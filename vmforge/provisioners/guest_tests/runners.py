"""The kinds of tests: each runs, shows what it does, and answers with suites of cases."""

from __future__ import annotations

import re
import shlex
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from vmforge.errors import CommandFailed, VmforgeError
from vmforge.provisioners.guest_access import GuestAccess, Login
from vmforge.provisioners.guest_tests.config import GuestTestConfig
from vmforge.provisioners.guest_tests.report import Case, Outcome, Suite, read_junit
from vmforge.provisioners.guest_tests.tap import TapReader
from vmforge.provisioners.staging import StagingFolder
from vmforge.scripts.process import run_process
from vmforge.sdk import BuildContext, Communicator
from vmforge.sdk.adapter import AdapterSettings

_NOT_FOUND = 127
_VERDICT = re.compile(r": ((?:matches expectation|Expected|Error)\b.*)")
_HOST = "guest"
# https://docs.pytest.org/en/stable/reference/exit-codes.html
_PYTEST_RAN = (0, 1, 5)


@dataclass(frozen=True)
class GuestRunner:
    """Tests that run in the guest."""

    config: GuestTestConfig
    context: BuildContext
    communicator: Communicator
    staging: StagingFolder

    def suites(self) -> Iterator[Suite]:
        """Run them all, one kind after the other. Raises `CommandFailed` when a program is missing."""
        if self.config.inline:
            named = ((command, command) for command in self.config.inline)
            yield self._by_status("inline", named)
        if self.config.scripts:
            named = (
                (str(path), self._uploaded_script(n, path)) for n, path in enumerate(self.config.scripts)
            )
            yield self._by_status("scripts", named)
        for number, path in enumerate(self.config.bats):
            yield self._bats(number, path)
        if self.config.goss_file is not None:
            yield self._goss(self.config.goss_file)

    def _by_status(self, name: str, commands: Iterator[tuple[str, str]]) -> Suite:
        suite = Suite(name)
        for title, command in commands:
            self.context.cancellation.check()
            started = time.monotonic()
            lines: list[str] = []
            status = self._run(f"sh -c {shlex.quote(command)}", lines.append)
            text = "\n".join([f"exit status {status}", *lines]) if status else ""
            outcome = Outcome.FAILED if status else Outcome.PASSED
            suite.cases.append(Case(title, outcome, text, time.monotonic() - started))
            self.context.ui.message(f"{outcome}: {title}")
        return suite

    def _uploaded_script(self, number: int, path: Path) -> str:
        target = self.staging.upload(path, f"scripts-{number}/{path.name}")
        return f"chmod +x {shlex.quote(target)} && {shlex.quote(target)}"

    def _bats(self, number: int, path: Path) -> Suite:
        target = self.staging.upload(path, f"bats-{number}/{path.absolute().name}")
        return self._by_tap(str(path), f"bats --tap {shlex.quote(target)}", "bats")

    def _goss(self, path: Path) -> Suite:
        binary, variables = self.config.goss_binary, self.config.goss_vars
        program, prepare = "goss", ""
        if binary is not None:
            program = shlex.quote(self.staging.upload(binary, "bin/goss"))
            prepare = f"chmod +x {program} && "
        gossfile = shlex.quote(self.staging.upload(path, f"goss/{path.name}"))
        more = ""
        if variables is not None:
            more = f" --vars {shlex.quote(self.staging.upload(variables, f'goss/{variables.name}'))}"
        command = (
            f"sh -c {shlex.quote(f'{prepare}{program} --gossfile {gossfile}{more} validate --format tap')}"
        )
        suite = self._by_tap(str(path), command, "goss")
        return Suite(suite.name, [_without_verdict(case) for case in suite.cases])

    def _by_tap(self, name: str, command: str, program: str) -> Suite:
        reader, started = TapReader(), time.monotonic()
        lines: list[str] = []

        def take(line: str) -> None:
            lines.append(line)
            reader.read(line)

        status = self._run(command, take)
        if status == _NOT_FOUND and not reader.cases:
            hint = f"install `{program}` in the guest with a provisioner before this one"
            raise CommandFailed(f"`{program}` is not in the guest", status=status, hint=hint)
        if reader.missing or (
            status != 0 and all(case.outcome is not Outcome.FAILED for case in reader.cases)
        ):
            text = "\n".join([f"`{program}` ended with exit status {status}", *lines[-20:]])
            reader.cases.append(
                Case(f"{program} runs to its end", Outcome.FAILED, text, time.monotonic() - started)
            )
        return Suite(name, reader.cases)

    def _run(self, command: str, take: Callable[[str], None]) -> int:
        """Run a command in the guest, with the tests' variables; what it prints is shown too."""

        def show(line: str, error: bool) -> None:
            take(line)
            self.context.ui.output(line, error=error)

        variables = "".join(f"{name}={shlex.quote(value)} " for name, value in self.config.env.items())
        fields = {**self.context.data, "Command": f"env {variables}{command}" if variables else command}
        return self.communicator.run(self.context.render(self.config.execute_command, fields), show)


def _without_verdict(case: Case) -> Case:
    """A test of goss by the name that it has whether it passes or not: goss adds what it found."""
    match = _VERDICT.search(case.name)
    if match is None:
        return case
    text = match[1] if case.outcome is Outcome.FAILED else ""
    return replace(case, name=case.name[: match.start()], text="\n".join(filter(None, (text, case.text))))


def run_testinfra(config: GuestTestConfig, context: BuildContext, communicator: Communicator) -> list[Suite]:
    """Run testinfra on this machine, against the guest. Raises `CommandFailed` when it did not get as far
    as tests, `HostError` when it is not installed."""
    report = context.scratch.absolute() / "testinfra.xml"
    report.unlink(missing_ok=True)
    with ExitStack() as stack:
        login = stack.enter_context(
            GuestAccess(context, communicator, AdapterSettings(), _needs_adapter(context))
        )
        if login.transport != "ssh":
            hint = "use `scripts` or `goss_file`, which run in the guest"
            raise VmforgeError("testinfra reaches guests over SSH only", hint=hint)
        settings = context.scratch.absolute() / "testinfra-ssh"
        settings.write_text(_ssh_settings(login), encoding="utf-8")
        stack.callback(settings.unlink, missing_ok=True)
        arguments = _testinfra_arguments(config, settings, report)
        lines: list[str] = []

        def show(line: str, error: bool) -> None:
            lines.append(line)
            context.ui.output(line, error=error)

        status = run_process(
            arguments, environment=dict(config.env), output=show, cancellation=context.cancellation
        )
    if status not in _PYTEST_RAN or not report.is_file():
        hint = "the lines above say why; it needs `pip install pytest-testinfra` on this machine"
        raise CommandFailed(f"testinfra ended with exit status {status}", status=status, hint=hint)
    return read_junit(report)


def _testinfra_arguments(config: GuestTestConfig, settings: Path, report: Path) -> Sequence[str]:
    where = [f"--hosts=ssh://{_HOST}", f"--ssh-config={settings}", f"--junit-xml={report}"]
    return [*config.testinfra_command, *where, "-p", "no:cacheprovider", *map(str, config.testinfra)]


def _needs_adapter(context: BuildContext) -> bool | None:
    """testinfra asks for no password, so without a key it goes through the adapter."""
    data = context.data
    return None if data.get("SSHPrivateKeyFile") or data.get("SSHAgentAuth") == "true" else True


def _ssh_settings(login: Login) -> str:
    """The guest for `ssh`, as https://man.openbsd.org/ssh_config has it."""
    key = f"  IdentityFile {login.key_file}\n  IdentitiesOnly yes\n" if login.key_file is not None else ""
    return (
        f"Host {_HOST}\n  HostName {login.host}\n  Port {login.port}\n  User {login.user}\n{key}"
        "  StrictHostKeyChecking no\n  UserKnownHostsFile /dev/null\n  LogLevel ERROR\n"
    )
