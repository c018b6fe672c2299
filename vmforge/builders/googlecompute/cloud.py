"""A build in Google Cloud, step by step."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from vmforge.builders.googlecompute import bodies, startup
from vmforge.builders.googlecompute.account import GoogleAccount, Service
from vmforge.builders.googlecompute.compute import Compute, rest_for
from vmforge.builders.googlecompute.config import DiskAttachment, GoogleComputeConfig
from vmforge.builders.googlecompute.leftovers import leftovers_of, without_mark
from vmforge.builders.googlecompute.login import Login
from vmforge.builders.googlecompute.reaching import Reaching
from vmforge.builders.googlecompute.source import find_source
from vmforge.errors import HostError, MachineError
from vmforge.sdk import Artifact, BuildContext, Endpoint
from vmforge.sdk.cloud import Cloud, CloudArtifact, CloudError, Leftover, Resource, RunMark

BUILDER_ID: Final = "packer.googlecompute"
_ENDED: Final = ("TERMINATED", "STOPPED", "SUSPENDED")
_NAMES_HINT: Final = "choose another name, or build with `-force` to delete the old one"


@dataclass(frozen=True)
class ImageArtifact(CloudArtifact):
    """An image in Google Cloud; `account` is who made it, for post-processors that go on with it."""

    account: GoogleAccount = field(default_factory=GoogleAccount, repr=False)


class GoogleCloud(Cloud):
    """See `Cloud`."""

    def __init__(self, config: GoogleComputeConfig, context: BuildContext, mark: RunMark) -> None:
        super().__init__(context, mark)
        self._config = config
        self._login = Login(config, context.network, context.redact)
        rest = rest_for(config, self._login, context, Service.COMPUTE)
        self._compute = Compute(rest, context, limit=config.state_timeout.seconds)
        self._name = config.instance_name or mark.name
        self._image_name = config.image_name or f"packer-{int(context.started)}"
        self._at = f"{config.project_id}/zones/{config.zone}"
        self._instance_path = f"{self._at}/instances/{self._name}"
        self._image_path = f"{config.image_project}/global/images/{self._image_name}"
        self._reaching = Reaching(config, context, self._login, self._compute, self._instance_path)
        self._source: Mapping[str, Any] = {}
        self._image: Mapping[str, Any] = {}
        self._begun: Mapping[str, Any] = {}
        self._static_address, self._awaits_script = "", False

    @property
    def place(self) -> str:
        return f"project {self._config.project_id} of Google Cloud in {self._config.zone}"

    def examine(self) -> None:
        config = self._config
        if self._compute.find(self._at) is None:
            hint = "`gcloud compute zones list` shows those that there are"
            raise CloudError(f"there is no zone `{config.zone}` in project `{config.project_id}`", hint=hint)
        if not config.skip_create_image and not self.context.force and self._compute.find(self._image_path):
            raise CloudError(f"there is an image `{self._image_name}` already", hint=_NAMES_HINT)
        self._source = find_source(self._compute, config)
        self.context.ui.message(f"the source image is `{self._source['name']}`")
        if state := (self._source.get("deprecated") or {}).get("state"):
            self.context.ui.warn(f"the source image is {str(state).lower()}")
        if config.address:
            place = f"{config.project_id}/regions/{config.region_name}/addresses/{config.address}"
            found = self._compute.find(place)
            if found is None:
                raise CloudError(f"there is no address `{config.address}` in {config.region_name}")
            self._static_address = str(found["address"])
        self._reaching.examine()

    def prepare(self) -> Iterable[Resource[Any]]:
        if self._config.use_os_login and self.context.data.get("SSHPublicKey"):
            yield self._reaching.os_login_key(self.mark)

    def launch(self) -> Resource[str]:
        return Resource(
            "Launching the instance",
            "instance",
            self._make_instance,
            lambda name: self._compute.delete(self._instance_path),
            ready=lambda name: self._await_instance(),
        )

    def _make_instance(self) -> str:
        launch = bodies.Launch(
            name=self._name,
            image=str(self._source["selfLink"]),
            metadata=self._metadata(),
            labels=self.mark.tags,
            address=self._static_address,
        )
        body = bodies.instance_body(self._config, launch)
        self._begun = self._compute.begin(f"{self._at}/instances", body)
        return self._name

    def _await_instance(self) -> None:
        self._compute.finish(self._begun)
        self._compute.wait(
            lambda: self._status() == "RUNNING" or None,
            f"the instance `{self._name}` to run",
            hint="raise `state_timeout`",
        )
        self._reaching.add_late_key()

    def _metadata(self) -> dict[str, str]:
        config = self._config
        items = dict(config.metadata)
        for key, path in config.metadata_files.items():
            items[key] = _text_of(path)
        if config.startup_script_file:
            items["startup-script"] = _text_of(config.startup_script_file)
        self._awaits_script = self._wraps_script(items)
        if self._awaits_script:
            items["startup-script"] = startup.wrapped(items["startup-script"], self.mark.run)
        return items | self._reaching.first_metadata(items)

    def _wraps_script(self, metadata: Mapping[str, str]) -> bool:
        is_windows = any("windows" in url for url in self._source.get("licenses") or ())
        return self._config.wrap_startup_script and "startup-script" in metadata and not is_windows

    def _status(self) -> str:
        found = self._compute.find(self._instance_path)
        return str(found["status"]) if found else ""

    def reach(self) -> Iterable[Resource[Any]]:
        return self._reaching.resources()

    def endpoint(self) -> Endpoint:
        found = self._compute.get(self._instance_path)
        if found["status"] in _ENDED or found["status"] == "STOPPING":
            why = "; a preemptible instance may be ended at any time" if self._config.preemptible else ""
            raise MachineError(f"the instance `{self._name}` has stopped{why}", hint="build it again")
        return self._reaching.endpoint(found)

    def console(self) -> str:
        found = self._compute.get(f"{self._instance_path}/serialPort", port=1)
        return str(found.get("contents") or "")

    def stop(self) -> None:
        if self._awaits_script:
            self._await_script()
        self._compute.change(f"{self._instance_path}/stop")
        self._compute.wait(lambda: self._status() in _ENDED or None, f"the instance `{self._name}` to stop")

    def _await_script(self) -> None:
        self.context.ui.message("waiting for the startup script")
        status = self._compute.wait(
            lambda: startup.status_in(self.console(), self.mark.run),
            "the startup script to end",
            hint="raise `state_timeout`, or set `wrap_startup_script = false`",
        )
        if status:
            error = MachineError(
                f"the startup script ended with status {status}",
                hint="look at the lines of `startup-script` on the console",
            )
            error.detail = "\n".join(self.console().splitlines()[-20:])
            raise error

    def capture(self) -> Iterator[Resource[Any]]:
        if self._config.skip_create_image or self.context.throwaway:
            return
        yield Resource(
            f"Making the image {self._image_name}",
            "image",
            self._make_image,
            lambda name: self._compute.delete(self._image_path),
            ready=lambda name: self._await_image(),
            product=True,
        )

    def _make_image(self) -> str:
        config = self._config
        if self.context.force and self._compute.find(self._image_path):
            self.context.ui.message(f"deleting the old image `{self._image_name}`")
            self._compute.delete(self._image_path)
        body = bodies.image_body(config, self._image_name, self.mark.tags)
        chosen = next((d for d in enumerate(config.disk_attachment, 1) if d[1].create_image), None)
        body["sourceDisk"] = f"projects/{self._at}/disks/{config.disk_name or self._name}"
        key = config.disk_encryption_key
        if chosen:
            body["sourceDisk"] = chosen[1].source_volume or f"projects/{self._disk_path(*chosen)}"
            key = chosen[1].disk_encryption_key
        if key is not None:
            body["sourceDiskEncryptionKey"] = bodies.encryption(key)
        self._begun = self._compute.begin(f"{config.image_project}/global/images", body)
        return self._image_name

    def _disk_path(self, number: int, disk: DiskAttachment) -> str:
        return bodies.disk_place(self._config, bodies.disk_name(self._name, disk, number), disk)

    def _await_image(self) -> None:
        self._compute.finish(self._begun)
        what = f"the image `{self._image_name}`"

        def ready() -> Mapping[str, Any] | None:
            found = self._compute.find(self._image_path)
            if found and found["status"] == "FAILED":
                raise CloudError(f"Google Cloud could not make {what}")
            return found if found and found["status"] == "READY" else None

        self._image = self._compute.wait(ready, f"{what} to be ready", hint="raise `state_timeout`")

    def finish(self) -> Artifact | None:
        for number, disk in enumerate(self._config.disk_attachment, 1):
            if disk.keep_device and not disk.source_volume and not self.context.throwaway:
                self._let_go(self._disk_path(number, disk))
        if not self._image:
            return None
        without_mark(self._compute, self._image_path, self.context.cancellation)
        config = self._config
        return ImageArtifact(
            BUILDER_ID,
            self._image_name,
            f"A disk image was created in the '{config.image_project}' project: {self._image_name}",
            delete=self._delete_image,
            state={
                "ImageName": self._image_name,
                "ImageSizeGb": int(self._image.get("diskSizeGb") or 0),
                "ProjectId": config.image_project,
                "BuildZone": config.zone,
            },
            account=config,
        )

    def _let_go(self, path: str) -> None:
        """Keep a disk when the instance is deleted."""
        found = self._compute.get(self._instance_path)
        entry = next(entry for entry in found["disks"] if entry.get("source", "").endswith(f"/{path}"))
        self._compute.change(
            f"{self._instance_path}/setDiskAutoDelete", autoDelete="false", deviceName=entry["deviceName"]
        )
        without_mark(self._compute, path, self.context.cancellation)
        self.context.ui.message(f"the disk `{path.rpartition('/')[2]}` stays")

    def _delete_image(self) -> None:
        self._compute.delete(self._image_path)

    def leftovers(self) -> Iterable[Leftover]:
        config = self._config
        region = f"{config.project_id}/regions/{config.region_name}"
        yield from leftovers_of(self._compute, self._at, region, config.image_project)
        if config.use_os_login:
            yield from self._reaching.leftover_keys()

    def close(self) -> None:
        self._compute.close()
        self._reaching.close()


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise HostError(f"cannot read `{path}`: {error.strerror}") from None
    except UnicodeDecodeError:
        raise HostError(f"`{path}` is no text: metadata takes nothing else") from None
