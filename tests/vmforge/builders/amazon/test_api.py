"""The door to AWS: logins, errors in words, waits that end."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from tests.fakes.aws import FakeAws
from tests.vmforge.builders.amazon.conftest import Forge
from vmforge.builders.amazon.api import Account
from vmforge.builders.amazon.options.access import (
    AccessConfig,
    AssumeRole,
    AssumeRoleWithWebIdentity,
    Polling,
    limit_of,
)
from vmforge.builders.amazon.windows import PasswordKey, wait_for_password
from vmforge.errors import Interrupted
from vmforge.sdk import Cancellation, Duration, Secret
from vmforge.sdk.cloud import CloudError
from vmforge.sdk.network import Network, NetworkRefused


def account(cancellation: Cancellation | None = None, **options: Any) -> Account:
    return Account(AccessConfig(**options), Network(), cancellation or Cancellation())


def test_throttling_is_given_up_after_so_many_tries(forge: Forge, aws: FakeAws) -> None:
    aws.fail("DescribeRegions", "RequestLimitExceeded", status=503, times=99)
    with pytest.raises(CloudError, match="EC2: injected: RequestLimitExceeded") as raised:
        account(max_retries=2).api()("describe_regions")
    assert (raised.value.code, raised.value.status, raised.value.transient) == (
        "RequestLimitExceeded",
        503,
        True,
    )
    assert len(aws.calls("DescribeRegions")) == 3


def test_a_pause_ends_at_once_when_the_build_is_told_to_stop(forge: Forge, aws: FakeAws) -> None:
    aws.fail("DescribeRegions", "RequestLimitExceeded", status=503, times=10**6)
    cancellation = Cancellation()
    aws.faults[-1].hook = lambda: threading.Timer(0.01, cancellation.cancel).start()
    with pytest.raises(Interrupted):
        account(cancellation).api()("describe_regions")


def test_a_server_that_is_silent_does_not_hold_up_an_interrupted_build(forge: Forge, aws: FakeAws) -> None:
    cancellation, released = Cancellation(), threading.Event()

    def silent() -> None:
        cancellation.cancel()
        released.wait(30)

    aws.fail("DescribeRegions", hook=silent)
    began = time.monotonic()
    with pytest.raises(Interrupted):
        account(cancellation).api()("describe_regions")
    released.set()
    assert time.monotonic() - began < 25  # the server's silence


def test_refusals_say_what_to_do(forge: Forge, aws: FakeAws) -> None:
    aws.fail("DescribeRegions", "AuthFailure", status=401)
    with pytest.raises(CloudError) as raised:
        account().api()("describe_regions")
    assert "aws sts get-caller-identity" in raised.value.hint


def test_a_refusal_in_code_is_put_in_words(
    forge: Forge, aws: FakeAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "You are not authorized. Encoded authorization failure message: abcdef"
    monkeypatch.setattr("tests.fakes.aws._text_of", lambda fault: text)
    aws.fail("DescribeRegions", "UnauthorizedOperation", status=403, times=2)
    with pytest.raises(CloudError, match=r"You are not authorized \(UnauthorizedOperation\)"):
        account().api()("describe_regions")
    told = account(decode_authorization_messages=True)
    answered = {"DecodedMessage": "ec2:DescribeRegions"}
    monkeypatch.setattr(type(told.api("sts")), "_once", _answer_sts(type(told.api("sts"))._once, answered))
    with pytest.raises(CloudError, match="ec2:DescribeRegions"):
        told.api()("describe_regions")


def _answer_sts(otherwise: Any, answer: dict[str, Any]) -> Any:
    """moto does not decode these messages."""

    def once(self: Any, operation: str, request: dict[str, Any]) -> Any:
        if operation == "decode_authorization_message":
            assert request == {"EncodedMessage": "abcdef"}
            return answer
        return otherwise(self, operation, request)

    return once


def test_no_login_is_named(forge: Forge, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    with pytest.raises(CloudError, match="there is no login for AWS") as raised:
        account(skip_metadata_api_check=True).api()("describe_regions")
    assert "aws sso login" in raised.value.hint
    with pytest.raises(CloudError, match="profile"):
        account(profile="nobody").api()
    monkeypatch.delenv("AWS_REGION")
    with pytest.raises(CloudError, match="the region to work in is not known"):
        account(access_key=Secret("a"), secret_key=Secret("b")).api()


def test_keys_of_a_profile_are_found(forge: Forge, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    path = tmp_path / "credentials"
    path.write_text("[images]\naws_access_key_id = AK1\naws_secret_access_key = sk1\n")
    found = account(profile="images", shared_credentials_file=str(path)).credentials()
    assert found == {"AWS_ACCESS_KEY_ID": "AK1", "AWS_SECRET_ACCESS_KEY": "sk1"}


def test_a_role_is_taken_on(forge: Forge, aws: FakeAws, tmp_path: Any) -> None:
    token = tmp_path / "token"
    token.write_text("a-token\n")
    arn = "arn:aws:iam::123456789012:role/images"
    role = AssumeRole(role_arn=arn, external_id="external", tags={"a": "b"}, duration_seconds=900)
    found = account(assume_role=role, mfa_code="123456").credentials()
    assert found["AWS_ACCESS_KEY_ID"].startswith("ASIA")
    (asked,) = aws.calls("AssumeRole")
    wanted = {"RoleArn": arn, "RoleSessionName": "vmforge", "ExternalId": "external", "TokenCode": "123456"}
    assert wanted.items() <= asked.items()
    identity = AssumeRoleWithWebIdentity(role_arn=arn, web_identity_token_file=str(token))
    account(assume_role_with_web_identity=identity).credentials()
    assert aws.calls("AssumeRoleWithWebIdentity")[0]["WebIdentityToken"] == "a-token"


def test_accounts_have_places_of_their_own(forge: Forge) -> None:
    here = account(access_key=Secret("AK1"), secret_key=Secret("x")).place
    assert here.startswith("AWS in us-east-1 (key ")
    assert here != account(access_key=Secret("AK2"), secret_key=Secret("x")).place
    assert "AK1" not in here
    assert account(profile="images", region="eu-west-1").config.region == "eu-west-1"


def test_offline_nothing_is_asked(forge: Forge, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    with pytest.raises(NetworkRefused):
        Account(AccessConfig(), Network(offline=True), Cancellation()).api()


def test_the_users_patience_counts() -> None:
    assert limit_of(AccessConfig(), Duration(60)) == 60
    assert limit_of(AccessConfig(aws_polling=Polling(delay_seconds=3, max_attempts=10)), Duration(60)) == 30


def test_the_password_of_windows_is_decrypted(forge: Forge, aws: FakeAws) -> None:
    """Once it is there; only this build's key reads it."""
    key, ec2 = PasswordKey.make(), account().api()
    ec2("import_key_pair", KeyName="windows", PublicKeyMaterial=key.public.encode())
    made = ec2("run_instances", ImageId=aws.base, MinCount=1, MaxCount=1, KeyName="windows")
    instance = made["Instances"][0]["InstanceId"]

    def set_password() -> None:
        aws.knobs.windows_password = "p4ss w0rd"

    aws.fail("GetPasswordData", times=1)
    aws.fail("GetPasswordData", hook=set_password)
    password = wait_for_password(ec2, instance, key, cancellation=Cancellation(), limit=30)
    assert password.value == "p4ss w0rd"
