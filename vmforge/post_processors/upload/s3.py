"""Uploads to S3 and what speaks like it. The only module here that knows boto3; its exceptions end here."""

from __future__ import annotations

from typing import Any

from vmforge.post_processors.upload.destination import Transfer
from vmforge.post_processors.upload.transport import Delivery, TransferFailed, UploadConfig
from vmforge.sdk.extras import needs

EXTRA = "aws"
LIBRARY = "boto3"
# What servers that are not AWS want to be asked with when nobody said.
_ANY_REGION = "us-east-1"


def upload_s3(transfer: Transfer, delivery: Delivery) -> None:
    """Send a file to a bucket, large ones in parts side by side; parts of a failed upload are deleted.

    Raises `TransferFailed`, and `HostError` without boto3.
    """
    with needs(EXTRA, LIBRARY):
        import boto3
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import BotoCoreError, ClientError

    (path,), destination = transfer.files, transfer.destination
    config, cancellation = delivery.config, delivery.context.cancellation
    sent = 0

    def count(amount: int) -> None:  # called from several threads, a part that is sent again counts back
        nonlocal sent
        cancellation.check()
        sent += amount
        delivery.advance(amount)

    arguments: dict[str, Any] = {
        "Metadata": {"sha256": delivery.digests[path]},
        **(config.s3_arguments or {}),
    }
    try:
        client = _client(boto3, config)
        key = destination.path.lstrip("/")
        client.upload_file(str(path), destination.host, key, ExtraArgs=arguments, Callback=count)
    except (Boto3Error, BotoCoreError, ClientError, ValueError) as error:
        cancellation.check()
        delivery.advance(-sent)
        raise _failure(error) from error


def _client(boto3: Any, config: UploadConfig) -> Any:
    from botocore.config import Config

    session = boto3.session.Session(profile_name=config.s3_profile or None)
    endpoint = config.s3_endpoint_url or None
    # servers that are not AWS mostly have no name of their own for each bucket
    style = {"addressing_style": "path"} if endpoint else {}
    return session.client(
        "s3",
        endpoint_url=endpoint,
        region_name=config.s3_region or session.region_name or (_ANY_REGION if endpoint else None),
        verify=False if config.insecure_skip_tls_verify else None,
        config=Config(s3=style, connect_timeout=20, read_timeout=300),
    )


def _failure(error: Exception) -> TransferFailed:
    from botocore.exceptions import ClientError, ConnectionError, NoCredentialsError

    text = str(error)
    if isinstance(error, NoCredentialsError) or "Unable to locate credentials" in text:
        hint = "set `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`, or `s3_profile`"
        return TransferFailed("there is no login for `s3://`", hint=hint)
    cause = error if isinstance(error, ClientError) else error.__context__
    if isinstance(cause, ClientError):
        status = cause.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        said = cause.response.get("Error", {})
        reason = f"the server answered {said.get('Code', status)}: {said.get('Message', '')}"
        return TransferFailed(reason, passing=status >= 500)
    return TransferFailed(text, passing=isinstance(error, ConnectionError))
