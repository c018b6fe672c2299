"""The `googlecompute-export` post-processor: an image in Google Cloud becomes archives in buckets.

An instance does it: Google writes disks to buckets in no other way that asks for nothing but Compute Engine
and Cloud Storage.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from vmforge.builders.googlecompute import startup
from vmforge.builders.googlecompute.account import GoogleAccount, Service, check_account
from vmforge.builders.googlecompute.bodies import Body, metadata_body
from vmforge.errors import MachineError, VmforgeError
from vmforge.sdk import Artifact, BuildContext, PostProcessor, Problem, Processed, option
from vmforge.sdk.cloud import CloudArtifact, Resource, RunMark, make, work_aside
from vmforge.sdk.network import RemoteInput, RemoteKind

BUILDER_ID = "packer.post-processor.googlecompute-export"
_BUILDER_ID = "packer.googlecompute"
_SCOPES = ("https://www.googleapis.com/auth/cloud-platform",)
_SYSTEM = "projects/debian-cloud/global/images/family/debian-12"
_DEVICE = "vmforge-export"
_LIMIT_SECONDS, _MACHINE_SECONDS = 4 * 3600.0, 300.0

# `tar` reads the disk through a name that the archive must have; the image's own disk has no file system
# to write to, and the archive is never whole anywhere but in the bucket.
_SCRIPT = """\
#!/bin/bash
set -euo pipefail
disk=/dev/disk/by-id/google-{device}
size=$(blockdev --getsize64 "$disk")
header() {{
  python3 -c 'import sys, tarfile
member = tarfile.TarInfo("disk.raw")
member.size = int(sys.argv[1])
sys.stdout.buffer.write(member.tobuf(tarfile.GNU_FORMAT))' "$size"
}}
archive() {{ header; cat "$disk"; head -c 10240 /dev/zero; }}
archive | gzip -1 | gcloud storage cp - {first}
{copies}"""


@dataclass(frozen=True, kw_only=True)
class ExportConfig(GoogleAccount):
    """The options of `googlecompute-export`."""

    paths: tuple[str, ...] = option(help="Where to put the archive: `gs://BUCKET/NAME.tar.gz`, ...")
    disk_size: int = option(200, help="The size of the instance's disk in GB; a larger one is faster.")
    disk_type: str = option("pd-ssd", help="Its type.")
    machine_type: str = option("n1-highcpu-4", help="The instance's machine type.")
    network: str = option("", help="Its network.", default_text="`default`")
    subnetwork: str = option("", help="Its subnetwork.")
    zone: str = option("", help="Its zone.", default_text="that of the build")
    service_account_email: str = option(
        "", help="Its service account, which writes to the bucket.", default_text="the default one"
    )
    scopes: tuple[str, ...] = option(_SCOPES, help="What the service account may be used for.")


class GoogleExportPostProcessor(PostProcessor[ExportConfig]):
    """Exports an image."""

    config_type = ExportConfig
    summary = "writes an image of `googlecompute` to buckets"

    @classmethod
    def check(cls, config: ExportConfig) -> Iterable[Problem]:
        yield from check_account(config)
        if not config.paths:
            yield Problem("`paths` is empty", option="paths", hint="write `gs://BUCKET/NAME.tar.gz`")
        for path in config.paths:
            bucket, _, name = path.removeprefix("gs://").partition("/")
            if not path.startswith("gs://") or not bucket or not name:
                hint = "write `gs://BUCKET/NAME.tar.gz`"
                yield Problem(f"`{path}` is no place in a bucket", option="paths", hint=hint)

    @classmethod
    def remote_inputs(cls, config: ExportConfig) -> Iterable[RemoteInput]:
        yield RemoteInput(RemoteKind.CLOUD, "the export", (config.base_of(Service.COMPUTE),))

    def process(self, context: BuildContext, artifact: Artifact) -> Processed:
        if artifact.builder_id != _BUILDER_ID:
            hint = "use it behind `googlecompute`; `export` writes the disks that are built here"
            raise VmforgeError("`googlecompute-export` exports images of Google Cloud only", hint=hint)
        return work_aside(context, lambda working: _Export(self.config, working, artifact).run())


@dataclass
class _Export:
    config: ExportConfig
    context: BuildContext
    artifact: Artifact
    _begun: Mapping[str, Any] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        from vmforge.builders.googlecompute.compute import Compute, rest_for
        from vmforge.builders.googlecompute.login import Login

        account = self._account()
        login = Login(account, self.context.network, self.context.redact)
        rest = rest_for(account, login, self.context, Service.COMPUTE)
        self._compute = Compute(rest, self.context, limit=_MACHINE_SECONDS)
        self._mark = RunMark.of(self.context)
        self._project = str(self.artifact.state["ProjectId"])
        self._zone = self.config.zone or str(self.artifact.state["BuildZone"])
        self._at = f"{self._project}/zones/{self._zone}"
        self._path = f"{self._at}/instances/{self._mark.name}"

    def _account(self) -> GoogleAccount:
        """The builder's login, unless the options name another."""
        builders = getattr(self.artifact, "account", None)
        if isinstance(builders, GoogleAccount) and not self.config.names_login:
            return builders
        return self.config

    def run(self) -> Processed:
        """The export; the instance goes however it ends."""
        config, steps = self.config, self.context.steps
        instance = Resource(
            "Launching an instance that exports",
            "instance",
            self._launch,
            lambda name: self._compute.delete(self._path),
            ready=lambda name: self._compute.finish(self._begun),
        )
        make(steps, instance)
        listed = ", ".join(config.paths)
        steps.run(f"Writing {self.artifact.id} to {listed}", self._await)
        said = f"the image `{self.artifact.id}` was exported to: {listed}"
        made = CloudArtifact(BUILDER_ID, listed, said, state={"urls": config.paths})
        return Processed(made, keep_input=True)

    def _launch(self) -> str:
        self._begun = self._compute.begin(f"{self._at}/instances", self._body())
        return self._mark.name

    def _body(self) -> Body:
        config = self.config
        script = startup.wrapped(_script(config.paths), self._mark.run)
        return {
            "name": self._mark.name,
            "machineType": f"zones/{self._zone}/machineTypes/{config.machine_type}",
            "labels": self._mark.tags,
            "metadata": metadata_body({"startup-script": script}),
            "disks": [
                self._disk(_SYSTEM, config.disk_size, boot=True),
                self._disk(f"projects/{self._project}/global/images/{self.artifact.id}"),
            ],
            "networkInterfaces": [self._interface()],
            "serviceAccounts": [
                {"email": config.service_account_email or "default", "scopes": list(config.scopes)}
            ],
        }

    def _disk(self, image: str, size: int = 0, *, boot: bool = False) -> Body:
        made: Body = {
            "sourceImage": image,
            "diskName": self._mark.name if boot else f"{self._mark.name[:58]}-disk",
            "diskType": f"zones/{self._zone}/diskTypes/{self.config.disk_type}",
            "labels": self._mark.tags,
        }
        if size:
            made["diskSizeGb"] = str(size)
        body: Body = {"type": "PERSISTENT", "boot": boot, "autoDelete": True, "initializeParams": made}
        return body if boot else body | {"deviceName": _DEVICE}

    def _interface(self) -> Body:
        config = self.config
        region = self._zone.rpartition("-")[0]
        body: Body = {"accessConfigs": [{"name": "External NAT", "type": "ONE_TO_ONE_NAT"}]}
        network = config.network or ("" if config.subnetwork else "default")
        if network:
            within = f"projects/{self._project}/global/networks"
            body["network"] = network if "/" in network else f"{within}/{network}"
        if config.subnetwork:
            within = f"projects/{self._project}/regions/{region}/subnetworks"
            name = config.subnetwork
            body["subnetwork"] = name if "/" in name else f"{within}/{name}"
        return body

    def _await(self) -> None:
        status = self._compute.wait(
            lambda: startup.status_in(self._console(), self._mark.run), "the export", limit=_LIMIT_SECONDS
        )
        if status:
            hint = "may the service account write to the bucket? give `service_account_email` and its role"
            error = MachineError(f"the export ended with status {status}", hint=hint)
            error.detail = "\n".join(self._console().splitlines()[-20:])
            raise error

    def _console(self) -> str:
        return str(self._compute.get(f"{self._path}/serialPort", port=1).get("contents") or "")


def _script(paths: Iterable[str]) -> str:
    first, *others = paths
    copies = [f"gcloud storage cp {shlex.quote(first)} {shlex.quote(path)}\n" for path in others]
    return _SCRIPT.format(device=_DEVICE, first=shlex.quote(first), copies="".join(copies))
