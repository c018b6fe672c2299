"""The provisioner: runs the tests, writes the report, and fails when a test does."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from vmforge.errors import CommandFailed, VmforgeError
from vmforge.provisioners.guest_tests.config import GuestTestConfig, Subject, check_tests
from vmforge.provisioners.guest_tests.report import Outcome, Suite, write_junit
from vmforge.provisioners.guest_tests.runners import GuestRunner, run_testinfra
from vmforge.provisioners.local_paths import paths_of
from vmforge.provisioners.staging import FileCommands, StagingFolder
from vmforge.sdk import BuildContext, Machine, Problem, Provisioner

_SHOWN = 5


class GuestTestProvisioner(Provisioner[GuestTestConfig]):
    """Tests the guest, or the finished image. All tests run, whichever fail; then the build fails."""

    config_type = GuestTestConfig
    summary = "tests the guest or the finished image with scripts, bats, goss and testinfra"

    @classmethod
    def check(cls, config: GuestTestConfig) -> Iterable[Problem]:
        return check_tests(config)

    @property
    def cacheable(self) -> bool:
        """Tests that passed need not run again on the same machine, but a report is to be written."""
        return self.config.junit is None or self.for_artifact

    @property
    def for_artifact(self) -> bool:
        return self.config.on is Subject.ARTIFACT

    def input_files(self) -> Iterable[Path]:
        return paths_of(self.config, "scripts", "bats", "goss_file", "goss_vars", "goss_binary", "testinfra")

    def provision(self, context: BuildContext, machine: Machine) -> None:
        suites: list[Suite] = []
        try:
            self._run(context, machine, suites)
        finally:
            if self.config.junit is not None:
                write_junit(self.config.junit, [self._titled(context, suite) for suite in suites])
        self._tell(context, suites)

    def _run(self, context: BuildContext, machine: Machine, suites: list[Suite]) -> None:
        config, communicator = self.config, machine.communicator
        if communicator.kind == "winrm":
            hint = "test Windows with the `powershell` provisioner"
            raise VmforgeError("`test` knows nothing of Windows", hint=hint)
        if config.inline or config.scripts or config.bats or config.goss_file is not None:
            folder = f"{config.remote_folder}/vmforge-test-{secrets.token_hex(4)}"
            with StagingFolder(context, communicator, folder, FileCommands(), keep=False) as staging:
                # one by one, so that the report has those that ran before a failure of another kind
                for suite in GuestRunner(config, context, communicator, staging).suites():
                    suites.append(suite)  # noqa: PERF402
        if config.testinfra:
            suites += run_testinfra(config, context, communicator)

    def _titled(self, context: BuildContext, suite: Suite) -> Suite:
        """The suite as the report has it, without secrets, which tests may print."""
        hide = context.hide
        cases = [replace(case, name=hide(case.name), text=hide(case.text)) for case in suite.cases]
        return Suite(hide(f"{self.config.suite or context.full_name}: {suite.name}"), cases)

    def _tell(self, context: BuildContext, suites: list[Suite]) -> None:
        """Say how it went. Raises `CommandFailed` when a test failed, or none ran."""
        failed = [case.name for suite in suites for case in suite.failed]
        total = sum(len(suite.cases) for suite in suites)
        skipped = sum(suite.count(Outcome.SKIPPED) for suite in suites)
        if failed:
            names = ", ".join(f"`{name}`" for name in failed[:_SHOWN]) + (" ..." if failed[_SHOWN:] else "")
            raise CommandFailed(
                f"{len(failed)} of {total} tests failed: {names}", status=1, hint=self._hint()
            )
        if total == 0:
            raise CommandFailed("no test ran", status=1, hint="look at the files that the options name")
        context.ui.message(f"{total - skipped} tests passed" + (f", {skipped} skipped" if skipped else ""))

    def _hint(self) -> str:
        if self.for_artifact:
            return "the lines above say why; the image is where the build has left it"
        return (
            "the lines above say why; `vmforge shell STEP TEMPLATE` opens a shell in the layer of the step "
            "before these tests"
        )
