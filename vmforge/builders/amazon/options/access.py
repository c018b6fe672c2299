"""How to log in, where, and how patiently."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from vmforge.sdk import Config, Duration, Problem, Secret, option
from vmforge.sdk.extras import missing_library
from vmforge.sdk.network import RemoteInput, RemoteKind

EXTRA: Final = "aws"
LIBRARY: Final = "boto3"

_REGION = re.compile(r"[a-z]{2,}(-[a-z]+)+-[0-9]+")


@dataclass(frozen=True, kw_only=True)
class AssumeRole(Config):
    """`assume_role {}`: https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html"""

    role_arn: str = option("", help="The role to take on.")
    session_name: str = option("", help="What the session is called in AWS's logs.", default_text="`vmforge`")
    external_id: str = option("", help="The external id that the role demands.")
    policy: str = option("", help="A policy, as JSON, that narrows down what the session may do.")
    policy_arns: tuple[str, ...] = option((), help="Policies that narrow down what the session may do.")
    duration_seconds: int = option(0, help="How long the login lasts, in seconds.", default_text="3600")
    tags: Mapping[str, str] = option({}, help="Tags of the session.")
    transitive_tag_keys: tuple[str, ...] = option(
        (), help="Which of the tags roles that are taken on from this one get as well."
    )


@dataclass(frozen=True, kw_only=True)
class AssumeRoleWithWebIdentity(Config):
    """`assume_role_with_web_identity {}`, for a token of an OpenID provider."""

    role_arn: str = option("", help="The role to take on.")
    session_name: str = option("", help="What the session is called in AWS's logs.", default_text="`vmforge`")
    web_identity_token: Secret = option(Secret(""), help="The token.")
    web_identity_token_file: str = option("", help="A file that holds the token, in place of it.")
    policy: str = option("", help="A policy, as JSON, that narrows down what the session may do.")
    policy_arns: tuple[str, ...] = option((), help="Policies that narrow down what the session may do.")
    duration_seconds: int = option(0, help="How long the login lasts, in seconds.", default_text="3600")


@dataclass(frozen=True, kw_only=True)
class Polling(Config):
    """`aws_polling {}`"""

    delay_seconds: int = option(0, help="The longest pause between two looks, in seconds.", default_text="5")
    max_attempts: int = option(
        0, help="Give up after so many times `delay_seconds`.", default_text="as long as the thing may need"
    )


@dataclass(frozen=True, kw_only=True)
class VaultAwsEngine(Config):
    """`vault_aws_engine {}`, which is known and refused."""

    name: str = option("", help="The role in Vault.")
    engine_name: str = option("aws", help="Where Vault has its engine.")
    role_arn: str = option("", help="The role in AWS.")
    ttl: str = option("", help="How long the login lasts.")


@dataclass(frozen=True, kw_only=True)
class AccessConfig(Config):
    """Without any of these, the login is found as all of AWS's tools find it: environment, files in `~/.aws`,
    the role of the machine."""

    region: str = option("", help="The region to work in.", default_text="`AWS_REGION`, or the profile's")
    access_key: Secret = option(Secret(""), help="The access key's id.", affects_image=False)
    secret_key: Secret = option(Secret(""), help="The access key itself.", affects_image=False)
    token: Secret = option(Secret(""), help="The token of a login that does not last.", affects_image=False)
    profile: str = option("", help="The profile in `~/.aws`.", affects_image=False)
    shared_credentials_file: str = option(
        "", help="Where the profiles' keys are.", default_text="`~/.aws/credentials`", affects_image=False
    )
    assume_role: AssumeRole | None = option(None, help="A role to take on.", affects_image=False)
    assume_role_with_web_identity: AssumeRoleWithWebIdentity | None = option(
        None, help="A role to take on with an OpenID provider's token.", affects_image=False
    )
    mfa_code: str = option("", help="The one-time code that the login demands.", affects_image=False)
    vault_aws_engine: VaultAwsEngine | None = option(
        None, help="A login from Vault, which is not supported.", affects_image=False
    )
    custom_endpoint_ec2: str = option(
        "", help="The URL of another service that speaks EC2's API.", affects_image=False
    )
    insecure_skip_tls_verify: bool = option(
        False, help="Accept any certificate of AWS's servers.", affects_image=False
    )
    max_retries: int = option(
        0, help="How often a refused request is repeated.", default_text="10", affects_image=False
    )
    decode_authorization_messages: bool = option(
        False, help="Have AWS say in full what a login may not do; the login must be allowed to ask for that."
    )
    aws_polling: Polling = option(Polling(), help="How often to look whether something is done.")
    skip_credential_validation: bool = option(False, help="Do not ask at the start whom the login is.")
    skip_metadata_api_check: bool = option(
        False, help="Do not look for a login of the machine that vmforge runs on.", affects_image=False
    )
    skip_region_validation: bool = option(False, help="Take names of regions for right that look wrong.")


def check_access(config: AccessConfig) -> Iterator[Problem]:
    """What the values tell of a login."""
    yield from missing_library(EXTRA, LIBRARY)
    yield from _check_region(config, config.region, "region")
    if bool(config.access_key) != bool(config.secret_key):
        missing = "secret_key" if config.access_key else "access_key"
        yield Problem(
            "`access_key` and `secret_key` go together", option="access_key", hint=f"set `{missing}`"
        )
    if config.vault_aws_engine is not None:
        hint = "get it with `vault read aws/creds/NAME`, and give it as `AWS_ACCESS_KEY_ID` and so on"
        yield Problem("a login from Vault's AWS engine is not supported", "vault_aws_engine", hint=hint)
    for name in ("assume_role", "assume_role_with_web_identity"):
        role = getattr(config, name)
        if role is not None and not role.role_arn:
            yield Problem(f"`{name}` has no `role_arn`", name, hint="name the role to take on")
    for name in ("delay_seconds", "max_attempts"):
        if getattr(config.aws_polling, name) < 0:
            yield Problem(f"`{name}` is negative", "aws_polling")


def check_regions(config: AccessConfig, regions: tuple[str, ...], option: str) -> Iterator[Problem]:
    for region in regions:
        yield from _check_region(config, region, option)


def _check_region(config: AccessConfig, region: str, option: str) -> Iterator[Problem]:
    if region and not config.skip_region_validation and not _REGION.fullmatch(region):
        hint = "regions are called like `eu-central-1`; `skip_region_validation = true` takes any name"
        yield Problem(f"`{region}` is no name of a region", option, hint=hint)


def api_of(config: AccessConfig, service: str = "ec2") -> RemoteInput:
    """What a configuration asks of the network."""
    region = config.region or "REGION"
    url = config.custom_endpoint_ec2 or f"https://{service}.{region}.amazonaws.com"
    return RemoteInput(RemoteKind.CLOUD, "the API of AWS", (url,))


def limit_of(config: AccessConfig, usual: Duration) -> float:
    """How long to wait for something that AWS does, in seconds."""
    polling = config.aws_polling
    if polling.max_attempts:
        return float(polling.max_attempts * (polling.delay_seconds or 5))
    return usual.seconds
