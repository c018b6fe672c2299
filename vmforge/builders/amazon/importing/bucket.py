"""Imports by way of a bucket: AWS reads the disk from there, in a role that may."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from vmforge.builders.amazon.api import Account
from vmforge.builders.amazon.images import delete_image, delete_snapshot
from vmforge.builders.amazon.importing.config import DiskFormat, ImportConfig
from vmforge.builders.amazon.options.access import limit_of
from vmforge.builders.amazon.registering import wait_for_snapshots
from vmforge.builders.amazon.tagging import as_api, specification
from vmforge.errors import VmforgeError
from vmforge.sdk import Artifact, BuildContext, Duration
from vmforge.sdk.cloud import CloudError, Leftover, Resource, RunMark, delete_quietly, wait_for

_LIMIT = Duration(6 * 3600)
_ENDED = ("deleted", "deleting", "cancelled", "cancelling")
_ROLE = "is there a role `vmimport`, and may it read the bucket? See docs/amazon.md"
Enter = Callable[[Resource[Any]], str]


@dataclass
class BucketImport:
    """One file by way of the bucket."""

    config: ImportConfig
    context: BuildContext
    account: Account
    deleting: Account
    mark: RunMark
    artifact: Artifact

    def import_snapshot(self, enter: Enter) -> str:
        """Returns the snapshot, which is complete."""
        container = {"Format": self.config.format.value.upper(), "UserBucket": self._upload(enter)}
        request = self._common("import-snapshot-task") | {"DiskContainer": container}
        task = self._begin(enter, "import_snapshot", request)

        def look() -> str | None:
            answer = self.account.api()("describe_import_snapshot_tasks", ImportTaskIds=[task])
            detail = answer["ImportSnapshotTasks"][0]["SnapshotTaskDetail"]
            return self._seen(detail, "SnapshotId")

        region = self.account.region
        # tags of a task are not the snapshot's, which is found again by its own
        return enter(
            Resource(
                "Importing the snapshot",
                "snapshot",
                partial(self._wait, look),
                partial(delete_snapshot, self.deleting, region),
                ready=self._take_over_snapshot,
                product=True,
            )
        )

    def import_image(self, enter: Enter, *, product: bool) -> str:
        """Returns the image, which can be used."""
        config = self.config
        container = {"Format": config.format.value.upper(), "UserBucket": self._upload(enter)}
        stated = {
            "LicenseType": config.license_type,
            "Platform": config.platform,
            "Architecture": config.architecture.value if config.architecture else "",
            "BootMode": config.boot_mode.value if config.boot_mode else "",
        }
        request = self._common("import-image-task") | {"DiskContainers": [container]}
        request |= {key: value for key, value in stated.items() if value}
        task = self._begin(enter, "import_image", request)

        def look() -> str | None:
            answer = self.account.api()("describe_import_image_tasks", ImportTaskIds=[task])
            return self._seen(answer["ImportImageTasks"][0], "ImageId")

        return enter(
            Resource(
                "Importing the image",
                "image",
                partial(self._wait, look),
                partial(delete_image, self.deleting, self.account.region),
                ready=self._mark,
                product=product,
            )
        )

    def _common(self, kind: str) -> dict[str, Any]:
        config = self.config
        request: dict[str, Any] = {
            "Description": config.ami_description or config.ami_name,
            "TagSpecifications": specification((kind,), self.mark.tags),
        }
        if config.role_name:
            request["RoleName"] = config.role_name
        if config.ami_encrypt:
            request |= {"Encrypted": True} | ({"KmsKeyId": config.ami_kms_key} if config.ami_kms_key else {})
        return request

    def _begin(self, enter: Enter, operation: str, request: dict[str, Any]) -> str:
        """The import's task, which is cancelled when the build fails."""
        ec2 = self.account.api()

        def begin() -> str:
            return str(ec2(operation, **request)["ImportTaskId"])

        return enter(Resource("Starting the import", "import", begin, self._cancel, product=True))

    def _cancel(self, task: str) -> None:
        try:
            self.deleting.api()("cancel_import_task", ImportTaskId=task)
        except CloudError as error:
            if error.transient:
                raise  # else it has ended already

    def _wait(self, look: Callable[[], str | None]) -> str:
        return wait_for(
            look,
            "the import",
            cancellation=self.context.cancellation,
            limit=limit_of(self.config, _LIMIT),
            longest_pause=self.config.aws_polling.delay_seconds or 10.0,
        )

    def _seen(self, task: dict[str, Any], made: str) -> str | None:
        status, said = str(task.get("Status", "")), str(task.get("StatusMessage", ""))
        if status in _ENDED:
            raise CloudError(f"the import failed: {said or status}", hint=_ROLE)
        self.context.ui.status(
            f"import: {task.get('Progress', '')} {said}".strip() if status == "active" else ""
        )
        return str(task[made]) if status == "completed" else None

    def _take_over_snapshot(self, snapshot: str) -> None:
        self._mark(snapshot)
        wait_for_snapshots(self.account, self.config, [snapshot])

    def _mark(self, id: str) -> None:
        self.account.api()("create_tags", Resources=[id], Tags=as_api(self.mark.tags))

    def _upload(self, enter: Enter) -> dict[str, str]:
        """Send the file; returns where it is."""
        config, path = self.config, file_of(self.artifact, self.config.format)
        bucket, key = config.s3_bucket_name, config.s3_key_name or self._own_key()
        extra: dict[str, Any] = {}
        if config.s3_encryption:
            extra["ServerSideEncryption"] = config.s3_encryption
        if config.s3_encryption_key:
            extra["SSEKMSKeyId"] = config.s3_encryption_key

        def send() -> str:
            with self.context.ui.progress(f"Uploading {path.name}", path.stat().st_size) as progress:
                self.account.upload(path, bucket, key, extra, progress.advance)
            return key

        enter(
            Resource(
                f"Uploading `{path.name}` to `s3://{bucket}/{key}`",
                "object",
                send,
                lambda key: self.deleting.api("s3")("delete_object", Bucket=bucket, Key=key),
                product=config.skip_clean,
            )
        )
        return {"S3Bucket": bucket, "S3Key": key}

    def _own_key(self) -> str:
        """Its name tells whose it is; one that stays is nobody's to delete."""
        stem = f"vmforge-{self.mark.product_name}" if self.config.skip_clean else self.mark.name
        return f"{stem}.{self.config.format.value}"

    @staticmethod
    def left(account: Account, config: ImportConfig) -> Iterator[Leftover]:
        """Objects in the bucket that builds have left, known by their names."""
        if not config.s3_bucket_name:
            return
        s3, bucket = account.api("s3"), config.s3_bucket_name
        token: dict[str, str] = {}
        while True:
            page = s3("list_objects_v2", Bucket=bucket, Prefix="vmforge-", **token)
            for item in page.get("Contents") or ():
                if mark := RunMark.read_name(str(item["Key"])):
                    delete = partial(s3, "delete_object", Bucket=bucket, Key=str(item["Key"]))
                    yield Leftover(
                        "object", f"s3://{bucket}/{item['Key']}", mark, partial(delete_quietly, delete)
                    )
            if not page.get("NextContinuationToken"):
                return
            token = {"ContinuationToken": str(page["NextContinuationToken"])}


def file_of(artifact: Artifact, format: DiskFormat) -> Path:
    """The artifact's file in a format. Raises `VmforgeError` when it has none."""
    suffix = f".{format.value}"
    found = [path for path in artifact.files if path.suffix.lower() == suffix]
    if not found and format is DiskFormat.RAW:
        found = [path for path in artifact.files if path.suffix.lower() == ".img"]
    if not found:
        named = ", ".join(f"`{path.name}`" for path in artifact.files) or "nothing"
        hint = f'make one with the post-processor `export` (`formats = ["{format.value}"]`), '
        hint += "or leave `s3_bucket_name` out"
        raise VmforgeError(f"the artifact has no `{suffix}` file to import, but {named}", hint=hint)
    return found[0]
