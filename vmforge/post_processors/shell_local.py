"""The `shell-local` post-processor: runs commands on this machine when the artifact is there."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from vmforge.scripts.local_command import LocalCommandConfig, check_local_command, run_local_command
from vmforge.sdk import Artifact, BuildContext, PostProcessor, Problem, Processed


class ShellLocalPostProcessor(PostProcessor[LocalCommandConfig]):
    """Runs commands on this machine; the artifact passes through."""

    config_type = LocalCommandConfig
    summary = "runs commands on this machine"

    @classmethod
    def check(cls, config: LocalCommandConfig) -> Iterable[Problem]:
        return check_local_command(config)

    @classmethod
    def local_inputs(cls, config: LocalCommandConfig) -> Iterable[Path]:
        return config.paths

    def process(self, context: BuildContext, artifact: Artifact) -> Processed:
        run_local_command(self.config, context)
        return Processed(artifact, keep_input=True, must_keep=True)
