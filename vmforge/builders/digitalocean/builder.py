"""The `digitalocean` builder."""

from __future__ import annotations

from collections.abc import Iterable

from vmforge.builders.digitalocean.config import DigitalOceanConfig, problems
from vmforge.sdk import BuildContext, Problem
from vmforge.sdk.cloud import Cloud, CloudBuilder, RunMark
from vmforge.sdk.network import RemoteInput, RemoteKind


class DigitalOceanBuilder(CloudBuilder[DigitalOceanConfig]):
    """Builds a snapshot in DigitalOcean."""

    config_type = DigitalOceanConfig
    builder_id = "pearkes.digitalocean"
    summary = "builds a snapshot of a droplet in DigitalOcean"

    @classmethod
    def check(cls, config: DigitalOceanConfig) -> Iterable[Problem]:
        return problems(config)

    @classmethod
    def remote_inputs(cls, config: DigitalOceanConfig) -> Iterable[RemoteInput]:
        yield RemoteInput(RemoteKind.CLOUD, "DigitalOcean", (config.url,))

    def open(self, context: BuildContext, mark: RunMark) -> Cloud:
        from vmforge.builders.digitalocean.cloud import DigitalOcean

        return DigitalOcean(self.config, context, mark)
