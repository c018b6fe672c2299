"""Builds in the fake of Google Cloud inside of the test's own process, without a guest."""

from __future__ import annotations

import json
from pathlib import Path

from tests.fakes.cloud_builds import CloudHarness
from tests.fakes.google_cloud import PROJECT, TOKEN, ZONE, FakeGoogle
from vmforge.builders.googlecompute.builder import GoogleComputeBuilder
from vmforge.sdk import Value

_READING = (".get", ".list", ".getFromFamily", ".getSerialPortOutput")


class Harness(CloudHarness):
    def __init__(self, google: FakeGoogle, folder: Path) -> None:
        super().__init__(GoogleComputeBuilder, folder)
        self.google = google

    def values(self, **changes: Value) -> dict[str, Value]:
        services = ("compute", "oslogin", "oauth2", "iamcredentials")
        values: dict[str, Value] = {
            "project_id": PROJECT,
            "zone": ZONE,
            "source_image_family": "debian-12",
            "image_name": "web-1",
            "access_token": TOKEN,
            "custom_endpoints": dict.fromkeys(services, self.google.url),
        }
        return {name: value for name, value in (values | changes).items() if value is not None}

    def changes(self) -> str:
        """The requests that change something, as a text to compare."""
        lines = []
        for request in self.google.requests:
            if not request.method.endswith(_READING):
                query = {name: value for name, value in request.query.items() if name != "requestId"}
                lines.append(f"{request.method} {request.path} {json.dumps(query) if query else ''}".rstrip())
                if request.body is not None:
                    lines.append(json.dumps(request.body, indent=2))
        return "\n".join([*lines, ""])
