"""Objects in Spaces, which speaks S3. The only module of this builder that knows boto3."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from vmforge.sdk import Cancellation
from vmforge.sdk.cloud import CloudError
from vmforge.sdk.extras import needs

EXTRA, LIBRARY = "digitalocean", "boto3"
# How long DigitalOcean may fetch the object.
_URL_SECONDS: Final = 6 * 3600


class Spaces:
    """One Space. Making it asks nobody."""

    def __init__(self, url: str, region: str, space: str, key: str, secret: str) -> None:
        with needs(EXTRA, LIBRARY):
            import boto3
        from botocore.config import Config

        self._space = space
        self._client: Any = boto3.session.Session().client(
            "s3",
            endpoint_url=url,
            region_name=region,
            aws_access_key_id=key,
            aws_secret_access_key=secret,
            config=Config(s3={"addressing_style": "path"}, connect_timeout=20, read_timeout=120),
        )

    def upload(
        self, path: Path, name: str, advance: Callable[[int], None], cancellation: Cancellation
    ) -> None:
        """Send a file, large ones in parts. Raises `CloudError`, `Interrupted`."""

        def count(amount: int) -> None:
            cancellation.check()
            advance(amount)

        self._try(
            lambda: self._client.upload_file(str(path), self._space, name, Callback=count), cancellation
        )

    def address(self, name: str) -> str:
        """A URL at which whoever knows it gets the object, for some hours."""
        where = {"Bucket": self._space, "Key": name}
        return str(self._client.generate_presigned_url("get_object", Params=where, ExpiresIn=_URL_SECONDS))

    def names(self, prefix: str, cancellation: Cancellation) -> list[str]:
        """The names of the objects that begin with `prefix`. Raises `CloudError`."""
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._space, Prefix=prefix)
        found: list[str] = []
        self._try(
            lambda: found.extend(str(item["Key"]) for page in pages for item in page.get("Contents") or ()),
            cancellation,
        )
        return found

    def delete(self, name: str) -> None:
        self._try(lambda: self._client.delete_object(Bucket=self._space, Key=name), Cancellation())

    def _try(self, work: Callable[[], object], cancellation: Cancellation) -> None:
        from boto3.exceptions import Boto3Error
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            work()
        except (Boto3Error, BotoCoreError, ClientError) as error:
            cancellation.check()
            cause = error.__context__ if isinstance(error.__context__, ClientError) else error
            hint = "check `spaces_key`, `spaces_secret`, `spaces_region` and `space_name`"
            raise CloudError(f"Spaces: {cause}", hint=hint) from None
