"""Logins to Amazon's registries, ECR and ECR Public. The only module here that knows boto3."""

from __future__ import annotations

import base64
import re
from typing import Any

from vmforge.builders.docker.config import LoginConfig
from vmforge.errors import VmforgeError
from vmforge.sdk import BuildContext, patience
from vmforge.sdk.extras import needs

_PRIVATE = re.compile(
    r"(?:https?://)?(?P<account>\d{12})\.dkr\.ecr(?:-fips)?\.(?P<region>[^.]+)\.amazonaws\.com"
)
_PUBLIC = "public.ecr.aws"
_PUBLIC_REGION = "us-east-1"  # the only one that answers for the public registry


def ecr_login(config: LoginConfig, context: BuildContext) -> tuple[str, str]:
    """A name and a password that are valid for 12 hours. Raises `VmforgeError`."""
    with needs("aws", "boto3"):
        import boto3
    from botocore.exceptions import BotoCoreError, ClientError

    context.network.locate(f"https://{config.login_server.rpartition('://')[2]}/v2/")

    def ask() -> str:
        session = boto3.session.Session(
            aws_access_key_id=config.aws_access_key or None,
            aws_secret_access_key=config.aws_secret_key.value or None,
            aws_session_token=config.aws_token.value or None,
            profile_name=config.aws_profile or None,
        )
        return _token(session, config)

    try:
        token = patience.call(ask, context.cancellation, "vmforge-ecr")
    except (BotoCoreError, ClientError) as error:
        hint = "set `aws_access_key` and `aws_secret_key`, `aws_profile`, or AWS's environment variables"
        raise VmforgeError(f"ECR gives no login: {error}", hint=hint) from error
    username, _, password = base64.b64decode(token).decode("ascii").partition(":")
    return username, password


def _token(session: Any, config: LoginConfig) -> str:
    if config.aws_force_use_public_ecr or _PUBLIC in config.login_server:
        answer = session.client("ecr-public", region_name=_PUBLIC_REGION).get_authorization_token()
        return str(answer["authorizationData"]["authorizationToken"])
    found = _PRIVATE.match(config.login_server)
    if found is None:
        hint = "write `ACCOUNT.dkr.ecr.REGION.amazonaws.com`, or set `aws_force_use_public_ecr`"
        raise VmforgeError(f"`{config.login_server}` is no address of ECR", hint=hint)
    client = session.client("ecr", region_name=found["region"])
    answer = client.get_authorization_token(registryIds=[found["account"]])
    return str(answer["authorizationData"][0]["authorizationToken"])
