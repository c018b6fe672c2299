"""The `shell-local` provisioner: runs commands on this machine while the guest runs."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from vmforge.scripts.local_command import LocalCommandConfig, check_local_command, run_local_command
from vmforge.sdk import BuildContext, Machine, Problem, Provisioner


class ShellLocalProvisioner(Provisioner[LocalCommandConfig]):
    """Runs commands on this machine."""

    config_type = LocalCommandConfig
    summary = "runs commands on this machine"

    @classmethod
    def check(cls, config: LocalCommandConfig) -> Iterable[Problem]:
        return check_local_command(config)

    def input_files(self) -> Iterable[Path]:
        return self.config.paths

    def provision(self, context: BuildContext, machine: Machine) -> None:
        run_local_command(self.config, context)
