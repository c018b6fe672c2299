"""The `sleep` provisioner: waits."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from vmforge.sdk import BuildContext, Config, Duration, Machine, Problem, Provisioner, option


@dataclass(frozen=True, kw_only=True)
class SleepConfig(Config):
    """The options of the `sleep` provisioner."""

    duration: Duration = option(help="How long to wait.")


class SleepProvisioner(Provisioner[SleepConfig]):
    """Waits while the guest runs. What happens in the guest meanwhile is in the layer after it."""

    config_type = SleepConfig
    summary = "waits"

    @classmethod
    def check(cls, config: SleepConfig) -> Iterable[Problem]:
        if config.duration.seconds < 0:
            yield Problem("`duration` is negative", "duration", hint="write a time such as `30s`")

    @property
    def cacheable(self) -> bool:
        return True

    def provision(self, context: BuildContext, machine: Machine) -> None:
        context.ui.message(f"waiting {self.config.duration}")
        context.cancellation.wait(self.config.duration.seconds)
