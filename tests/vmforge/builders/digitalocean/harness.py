"""Builds in the fake of DigitalOcean inside of the test's own process, without a guest."""

from __future__ import annotations

import json
from pathlib import Path

from tests.fakes.cloud_builds import CloudHarness
from tests.fakes.digital_ocean import TOKEN, FakeDigitalOcean
from vmforge.builders.digitalocean.builder import DigitalOceanBuilder
from vmforge.sdk import Value


class Harness(CloudHarness):
    def __init__(self, cloud: FakeDigitalOcean, folder: Path) -> None:
        super().__init__(DigitalOceanBuilder, folder)
        self.cloud = cloud

    def values(self, **changes: Value) -> dict[str, Value]:
        """A source that builds; repeated requests come soon."""
        values: dict[str, Value] = {
            "api_token": TOKEN,
            "api_url": self.cloud.url,
            "http_retry_wait_min": "0.01",
            "http_retry_wait_max": "0.05",
            "region": "nyc3",
            "size": "s-1vcpu-1gb",
            "image": "debian-12-x64",
            "snapshot_name": "web 1",
        }
        return {name: value for name, value in (values | changes).items() if value is not None}

    def changes(self) -> str:
        """The requests that change something, as a text to compare."""
        lines = []
        for request in self.cloud.requests:
            if not request.endpoint.startswith("GET"):
                lines.append(f"{request.endpoint.partition(' ')[0]} {request.path}")
                if request.body is not None:
                    lines.append(json.dumps(request.body, indent=2))
        return "\n".join([*lines, ""])
