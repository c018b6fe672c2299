"""AWS's APIs: the only module here that knows boto3; its exceptions end here.

A request is repeated where that is safe, and the pauses between end at once when the build is told to stop;
botocore itself waits only as long as its limit on the rate of requests (mode `adaptive`) wants it to.
"""

from __future__ import annotations

import logging
import os
import random
import threading
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from vmforge.builders.amazon.options.access import EXTRA, LIBRARY, AccessConfig, AssumeRole
from vmforge.sdk.cancellation import Cancellation
from vmforge.sdk.cloud import CloudError, heard
from vmforge.sdk.extras import needs
from vmforge.sdk.network import Network
from vmforge.sdk.values import expand_home

_log = logging.getLogger(__name__)

_CONNECT_SECONDS, _READ_SECONDS = 10, 60
_TRIES, _FIRST_PAUSE, _LONGEST_PAUSE = 10, 0.25, 20.0
_CONNECTIONS: Final = 16

# The API did nothing, and will a little later
# (https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html).
_THROTTLED: Final = (
    "RequestLimitExceeded",
    "Throttling",
    "ThrottlingException",
    "ThrottledException",
    "RequestThrottled",
    "RequestThrottledException",
    "TooManyRequestsException",
    "EC2ThrottledException",
    "BandwidthLimitExceeded",
    "SlowDown",
    "ServiceUnavailable",
    "Unavailable",
)
# What goes away by itself, but takes longer than a request should be repeated: waits go on.
_PASSING: Final = (
    "DependencyViolation",
    "IncorrectState",
    "InvalidIPAddress.InUse",
    "ResourceInUse",
    "VolumeInUse",
    "InvalidSnapshot.InUse",
    "DeleteConflict",
    "ConcurrentModification",
)
# What another zone, or another kind of machine, may not say; some come as faults of the server.
NO_ROOM: Final = (
    "InsufficientInstanceCapacity",
    "InsufficientHostCapacity",
    "InsufficientReservedInstanceCapacity",
    "InsufficientCapacity",
    "InsufficientFreeAddressesInSubnet",
    "SpotMaxPriceTooLow",
    "UnfulfillableCapacity",
    "Unsupported",
)
# Such requests have the effect of one when they are repeated; so do those that carry a token.
_REPEATABLE: Final = (
    "describe_",
    "get_",
    "list_",
    "head_",
    "modify_",
    "create_tags",
    "delete_",
    "terminate_",
    "stop_",
    "start_instances",
    "deregister_",
    "enable_",
    "put_",
    "complete_",
    "cancel_",
)
_HARMLESS: Final = ("describe_", "get_", "list_", "head_")
_LOGIN: Final = "look at it with `aws sts get-caller-identity`"
_HINTS: Final = {
    "AuthFailure": _LOGIN,
    "InvalidClientTokenId": _LOGIN,
    "UnrecognizedClientException": _LOGIN,
    "SignatureDoesNotMatch": "look at `secret_key`, and at this machine's clock",
    "RequestExpired": "look at this machine's clock",
    "ExpiredToken": "log in anew",
    "ExpiredTokenException": "log in anew",
    "UnauthorizedOperation": "docs/amazon.md lists what the login must be allowed to do; "
    "`decode_authorization_messages = true` says what is missing",
    "AccessDenied": "docs/amazon.md lists what the login must be allowed to do",
    "OptInRequired": "accept the terms of the image in AWS Marketplace with this account",
    "VcpuLimitExceeded": "ask AWS for a higher quota, or take a smaller `instance_type`",
    "InstanceLimitExceeded": "ask AWS for a higher quota, or end instances",
    "MaxSpotInstanceCountExceeded": "ask AWS for a higher quota, or leave `spot_price` out",
}


class Api:
    """One service in one region. Raises `CloudError`, and `Interrupted` once the build is told to stop."""

    def __init__(self, client: Any, name: str, account: Account) -> None:
        self._client, self._name, self._account = client, name, account

    def __call__(self, operation: str, **request: Any) -> dict[str, Any]:
        """Do an operation, named as boto3 names it (`run_instances`), and return its answer."""
        pause = _FIRST_PAUSE
        tries = self._account.config.max_retries or _TRIES
        safe = operation.startswith(_REPEATABLE) or "ClientToken" in request
        for _ in range(tries):
            self._account.cancellation.check()
            try:
                return self._once(operation, request)
            except CloudError as error:
                if not (error.transient and (safe or error.code in _THROTTLED)) or error.code in _PASSING:
                    raise
                _log.debug("%s; again in about %.1f s", error.message, pause)
            # so that builds that were refused together do not come back together
            self._account.cancellation.wait(pause * (0.5 + random.random()))
            pause = min(pause * 2, _LONGEST_PAUSE)
        return self._once(operation, request)

    def items(self, operation: str, key: str, **request: Any) -> Iterator[Any]:
        """The members of `key` on all pages of an answer."""
        while True:
            page = self(operation, **request)
            yield from page.get(key) or ()
            following = page.get("NextToken") or page.get("Marker")
            if not following:
                return
            request["NextToken" if page.get("NextToken") else "Marker"] = following

    def _once(self, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        from botocore.exceptions import BotoCoreError, ClientError

        def ask() -> dict[str, Any]:
            answer: dict[str, Any] = getattr(self._client, operation)(**request)
            return answer

        try:
            return heard(ask, self._account.cancellation, listening=not operation.startswith(_HARMLESS))
        except ClientError as error:
            raise self._refused(error, operation) from None
        except (BotoCoreError, ValueError) as error:
            raise _unanswered(error, self._name) from None

    def _refused(self, error: Any, operation: str) -> CloudError:
        said = error.response.get("Error", {})
        code, message = str(said.get("Code", "")), str(said.get("Message") or operation)
        status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
        transient = (status >= 500 and code not in NO_ROOM) or code in _THROTTLED or code in _PASSING
        if code == "UnauthorizedOperation":
            message = self._account.explain_refusal(message)
        known = f" ({code})" if code and code not in message else ""
        text = f"{self._name}: {message.rstrip('.')}{known}"
        return CloudError(text, code=code, status=status, transient=transient, hint=_HINTS.get(code, ""))


def _unanswered(error: Exception, name: str) -> CloudError:
    """For what happened before an answer came."""
    from botocore import exceptions
    from botocore.parsers import ResponseParserError

    if isinstance(error, exceptions.NoCredentialsError | exceptions.PartialCredentialsError):
        hint = "set `profile`, or `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`, or log in: `aws sso login`"
        return CloudError(f"{name}: there is no login for AWS: {error}", hint=hint)
    if isinstance(error, exceptions.SSLError):
        return CloudError(f"{name}: the connection is not secure: {error}")
    if isinstance(error, ResponseParserError):
        return CloudError(f"{name}: the answer cannot be read: {error}", status=500)
    lost = isinstance(error, exceptions.HTTPClientError)
    return CloudError(f"{name}: {error}", transient=lost)


@dataclass(eq=False)
class Account:
    """A login, and the clients that use it. Making it asks nobody; its calls raise `CloudError`, `HostError`
    without boto3, and `NetworkRefused`. Safe to use from several threads."""

    config: AccessConfig
    network: Network
    cancellation: Cancellation
    _login: list[Any] = field(default_factory=list)  # boto3's session, once there is one; shared
    _apis: dict[tuple[str, str], Api] = field(default_factory=dict)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    @property
    def region(self) -> str:
        """Raises `CloudError` when nothing names one."""
        region = self.config.region or os.environ.get("AWS_REGION") or self._session_for_use().region_name
        if not region:
            raise CloudError("the region to work in is not known", hint="set `region`, or `AWS_REGION`")
        return str(region)

    @property
    def place(self) -> str:
        """Whose account this is, and where, as far as the configuration tells."""
        config, environment = self.config, os.environ
        who = config.assume_role.role_arn if config.assume_role else ""
        who = who or config.profile or environment.get("AWS_PROFILE", "")
        key = config.access_key.value or environment.get("AWS_ACCESS_KEY_ID", "")
        if key and not who:
            who = f"key {zlib.crc32(key.encode()) & 0xFFFF:04x}"  # which of several, not what it is
        url = config.custom_endpoint_ec2 or environment.get("AWS_ENDPOINT_URL", "")
        named = ", ".join(part for part in (who, url.partition("://")[2]) if part)
        return f"AWS in {self.region}" + (f" ({named})" if named else "")

    def insistent(self) -> Account:
        """The same login, for what must be done although the build was told to stop: deleting."""
        return Account(self.config, self.network, Cancellation(), self._login)

    def api(self, service: str = "ec2", region: str = "") -> Api:
        """A service, by default in the region of the build."""
        place = (service, region or self.region)
        with self._lock:
            if place not in self._apis:
                self._apis[place] = Api(self._client(*place), _NAMES.get(service, service), self)
            return self._apis[place]

    def explain_refusal(self, message: str) -> str:
        """What AWS says in code about a missing permission, in words, where that is wanted."""
        text, marker, encoded = message.partition("Encoded authorization failure message: ")
        if not marker or not self.config.decode_authorization_messages:
            return text.strip() or message
        try:
            answer = self.api("sts")("decode_authorization_message", EncodedMessage=encoded.strip())
        except CloudError:
            return text.strip()
        return f"{text.strip()} {answer['DecodedMessage']}"

    def credentials(self) -> dict[str, str]:
        """The login as the environment of another program has it."""
        frozen = self._session_for_use().get_credentials()
        if frozen is None:
            return {}
        frozen = frozen.get_frozen_credentials()
        found = {"AWS_ACCESS_KEY_ID": frozen.access_key, "AWS_SECRET_ACCESS_KEY": frozen.secret_key}
        return found | ({"AWS_SESSION_TOKEN": frozen.token} if frozen.token else {})

    def upload(
        self, path: Path, bucket: str, key: str, extra: dict[str, Any], on_bytes: Callable[[int], None]
    ) -> None:
        """Send a file to a bucket, large ones in parts side by side; parts of a failed upload are deleted."""
        client = self._client("s3", self.region)
        from boto3.exceptions import Boto3Error
        from botocore.exceptions import BotoCoreError, ClientError

        def count(amount: int) -> None:  # called from several threads
            self.cancellation.check()
            on_bytes(amount)

        try:
            client.upload_file(str(path), bucket, key, ExtraArgs=extra, Callback=count)
        except (Boto3Error, BotoCoreError, ClientError, ValueError, OSError) as error:
            self.cancellation.check()
            raise CloudError(f"S3: `{path.name}` could not be uploaded: {error}") from None
        finally:
            client.close()

    def close(self) -> None:
        with self._lock:
            for api in self._apis.values():
                api._client.close()
            self._apis.clear()

    def _client(self, service: str, region: str) -> Any:
        from botocore.config import Config

        config = self.config
        options = Config(
            retries={"mode": "adaptive", "total_max_attempts": 1},
            connect_timeout=_CONNECT_SECONDS,
            read_timeout=_READ_SECONDS,
            max_pool_connections=_CONNECTIONS,
            user_agent_extra="vmforge",
            s3={"addressing_style": "path"} if os.environ.get("AWS_ENDPOINT_URL") else None,
        )
        with _Translated():
            client = self._session_for_use().client(
                service,
                region_name=region,
                endpoint_url=config.custom_endpoint_ec2 or None if service == "ec2" else None,
                verify=False if config.insecure_skip_tls_verify else None,
                config=options,
            )
        self.network.locate(client.meta.endpoint_url)
        return client

    def _session_for_use(self) -> Any:
        with self._lock:
            if not self._login:
                with needs(EXTRA, LIBRARY):
                    import boto3
                with _Translated():
                    self._login.append(self._logged_in(boto3))
            return self._login[0]

    def _logged_in(self, boto3: Any) -> Any:
        import botocore.session

        config = self.config
        inner = botocore.session.Session(profile=config.profile or None)
        if config.shared_credentials_file:
            inner.set_config_variable("credentials_file", config.shared_credentials_file)
        if config.skip_metadata_api_check:
            inner.get_component("credential_provider").remove("iam-role")
        session = boto3.session.Session(
            aws_access_key_id=config.access_key.value or None,
            aws_secret_access_key=config.secret_key.value or None,
            aws_session_token=config.token.value or None,
            region_name=config.region or None,
            botocore_session=inner,
        )
        return self._as_role(boto3, session)

    def _as_role(self, boto3: Any, session: Any) -> Any:
        """The session of the role that the configuration wants, or the same session."""
        request = _role_request(self.config)
        if not request:
            return session
        operation = "assume_role_with_web_identity" if "WebIdentityToken" in request else "assume_role"
        region = self.config.region or session.region_name or "us-east-1"
        client = session.client("sts", region_name=region)
        self.network.locate(client.meta.endpoint_url)
        found = Api(client, _NAMES["sts"], self)(operation, **request)["Credentials"]
        return boto3.session.Session(
            aws_access_key_id=found["AccessKeyId"],
            aws_secret_access_key=found["SecretAccessKey"],
            aws_session_token=found["SessionToken"],
            region_name=region,
        )


_NAMES: Final = {
    "ec2": "EC2",
    "ebs": "EBS",
    "iam": "IAM",
    "s3": "S3",
    "ssm": "Systems Manager",
    "sts": "STS",
    "secretsmanager": "Secrets Manager",
}


def _role_request(config: AccessConfig) -> dict[str, Any]:
    """What STS is asked for a role with; empty without one."""
    role = config.assume_role or config.assume_role_with_web_identity
    if role is None:
        return {}
    request: dict[str, Any] = {
        "RoleArn": role.role_arn,
        "RoleSessionName": role.session_name or "vmforge",
        "Policy": role.policy,
        "PolicyArns": [{"arn": arn} for arn in role.policy_arns],
        "DurationSeconds": role.duration_seconds,
    }
    if isinstance(role, AssumeRole):
        request |= {
            "ExternalId": role.external_id,
            "Tags": [{"Key": key, "Value": value} for key, value in role.tags.items()],
            "TransitiveTagKeys": list(role.transitive_tag_keys),
            "TokenCode": config.mfa_code,
            "SerialNumber": os.environ.get("AWS_MFA_SERIAL", "") if config.mfa_code else "",
        }
    else:
        request["WebIdentityToken"] = role.web_identity_token.value or _read(role.web_identity_token_file)
    return {key: value for key, value in request.items() if value}


def _read(path: str) -> str:
    try:
        return expand_home(Path(path)).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise CloudError(f"the token `{path}` cannot be read: {error.strerror}") from None


class _Translated:
    """Translates what boto3 raises while it looks for a login."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        from botocore.exceptions import BotoCoreError

        if isinstance(error, BotoCoreError | ValueError):
            raise _unanswered(error, "AWS") from None
