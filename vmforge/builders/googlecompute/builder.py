"""The `googlecompute` builder."""

from __future__ import annotations

from collections.abc import Iterable

from vmforge.builders.googlecompute.account import Service
from vmforge.builders.googlecompute.checks import problems
from vmforge.builders.googlecompute.config import GoogleComputeConfig
from vmforge.sdk import BuildContext, Problem
from vmforge.sdk.cloud import Cloud, CloudBuilder, RunMark
from vmforge.sdk.network import RemoteInput, RemoteKind


class GoogleComputeBuilder(CloudBuilder[GoogleComputeConfig]):
    """Builds an image in Google Compute Engine."""

    config_type = GoogleComputeConfig
    builder_id = "packer.googlecompute"
    summary = "builds an image in Google Compute Engine"

    @classmethod
    def check(cls, config: GoogleComputeConfig) -> Iterable[Problem]:
        return problems(config)

    @classmethod
    def remote_inputs(cls, config: GoogleComputeConfig) -> Iterable[RemoteInput]:
        yield RemoteInput(RemoteKind.CLOUD, "Google Cloud", (config.base_of(Service.COMPUTE),))

    def open(self, context: BuildContext, mark: RunMark) -> Cloud:
        from vmforge.builders.googlecompute.cloud import GoogleCloud

        return GoogleCloud(self.config, context, mark)
