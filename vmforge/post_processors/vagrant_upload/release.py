"""What the uploads to both registries have in common: their order, and how a version is released."""

from __future__ import annotations

from abc import ABC, abstractmethod

from vmforge.post_processors.vagrant.boxes import Box
from vmforge.post_processors.vagrant_upload.boxes import boxes_to_upload
from vmforge.post_processors.vagrant_upload.config import BoxUploadConfig, download_url
from vmforge.post_processors.vagrant_upload.service import Service
from vmforge.sdk import Artifact, BuildContext, FileArtifact, Processed

# what the storage behind the registries takes in one piece
_DIRECT_LIMIT = 5 * 1024**3


class Release(ABC):
    """One version of a box in a registry; `version` is its path there."""

    def __init__(
        self, config: BoxUploadConfig, context: BuildContext, service: Service, version: str
    ) -> None:
        self._context = context
        self._service = service
        self._upload_config = config
        self._version = version
        self._is_released = False

    @abstractmethod
    def prepare(self) -> None:
        """Have the version there."""

    @abstractmethod
    def add(self, box: Box, url: str) -> None:
        """Have the box's provider there, and the box uploaded unless it lies at `url`."""

    def send(self, box: Box, direct: str, indirect: str, field: str) -> tuple[dict[str, object], bool]:
        """Upload a box to where the registry says: it is asked at `direct`, for the storage behind it, or at
        `indirect`, and answers in `field`. Returns its answer, and whether it was the direct one."""
        size = box.path.stat().st_size
        is_direct = not self._upload_config.no_direct_upload and size <= _DIRECT_LIMIT
        target = self._service.get(direct if is_direct else indirect)
        with self._context.ui.progress(f"Uploading {box.path.name}", size) as progress:
            self._service.upload(self._service.text(target, field), box.path, progress.advance)
        self._context.ui.message(f"uploaded `{box.path}`")
        return target, is_direct

    def publish(self) -> None:
        """Release the version, unless that is not wanted or has happened."""
        config = self._upload_config
        if config.no_release or self._is_released:
            return
        self._service.put(f"{self._version}/release")
        self._context.ui.message(f"released version {config.version} of `{config.box_tag}`")


def upload_boxes(
    release: Release, config: BoxUploadConfig, artifact: Artifact, context: BuildContext, builder_id: str
) -> Processed:
    """Put all boxes of an artifact into a release, and publish that."""
    boxes = boxes_to_upload(artifact)
    release.prepare()
    for box in boxes:
        release.add(box, download_url(config, box, artifact, context))
    release.publish()
    named = ", ".join(f"'{box.provider}': {config.box_tag}" for box in boxes)
    providers = ",".join(box.provider for box in boxes)
    return Processed(FileArtifact(builder_id, providers, (), named), keep_input=True)
