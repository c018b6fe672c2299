"""The `googlecompute-import` post-processor: a disk of this machine becomes an image in Google Cloud."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from vmforge.builders.googlecompute.account import GoogleAccount, Service, check_account
from vmforge.builders.googlecompute.bodies import Body, features
from vmforge.builders.googlecompute.checks import check_labels, check_name
from vmforge.builders.googlecompute.config import Architecture
from vmforge.errors import HostError, VmforgeError
from vmforge.sdk import Artifact, BuildContext, PostProcessor, Problem, Processed, appliance_of, option
from vmforge.sdk.cloud import (
    CloudArtifact,
    CloudError,
    Leftover,
    Resource,
    RunMark,
    delete_quietly,
    make,
    note_build,
    sweep_after,
    work_aside,
)
from vmforge.sdk.late import check_late
from vmforge.sdk.network import RemoteInput, RemoteKind

BUILDER_ID = "packer.post-processor.googlecompute-import"
_FIELDS = ("BuildName", "BuilderType")
_BEGINNING = "packer-import-"
# Google takes an hour for a large disk.
_LIMIT_SECONDS = 2 * 3600.0


@dataclass(frozen=True, kw_only=True)
class ImportConfig(GoogleAccount):
    """The options of `googlecompute-import`."""

    project_id: str = option(help="The project of the image.")
    bucket: str = option(help="The bucket that the disk is put into while it is imported.")
    image_name: str = option(help="The image's name.")
    gcs_object_name: str = option(
        "",
        help="The disk's name in the bucket; knows `{{ .BuildName }}` and `{{ .BuilderType }}`.",
        default_text="`packer-import-`, the run's id and `.tar.gz`",
        late=True,
    )
    image_architecture: Architecture | None = option(None, help="`x86_64` or `arm64`.")
    image_description: str = option("", help="What the image is, in words.")
    image_family: str = option("", help="The family whose latest image it becomes.")
    image_guest_os_features: tuple[str, ...] = option(
        (), help="What the guest can do: `UEFI_COMPATIBLE`, `GVNIC`, ..."
    )
    image_labels: Mapping[str, str] = option({}, help="Its labels.")
    image_storage_locations: tuple[str, ...] = option((), help="The region that keeps it; one.")
    image_platform_key: Path | None = option(None, help="The Secure Boot platform key: an X.509 file.")
    image_key_exchange_key: tuple[Path, ...] = option((), help="The key exchange keys.")
    image_signatures_db: tuple[Path, ...] = option((), help="Certificates that may sign what boots.")
    image_forbidden_signatures_db: tuple[Path, ...] = option((), help="Certificates that may not any more.")
    skip_clean: bool = option(False, help="Leave the disk in the bucket.")
    scopes: tuple[str, ...] = option(
        (), help="Accepted for Packer's sake: no instance is needed to import.", affects_image=False
    )


class GoogleImportPostProcessor(PostProcessor[ImportConfig]):
    """Imports a disk."""

    config_type = ImportConfig
    summary = "makes an image in Google Compute Engine of a disk that was built here"

    @classmethod
    def check(cls, config: ImportConfig) -> Iterable[Problem]:
        yield from check_account(config)
        for name in ("project_id", "bucket", "image_name"):
            if not getattr(config, name):
                yield Problem(f"`{name}` is empty", option=name)
        for name in ("image_name", "image_family"):
            yield from check_name(name, getattr(config, name))
        yield from check_labels("image_labels", config.image_labels)
        yield from check_late(config.gcs_object_name, _FIELDS, "gcs_object_name")

    @classmethod
    def remote_inputs(cls, config: ImportConfig) -> Iterable[RemoteInput]:
        urls = (config.base_of(Service.STORAGE), config.base_of(Service.COMPUTE))
        yield RemoteInput(RemoteKind.UPLOAD, "the import into Google Cloud", urls)

    def process(self, context: BuildContext, artifact: Artifact) -> Processed:
        return work_aside(context, lambda working: _Import(self.config, working).run(artifact))

    def leftovers(self, context: BuildContext) -> Iterable[Leftover]:
        return work_aside(context, lambda working: list(_Import(self.config, working).leftovers()))


@dataclass
class _Import:
    config: ImportConfig
    context: BuildContext
    _begun: Mapping[str, Any] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        from vmforge.builders.googlecompute.compute import Compute, rest_for
        from vmforge.builders.googlecompute.login import Login
        from vmforge.builders.googlecompute.storage import Storage

        login = Login(self.config, self.context.network, self.context.redact)
        rests = [
            rest_for(self.config, login, self.context, service)
            for service in (Service.COMPUTE, Service.STORAGE)
        ]
        self._compute = Compute(rests[0], self.context, limit=_LIMIT_SECONDS)
        self._storage = Storage(rests[1], self.context.cancellation)
        self._path = f"{self.config.project_id}/global/images/{self.config.image_name}"
        self._mark = RunMark.of(self.context)

    def run(self, artifact: Artifact) -> Processed:
        """The import. The object in the bucket goes; the image goes too unless all went well."""
        from vmforge.builders.googlecompute.leftovers import without_mark

        config, steps = self.config, self.context.steps
        place = f"project {config.project_id} and gs://{config.bucket} of Google Cloud"
        note_build(self.context, self._mark, place, self.leftovers)
        sweep_after(self.context, self._mark, self.leftovers)
        if not self.context.force and self._compute.find(self._path) is not None:
            hint = "choose another name, or build with `-force` to delete the old one"
            raise CloudError(f"there is an image `{config.image_name}` already", hint=hint)
        archive = _archive_of(artifact) or steps.run(
            "Writing the disk as Google takes it", partial(self._write, artifact)
        )
        name = self._object_name()
        uploaded = Resource(
            f"Uploading the disk to gs://{config.bucket}/{name}",
            "object",
            lambda: self._upload(archive, name),
            lambda name: self._storage.delete(config.bucket, name),
            product=config.skip_clean,
        )
        make(steps, uploaded)
        image = Resource(
            f"Making the image {config.image_name}",
            "image",
            lambda: self._make(name),
            lambda made: self._compute.delete(self._path),
            ready=lambda made: self._compute.finish(self._begun),
            product=True,
        )
        make(steps, image)
        without_mark(self._compute, self._path, self.context.cancellation)
        said = f"the disk was imported into the project `{config.project_id}`: {config.image_name}"
        compute, path = self._compute, self._path
        made = CloudArtifact(BUILDER_ID, config.image_name, said, delete=lambda: compute.delete(path))
        return Processed(made, keep_input=False)

    def leftovers(self) -> Iterator[Leftover]:
        """Unfinished images, and objects whose names are not the user's."""
        from vmforge.builders.googlecompute.leftovers import images_of

        yield from images_of(self._compute, self.config.project_id)
        bucket = self.config.bucket
        for name in self._storage.names(bucket, _BEGINNING):
            if mark := RunMark.read_name(name):
                delete = partial(delete_quietly, partial(self._storage.delete, bucket, name))
                yield Leftover("object", f"gs://{bucket}/{name}", mark, delete)

    def _object_name(self) -> str:
        fields = {"BuildName": self.context.name, "BuilderType": self.context.builder_type}
        named = self.context.render(self.config.gcs_object_name, {**self.context.data, **fields})
        # its name tells whose it is; one that stays is nobody's to delete
        own = self._mark.product_name if self.config.skip_clean else self._mark.name
        return named or f"{_BEGINNING}{own}.tar.gz"

    def _write(self, artifact: Artifact) -> Path:
        from vmforge.images.disk import DiskJob, write_disk
        from vmforge.images.formats import ExportFormat

        disks = appliance_of(artifact, self.context.name).disks
        if len(disks) != 1:
            raise VmforgeError(f"an image is made of one disk, and the machine has {len(disks)}")
        target = self.context.scratch / f"{self._mark.name}.tar.gz"
        total = disks[0].stat().st_size
        with self.context.ui.progress("Writing the disk", total) as progress:
            job = DiskJob(
                source=disks[0],
                target=target,
                format=ExportFormat.GCE,
                cancellation=self.context.cancellation,
                on_bytes=progress.advance,
                writer="googlecompute-import",
            )
            write_disk(job)
        return target

    def _upload(self, archive: Path, name: str) -> str:
        with self.context.ui.progress("Uploading", archive.stat().st_size) as progress:
            self._storage.upload(archive, self.config.bucket, name, progress.advance)
        return name

    def _make(self, name: str) -> str:
        config = self.config
        if self.context.force and self._compute.find(self._path) is not None:
            self._compute.delete(self._path)
        body = _image_body(config, self._mark.tags)
        # Google's own host, wherever the bucket is asked for
        source = f"https://storage.googleapis.com/{config.bucket}/{name}"
        body["rawDisk"] = {"source": source, "containerType": "TAR"}
        self._begun = self._compute.begin(f"{config.project_id}/global/images", body)
        return config.image_name


def _archive_of(artifact: Artifact) -> Path | None:
    """The file among an artifact's that Google takes as it is."""
    return next((path for path in artifact.files if path.name.endswith(".tar.gz")), None)


def _image_body(config: ImportConfig, labels: Mapping[str, str]) -> Body:
    body: Body = {"name": config.image_name, "labels": {**config.image_labels, **labels}}
    texts = {"description": config.image_description, "family": config.image_family}
    body |= {key: text for key, text in texts.items() if text}
    if config.image_architecture:
        body["architecture"] = config.image_architecture.value.upper()
    if config.image_guest_os_features:
        body["guestOsFeatures"] = features(config.image_guest_os_features)
    if config.image_storage_locations:
        body["storageLocations"] = list(config.image_storage_locations)
    if keys := _secure_boot_keys(config):
        body["shieldedInstanceInitialState"] = keys
    return body


def _secure_boot_keys(config: ImportConfig) -> Body:
    """The contents of the UEFI variables that Secure Boot goes by."""
    keys: Body = {}
    if config.image_platform_key:
        keys["pk"] = _buffer(config.image_platform_key)
    lists = {
        "keks": config.image_key_exchange_key,
        "dbs": config.image_signatures_db,
        "dbxs": config.image_forbidden_signatures_db,
    }
    return keys | {name: [_buffer(path) for path in paths] for name, paths in lists.items() if paths}


def _buffer(path: Path) -> Body:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise HostError(f"cannot read `{path}`: {error.strerror}") from None
    # a certificate in DER is a sequence, which begins with this byte, in PEM a text
    is_certificate = content[:1] == b"\x30" or content.startswith(b"-----BEGIN CERTIFICATE")
    return {"content": base64.b64encode(content).decode(), "fileType": "X509" if is_certificate else "BIN"}
