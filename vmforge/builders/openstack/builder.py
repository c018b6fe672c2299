"""The `openstack` builder."""

from __future__ import annotations

from collections.abc import Iterable

from vmforge.builders.openstack.access import remote_input
from vmforge.builders.openstack.checks import problems
from vmforge.builders.openstack.config import OpenStackConfig
from vmforge.sdk import BuildContext, Problem
from vmforge.sdk.cloud import Cloud, CloudBuilder, RunMark
from vmforge.sdk.network import RemoteInput

BUILDER_ID = "mitchellh.openstack"


class OpenStackBuilder(CloudBuilder[OpenStackConfig]):
    """Builds an image out of a server."""

    config_type = OpenStackConfig
    builder_id = BUILDER_ID
    summary = "builds an image out of a server in an OpenStack cloud"

    @classmethod
    def check(cls, config: OpenStackConfig) -> Iterable[Problem]:
        return problems(config)

    @classmethod
    def remote_inputs(cls, config: OpenStackConfig) -> Iterable[RemoteInput]:
        yield remote_input(config)

    def open(self, context: BuildContext, mark: RunMark) -> Cloud:
        from vmforge.builders.openstack.cloud import OpenStackCloud

        return OpenStackCloud(self.config, context, mark)
