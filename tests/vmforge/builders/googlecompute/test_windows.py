"""Windows passwords: the exchange with Google's guest agent, whose side the fake plays."""

from __future__ import annotations

import json

import pytest

from tests.fakes.cloud_builds import KeyedConnector
from tests.fakes.google_cloud import PASSWORD
from tests.vmforge.builders.googlecompute.harness import Harness
from vmforge.builders.googlecompute.windows import PasswordRequest
from vmforge.errors import MachineError
from vmforge.sdk.cloud import CloudError
from vmforge.sdk.testing import FakeCommunicator


class WinRm(KeyedConnector):
    data = {"ConnType": "winrm", "User": "builder", "Password": "", "WinRMPassword": ""}


class WithPassword(KeyedConnector):
    data = {**WinRm.data, "Password": "mine", "WinRMPassword": "mine"}


def test_the_guest_is_asked_for_a_password(harness: Harness) -> None:
    redacted: list[str] = []
    context = harness.context(connector=WinRm(FakeCommunicator(harness.folder)), redact=redacted.extend)
    harness.build(context, windows_password_timeout="20s")
    assert (context.data["WinRMPassword"], context.data["Password"]) == (PASSWORD, PASSWORD)
    assert redacted == [PASSWORD]
    (body,) = harness.google.bodies_of("compute.instances.setMetadata")
    (item,) = body["items"]
    asked = json.loads(item["value"])
    assert (item["key"], asked["userName"], asked["exponent"]) == ("windows-keys", "builder", "AQAB")
    assert harness.google.left == []


def test_a_password_of_the_users_is_not_asked_for(harness: Harness) -> None:
    harness.build(harness.context(connector=WithPassword(FakeCommunicator(harness.folder))))
    assert harness.google.bodies_of("compute.instances.setMetadata") == []


def test_a_guest_that_does_not_answer(harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.fakes.google_cloud._windows_password", lambda asked: "{}")
    with pytest.raises(CloudError, match="in vain for the guest to give out a password") as caught:
        harness.build(
            harness.context(connector=WinRm(FakeCommunicator(harness.folder))), windows_password_timeout="1s"
        )
    assert "windows_password_timeout" in caught.value.hint
    assert harness.google.left == []


def test_a_guest_that_refuses(harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(asked: dict[str, str]) -> str:
        return json.dumps({"modulus": asked["modulus"], "errorMessage": "the password is too short"})

    monkeypatch.setattr("tests.fakes.google_cloud._windows_password", refuse)
    with pytest.raises(MachineError, match="the guest gives out no password: the password is too short"):
        harness.build(harness.context(connector=WinRm(FakeCommunicator(harness.folder))))
    assert harness.google.left == []


def test_answers_to_others_are_passed_over() -> None:
    request = PasswordRequest("builder")
    others = json.dumps({"modulus": "AAAA", "encryptedPassword": "AAAA"})
    assert request.answer_in(f'noise\n"text"\n{others}\n') is None
