"""What goes wrong in clouds. Whatever it is, the account is as it was before."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from tests.fakes.aws import FakeAws
from tests.vmforge.builders.amazon.conftest import Forge, Running

NAMED = 'ami_name = "web"\n'


def test_what_passes_is_waited_for(forge: Forge, aws: FakeAws) -> None:
    """Throttling, faults of the server, and an instance that is not known everywhere yet."""
    aws.fail("RunInstances", "RequestLimitExceeded", status=503, times=2)
    aws.fail("DescribeInstances", "InvalidInstanceID.NotFound", times=2)
    aws.fail("DescribeInstances", "InternalError", status=500)
    aws.fail("CreateImage", "RequestLimitExceeded", status=503)
    aws.fail("CopyImage", "Unavailable", status=503)
    aws.fail(
        "DescribeImages",
        "InvalidAMIID.NotFound",
        when=aws.asks_for_new_image,
    )
    aws.fail("TerminateInstances", "RequestLimitExceeded", status=503, times=2)
    aws.fail("DeleteSecurityGroup", "DependencyViolation", times=3)
    finished = forge.build(NAMED + 'ami_regions = ["eu-west-1"]')
    assert finished.status == 0, finished.text
    assert aws.left(images=["web"]) == []


@pytest.mark.parametrize(
    "operation",
    [
        "GetCallerIdentity",
        "ImportKeyPair",
        "CreateSecurityGroup",
        "AuthorizeSecurityGroupIngress",
        "RunInstances",
        "StopInstances",
        "CreateImage",
        "CopyImage",
        "CreateTags",
        "ModifyImageAttribute",
        "DeleteTags",
    ],
)
def test_a_refusal_at_any_step_leaves_nothing(operation: str, forge: Forge, aws: FakeAws) -> None:
    aws.fail(operation, "UnauthorizedOperation", status=403, times=99)
    options = NAMED + 'ami_regions = ["eu-west-1"]\n ami_users = ["111111111111"]\n tags = { a = "b" }'
    finished = forge.build(options)
    assert finished.status == 1
    assert "UnauthorizedOperation" in finished.text
    assert aws.left() == []
    assert not aws.guests.servers


@pytest.mark.parametrize("operation", ["ImportKeyPair", "CreateSecurityGroup", "CreateImage", "CopyImage"])
def test_what_was_made_and_never_told_of_is_deleted(operation: str, forge: Forge, aws: FakeAws) -> None:
    """The answer is lost, so that nobody knows of an id."""
    aws.fail(operation, lost=True)
    finished = forge.build(NAMED + 'ami_regions = ["eu-west-1"]')
    assert finished.status == 1
    assert aws.left() == []


def test_a_lost_answer_starts_no_second_instance(forge: Forge, aws: FakeAws) -> None:
    aws.fail("RunInstances", lost=True)
    finished = forge.build(NAMED)
    assert finished.status == 0, finished.text
    tokens = {call["ClientToken"] for call in aws.calls("RunInstances")}
    assert (len(aws.calls("RunInstances")), len(tokens), aws.guests.count) == (2, 1, 1)
    assert aws.left(images=["web"]) == []


def test_another_zone_is_tried_when_one_is_full(forge: Forge, aws: FakeAws) -> None:
    subnets = aws.client().describe_subnets()["Subnets"]
    by_zone = {subnet["AvailabilityZone"]: subnet["SubnetId"] for subnet in subnets}
    full = by_zone["us-east-1a"]
    aws.fail(
        "RunInstances",
        "InsufficientInstanceCapacity",
        status=500,
        when=lambda request: request.get("SubnetId") == full,
        times=99,
    )
    finished = forge.build(NAMED + f'subnet_ids = ["{full}", "{by_zone["us-east-1b"]}"]')
    assert finished.status == 0, finished.text
    assert "no room for `t3.micro` in us-east-1a: InsufficientInstanceCapacity" in finished.text
    assert [call["SubnetId"] for call in aws.calls("RunInstances")] == [full, by_zone["us-east-1b"]]
    assert aws.left(images=["web"]) == []


def test_no_room_anywhere_says_where_and_what_to_try(forge: Forge, aws: FakeAws) -> None:
    aws.fail("RunInstances", "InsufficientInstanceCapacity", status=500, times=99)
    finished = forge.build(NAMED + 'availability_zone = "us-east-1c"')
    assert finished.status == 1
    assert "there is no room for `t3.micro` in us-east-1c" in finished.text
    assert "try another `instance_type`, or more zones" in finished.text
    assert len(aws.calls("RunInstances")) == 1
    assert aws.left() == []


def test_a_provisioner_that_fails_leaves_nothing(forge: Forge, aws: FakeAws) -> None:
    finished = forge.build(NAMED, inline="exit 7")
    assert finished.status == 1
    assert aws.left() == []


def test_an_image_that_fails_is_deleted(forge: Forge, aws: FakeAws) -> None:
    aws.knobs.images_fail = True
    finished = forge.build(NAMED)
    assert finished.status == 1
    assert "became `failed`" in finished.text
    assert aws.left() == []


def test_a_spot_instance_that_is_taken_away_is_named(forge: Forge, aws: FakeAws) -> None:
    from moto.ec2.models import ec2_backends

    def take_away() -> None:
        backend = ec2_backends[aws.account]["us-east-1"]
        (instance,) = (one for group in backend.all_reservations() for one in group.instances)
        instance.terminate()
        instance.state_reason.code = "Server.SpotInstanceTermination"
        instance.state_reason.message = "Server.SpotInstanceTermination: Spot instance termination"

    _when_provisioning(forge, take_away)
    finished = forge.build(NAMED + 'spot_price = "auto"', inline="touch $HOME/started; sleep 60")
    assert finished.status == 1
    assert "was ended: Server.SpotInstanceTermination" in finished.text
    assert "AWS wanted the spot instance back" in finished.text
    assert aws.left() == []


def _when_provisioning(forge: Forge, act: Any) -> None:
    """Call `act` once a provisioner has written `started`."""
    guests = forge.aws.guests.folder

    def watch() -> None:
        pause = threading.Event()
        while not any(guests.glob("*/home/started")):
            pause.wait(0.02)
        act()

    threading.Thread(target=watch, daemon=True).start()


def test_an_instance_that_shuts_itself_down_ends_the_wait(forge: Forge, aws: FakeAws) -> None:
    def end() -> None:
        (id,) = aws.guests.servers
        aws.client().terminate_instances(InstanceIds=[id])

    aws.fail("DescribeInstances", hook=end)
    finished = forge.build(NAMED)
    assert finished.status == 1
    assert "was ended" in finished.text
    assert aws.left() == []


def test_who_cannot_be_reached_has_its_console_shown(forge: Forge, aws: FakeAws) -> None:
    login = f'ssh_username = "nobody-there"\n ssh_port = {aws.guests.port}\n ssh_timeout = "2s"'
    finished = forge.build(NAMED, login=login)
    assert finished.status == 1
    assert "the end of the guest's console:" in finished.text
    assert aws.left() == []


def test_a_server_that_does_not_answer_is_named(forge: Forge, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    finished = forge.build(NAMED + "max_retries = 1")
    assert finished.status == 1
    assert "STS: Could not connect to the endpoint URL" in finished.text


def _waiting(forge: Forge, more: str = "") -> tuple[Running, threading.Event]:
    """A build in a process of its own, once its provisioner runs."""
    forge.write(forge.template(NAMED + more, inline="touch $HOME/started; sleep 60"))
    started = threading.Event()
    _when_provisioning(forge, started.set)
    running = forge.spawn("build", "main.pkr.hcl")
    assert started.wait(60)
    return running, started


def test_ctrl_c_leaves_nothing(forge: Forge, aws: FakeAws) -> None:
    running, _ = _waiting(forge)
    running.interrupt()
    finished = running.finish()
    assert finished.status == 130, finished.text
    assert aws.left() == []


def test_ctrl_c_while_an_image_is_awaited_deletes_it(forge: Forge, aws: FakeAws) -> None:
    aws.knobs.looks = 10**6
    reached = threading.Event()
    aws.fail(
        "DescribeImages",
        hook=reached.set,
        when=aws.asks_for_new_image,
    )
    forge.write(forge.template(NAMED))
    running = forge.spawn("build", "main.pkr.hcl")
    assert reached.wait(60)
    running.interrupt()
    finished = running.finish()
    assert finished.status == 130, finished.text
    assert aws.left() == []


def test_the_next_build_deletes_what_a_killed_one_left(forge: Forge, aws: FakeAws) -> None:
    running, _ = _waiting(forge)
    running.kill()
    running.finish()
    assert {thing.split()[0] for thing in aws.left()} >= {"instance", "KeyPairs", "SecurityGroups"}
    finished = forge.build(NAMED)
    assert finished.status == 0, finished.text
    assert "deleting what a killed build left: instance" in finished.text
    assert aws.left(images=["web"]) == []


def test_cleanup_deletes_what_a_killed_build_left(forge: Forge, aws: FakeAws) -> None:
    statement = 'Statement {\n Action = ["s3:*"]\n Resource = ["*"]\n }'
    running, _ = _waiting(forge, f"temporary_iam_instance_profile_policy_document {{\n {statement}\n }}")
    assert "which is running" in forge.run("cleanup", "--cloud", "--yes", "main.pkr.hcl").text
    assert aws.left() != []  # it runs
    running.kill()
    running.finish()
    finished = forge.run("cleanup", "--cloud", "--yes", "main.pkr.hcl")
    assert finished.status == 0, finished.text
    assert aws.left() == []


def test_a_kill_while_the_image_is_made_leaves_none(forge: Forge, aws: FakeAws) -> None:
    aws.knobs.looks = 10**6
    reached = threading.Event()
    aws.fail(
        "DescribeImages",
        hook=reached.set,
        when=aws.asks_for_new_image,
    )
    forge.write(forge.template(NAMED))
    running = forge.spawn("build", "main.pkr.hcl")
    assert reached.wait(60)
    running.kill()
    running.finish()
    assert "web" in aws.images()
    aws.knobs.looks = 1
    assert forge.run("cleanup", "--cloud", "--yes", "main.pkr.hcl").status == 0
    assert aws.left() == []


def test_what_the_user_keeps_is_named(forge: Forge, aws: FakeAws) -> None:
    finished = forge.build(NAMED, "-on-error=abort", inline="exit 7")
    assert finished.status == 1
    assert "the instance `i-" in finished.text
    assert any(thing.startswith("instance") for thing in aws.left())
    assert "was kept" in forge.run("cleanup", "--cloud", "--yes", "main.pkr.hcl").text
    assert aws.left() == []
