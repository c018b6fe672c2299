"""What goes wrong in a cloud: it is said in a sentence, and nothing is left."""

from __future__ import annotations

import pytest

from tests.fakes.cloud_builds import KeyedConnector
from tests.fakes.google_cloud import PROJECT, ZONE, Fault, Request
from tests.vmforge.builders.googlecompute.harness import Harness
from vmforge.errors import CommunicatorError, Interrupted, VmforgeError
from vmforge.sdk.cloud import CloudError
from vmforge.sdk.testing import FakeCommunicator

INSERT, STOP = "compute.instances.insert", "compute.instances.stop"
IMAGE, LABELS = "compute.images.insert", "compute.images.setLabels"
STEPS = [INSERT, STOP, IMAGE, LABELS]


def nothing_is_left(harness: Harness) -> None:
    assert harness.google.left == []
    assert not harness.google.guest.is_running
    assert list((harness.folder / "state" / "clouds").iterdir()) == []


@pytest.mark.parametrize("method", [*STEPS, "compute.instances.get", "compute.instances.delete"])
@pytest.mark.parametrize(
    "fault",
    [Fault("", 429, "rateLimitExceeded"), Fault("", 403, "rateLimitExceeded"), Fault("", 503, "backend")],
)
def test_throttling_is_waited_out(harness: Harness, method: str, fault: Fault) -> None:
    harness.google.faults = [Fault(method, fault.status, fault.reason)]
    assert harness.build() is not None
    assert [image["name"] for image in harness.google.of_kind("images")] == ["web-1"]
    nothing_is_left(harness)


@pytest.mark.parametrize("method", [*STEPS, "compute.instances.delete"])
def test_an_answer_that_is_lost_makes_nothing_twice(harness: Harness, method: str) -> None:
    harness.google.faults = [Fault(method, drop=True)]
    assert harness.build() is not None
    assert len(harness.google.of_kind("images")) == 1
    nothing_is_left(harness)


@pytest.mark.parametrize("method", STEPS)
def test_a_refusal_leaves_nothing(harness: Harness, method: str) -> None:
    harness.google.faults = [Fault(method, 403, "forbidden")]
    with pytest.raises(CloudError, match="Google Cloud: forbidden says the test") as caught:
        harness.build()
    assert "Compute Instance Admin" in caught.value.hint
    assert harness.google.of_kind("images") == []
    nothing_is_left(harness)


@pytest.mark.parametrize("method", [*STEPS, "compute.instances.insert"])
def test_an_operation_that_fails_leaves_nothing(harness: Harness, method: str) -> None:
    harness.google.faults = [Fault(method, operation="INTERNAL_ERROR")]
    with pytest.raises(CloudError, match=r"Google Cloud: INTERNAL_ERROR says the test"):
        harness.build()
    assert harness.google.of_kind("images") == []
    nothing_is_left(harness)


@pytest.mark.parametrize(
    ("code", "said", "hint"),
    [
        ("ZONE_RESOURCE_POOL_EXHAUSTED", "the zone has no room for this machine type right now", "zone"),
        (
            "ZONE_RESOURCE_POOL_EXHAUSTED_WITH_DETAILS",
            "the zone has no room for this machine type right now",
            "`zone`",
        ),
        ("QUOTA_EXCEEDED", "the project's quota is used up", "https://console.cloud.google.com"),
        ("CONDITION_NOT_MET", "the policies of the organisation do not allow it", "omit_external_ip"),
    ],
)
def test_capacity(harness: Harness, code: str, said: str, hint: str) -> None:
    harness.google.faults = [Fault(INSERT, operation=code)]
    with pytest.raises(CloudError) as caught:
        harness.build()
    assert caught.value.message.startswith(f"Google Cloud: {said}: {code} says the test")
    assert hint in caught.value.hint
    nothing_is_left(harness)


def test_an_api_that_is_off(harness: Harness) -> None:
    harness.google.faults = [Fault("compute.zones.get", 403, "accessNotConfigured")]
    with pytest.raises(CloudError, match="the project does not use this API") as caught:
        harness.build()
    assert "gcloud services enable" in caught.value.hint


def test_a_login_that_is_over(harness: Harness) -> None:
    with pytest.raises(CloudError, match="the login is not valid: Invalid Credentials"):
        harness.build(access_token="old")


def test_what_is_new_is_not_known_everywhere_at_once(harness: Harness) -> None:
    harness.google.hides_new_things = 2
    assert harness.build() is not None
    nothing_is_left(harness)


def test_lists_have_pages(harness: Harness) -> None:
    harness.google.page_size = 1
    harness.google.faults = [Fault(LABELS, 400, "invalid")]
    with pytest.raises(CloudError):
        harness.build(disk_attachment=[{"volume_type": "pd-ssd", "volume_size": 10}])
    nothing_is_left(harness)


def test_an_instance_that_never_runs(harness: Harness) -> None:
    harness.google.slow = {INSERT: 1_000_000}
    with pytest.raises(CloudError, match="waited 1 s in vain for `insert` of `vmforge-") as caught:
        harness.build(state_timeout="1s")
    assert "state_timeout" in caught.value.hint
    nothing_is_left(harness)


def test_an_instance_that_ends_by_itself(harness: Harness) -> None:
    class Failing(KeyedConnector):
        def connect(self, context, endpoint, *, time_scale=1.0):  # type: ignore[no-untyped-def]
            (instance,) = harness.google.of_kind("instances")
            instance["status"] = "TERMINATED"
            endpoint()

    connector = Failing(FakeCommunicator(harness.folder))
    with pytest.raises(VmforgeError, match="has stopped; a preemptible instance may be ended at any time"):
        harness.build(harness.context(connector=connector), preemptible=True)
    nothing_is_left(harness)


def test_the_console_of_a_guest_that_cannot_be_reached(harness: Harness) -> None:
    class Failing(KeyedConnector):
        def connect(self, context, endpoint, *, time_scale=1.0):  # type: ignore[no-untyped-def]
            raise CommunicatorError("nobody answers")

    harness.google.console = "booting\nno DHCP\n"
    with pytest.raises(CommunicatorError) as caught:
        harness.build(harness.context(connector=Failing()))
    assert caught.value.detail == "the end of the guest's console:\nbooting\nno DHCP"
    nothing_is_left(harness)


@pytest.mark.parametrize("method", [*STEPS, "compute.zoneOperations.get", "compute.globalOperations.get"])
def test_an_interruption_leaves_nothing(harness: Harness, method: str) -> None:
    context = harness.context()

    def interrupt(request: Request) -> None:
        if request.method == method:
            context.cancellation.cancel()

    harness.google.on_request = interrupt
    with pytest.raises(Interrupted):
        harness.build(context)
    assert harness.google.of_kind("images") == []
    nothing_is_left(harness)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"zone": "europe-west9-z"}, "there is no zone `europe-west9-z` in project `acme`"),
        ({"source_image": "nothing"}, "there is no image `nothing` in `acme`, `almalinux-cloud`"),
        (
            {"source_image_family": "none", "source_image_project_id": "debian-cloud"},
            "there is no family of images `none` in `debian-cloud`",
        ),
        ({"address": "way-in"}, "there is no address `way-in` in europe-west1"),
    ],
)
def test_what_does_not_exist_is_said_before_anything_is_made(
    harness: Harness, options: dict[str, str], said: str
) -> None:
    with pytest.raises(CloudError, match=said):
        harness.build(**options)
    assert harness.changes() == ""


def test_an_image_of_that_name_exists(harness: Harness) -> None:
    harness.google.add_image(PROJECT, "web-1")
    with pytest.raises(CloudError, match="there is an image `web-1` already") as caught:
        harness.build()
    assert "-force" in caught.value.hint
    assert harness.changes() == ""


def test_metadata_that_is_no_text(harness: Harness) -> None:
    (harness.folder / "logo.png").write_bytes(b"\x89PNG\xff")
    with pytest.raises(VmforgeError, match=r"logo.png` is no text"):
        harness.build(metadata_files={"logo": str(harness.folder / "logo.png")})
    nothing_is_left(harness)


def test_what_others_have_made_stays(harness: Harness) -> None:
    path = f"projects/{PROJECT}/zones/{ZONE}/disks/theirs"
    harness.google.things[path] = {"name": "theirs", "labels": {"vmforge-run": "x"}, "sizeGb": "1"}
    harness.google.faults = [Fault(STOP, 400, "invalid")]
    with pytest.raises(CloudError):
        harness.build()
    assert harness.google.left == ["theirs"]
