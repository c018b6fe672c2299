"""What goes wrong in DigitalOcean: it is said in a sentence, and nothing is left."""

from __future__ import annotations

import pytest

from tests.fakes.cloud_builds import KeyedConnector
from tests.fakes.digital_ocean import Fault, Request
from tests.vmforge.builders.digitalocean.harness import Harness
from vmforge.errors import Interrupted, VmforgeError
from vmforge.sdk.cloud import CloudError
from vmforge.sdk.testing import FakeCommunicator

CHANGES = [
    "POST account/keys",
    "POST tags",
    "POST droplets",
    "POST droplets/{}/actions",
    "POST images/{}/actions",
    "PUT images/{}",
]
DELETIONS = ["DELETE account/keys/{}", "DELETE tags/{}", "DELETE droplets/{}"]


def nothing_is_left(harness: Harness) -> None:
    assert harness.cloud.left == []
    assert not harness.cloud.guest.is_running
    assert list((harness.folder / "state" / "clouds").iterdir()) == []


@pytest.mark.parametrize("endpoint", [*CHANGES, *DELETIONS, "GET droplets/{}", "GET actions/{}"])
@pytest.mark.parametrize("status", [429, 503])
def test_throttling_is_waited_out(harness: Harness, endpoint: str, status: int) -> None:
    harness.cloud.faults = [Fault(endpoint, status, headers={"Retry-After": "0"}, times=2)]
    assert harness.build(snapshot_regions=["ams3"]) is not None
    assert [image["name"] for image in harness.cloud.snapshots] == ["web 1"]
    nothing_is_left(harness)


def test_throttling_that_does_not_end(harness: Harness) -> None:
    harness.cloud.faults = [Fault("POST droplets", 429, message="API rate limit exceeded", times=10)]
    with pytest.raises(CloudError, match="DigitalOcean: API rate limit exceeded"):
        harness.build(http_retry_max=3)
    assert len(harness.cloud.bodies_of("POST droplets")) == 4
    nothing_is_left(harness)


@pytest.mark.parametrize("endpoint", CHANGES)
def test_an_answer_that_is_lost_leaves_nothing(harness: Harness, endpoint: str) -> None:
    """DigitalOcean has no way to ask for a thing only once."""
    harness.cloud.faults = [Fault(endpoint, drop=True)]
    if endpoint.startswith("PUT"):
        assert harness.build() is not None
    elif endpoint == "POST droplets/{}/actions":
        assert harness.build(state_timeout="1s") is not None, "it is switched off"
    else:
        with pytest.raises(CloudError, match="does not answer"):
            harness.build(snapshot_regions=["ams3"])
        assert harness.cloud.snapshots == []
    nothing_is_left(harness)


@pytest.mark.parametrize("endpoint", CHANGES)
def test_a_refusal_leaves_nothing(harness: Harness, endpoint: str) -> None:
    harness.cloud.faults = [Fault(endpoint, 403, "forbidden", "You are not authorized", times=9)]
    with pytest.raises(CloudError, match="DigitalOcean: You are not authorized") as caught:
        harness.build(snapshot_regions=["ams3"])
    assert "`scope`" in caught.value.hint
    assert harness.cloud.snapshots == []
    nothing_is_left(harness)


@pytest.mark.parametrize("endpoint", DELETIONS)
def test_a_deletion_that_fails_is_a_warning(harness: Harness, endpoint: str) -> None:
    harness.cloud.faults = [Fault(endpoint, 403, "forbidden", "You are not authorized")]
    assert harness.build() is not None
    (warning,) = harness.ui.texts("warn")
    assert "You are not authorized" in warning


def test_a_limit(harness: Harness) -> None:
    said = "creating this/these droplet(s) will exceed your droplet limit"
    harness.cloud.faults = [Fault("POST droplets", 422, "unprocessable_entity", said)]
    with pytest.raises(CloudError, match="will exceed your droplet limit") as caught:
        harness.build()
    assert "ask for a higher limit" in caught.value.hint
    nothing_is_left(harness)


def test_a_snapshot_that_fails(harness: Harness) -> None:
    harness.cloud.on_request = lambda request: _fail_snapshot(harness, request)
    with pytest.raises(CloudError, match="the action ended as `errored`"):
        harness.build()
    assert harness.cloud.snapshots == []
    nothing_is_left(harness)


def _fail_snapshot(harness: Harness, request: Request) -> None:
    if request.endpoint == "POST droplets/{}/actions" and request.body["type"] == "snapshot":
        harness.cloud.faults = [Fault(request.endpoint, errored=True)]


def test_a_transfer_that_fails(harness: Harness) -> None:
    harness.cloud.faults = [Fault("POST images/{}/actions", errored=True)]
    with pytest.raises(CloudError, match="waited for the image to be in ams3"):
        harness.build(snapshot_regions=["ams3"])
    assert harness.cloud.snapshots == []
    nothing_is_left(harness)


def test_a_login_that_is_not_valid(harness: Harness) -> None:
    with pytest.raises(CloudError, match="Unable to authenticate you") as caught:
        harness.build(api_token="old")
    assert "api_token" in caught.value.hint


def test_what_is_new_is_not_known_everywhere_at_once(harness: Harness) -> None:
    harness.cloud.hides_new_droplets = 2
    assert harness.build() is not None
    nothing_is_left(harness)


def test_lists_have_pages(harness: Harness) -> None:
    harness.cloud.page_size = 1
    harness.cloud.tags = {"a", "z"}
    harness.cloud.add_image("other")
    harness.cloud.faults = [Fault("PUT images/{}", 400)]
    with pytest.raises(CloudError):
        harness.build()
    nothing_is_left(harness)


# once the image has its name, the build is as good as done
@pytest.mark.parametrize("endpoint", [*CHANGES[:-1], "GET actions/{}", "GET droplets/{}"])
def test_an_interruption_leaves_nothing(harness: Harness, endpoint: str) -> None:
    context = harness.context()
    harness.cloud.on_request = lambda request: (
        context.cancellation.cancel() if request.endpoint == endpoint else None
    )
    with pytest.raises(Interrupted):
        harness.build(context, snapshot_regions=["ams3"])
    assert harness.cloud.snapshots == []
    nothing_is_left(harness)


def test_an_interruption_while_the_snapshot_is_made(harness: Harness) -> None:
    context = harness.context()
    harness.cloud.polls = 4

    def interrupt(request: Request) -> None:
        if request.endpoint.endswith("droplets/{}/actions") and request.body["type"] == "snapshot":
            context.cancellation.cancel()

    harness.cloud.on_request = interrupt
    with pytest.raises(Interrupted):
        harness.build(context)
    assert harness.cloud.snapshots == []
    nothing_is_left(harness)


def test_a_droplet_that_ends_by_itself(harness: Harness) -> None:
    class Failing(KeyedConnector):
        def connect(self, context, endpoint, *, time_scale=1.0):  # type: ignore[no-untyped-def]
            (droplet,) = harness.cloud.droplets.values()
            droplet["status"] = "off"
            endpoint()

    with pytest.raises(VmforgeError, match="has stopped"):
        harness.build(harness.context(connector=Failing(FakeCommunicator(harness.folder))))
    nothing_is_left(harness)


@pytest.mark.parametrize(
    ("options", "said", "hint"),
    [
        ({"region": "nyc9"}, "there is no region `nyc9`", "did you mean `nyc"),
        ({"region": "nyc2"}, "the region `nyc2` takes no new droplets", "another region"),
        ({"snapshot_regions": ["mars"]}, "there is no region `mars`", "doctl compute region list"),
        ({"size": "s-1vcpu-2gb"}, "there is no size `s-1vcpu-2gb` in nyc3", "did you mean `s-1vcpu-1gb`"),
        ({"image": "debian-99"}, "there is no image `debian-99`", "doctl compute image list"),
        ({"region": "fra1"}, "the image `debian-12-x64` is not in fra1", "it is in nyc3, ams3"),
    ],
)
def test_what_does_not_exist_is_said_before_anything_is_made(
    harness: Harness, options: dict[str, str], said: str, hint: str
) -> None:
    with pytest.raises(CloudError, match=said) as caught:
        harness.build(**options)
    assert hint in caught.value.hint
    assert harness.changes() == ""


def test_a_token_that_may_not_look_around_can_build(harness: Harness) -> None:
    harness.cloud.faults = [Fault("GET regions", 403), Fault("GET images/{}", 403)]
    assert harness.build() is not None
