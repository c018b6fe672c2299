"""Things in a cloud as resources of a build's steps."""

from __future__ import annotations

import pytest

from vmforge.errors import Interrupted
from vmforge.sdk import Cancellation, Steps
from vmforge.sdk.cloud import CloudError, Resource, make
from vmforge.sdk.testing import RecordingUi


class Things:
    def __init__(self) -> None:
        self.made: list[str] = []
        self.deleted: list[str] = []

    def create(self) -> str:
        self.made.append("disk-1")
        return "disk-1"

    def refuse(self) -> str:
        raise CloudError("no room")

    def resource(self, *, product: bool = False, ready: object = None) -> Resource[str]:
        return Resource(
            "Making the disk",
            "disk",
            self.create,
            self.deleted.append,
            ready=ready,  # type: ignore[arg-type]
            product=product,
        )


@pytest.fixture
def things() -> Things:
    return Things()


def test_it_exists_while_the_build_runs(things: Things) -> None:
    with things.resource() as made:
        assert (made, things.deleted) == ("disk-1", [])
    assert things.deleted == ["disk-1"]


@pytest.mark.parametrize(("error", "deleted"), [(None, []), (CloudError("x"), ["disk-1"])])
def test_a_product_stays_when_the_build_succeeds(
    things: Things, error: CloudError | None, deleted: list[str]
) -> None:
    resource = things.resource(product=True)
    resource.__enter__()
    resource.__exit__(type(error) if error else None, error, None)
    assert things.deleted == deleted


def test_what_never_gets_ready_is_deleted(things: Things) -> None:
    def never(made: str) -> None:
        raise CloudError("broken")

    with pytest.raises(CloudError):
        things.resource(ready=never, product=True).__enter__()
    assert things.deleted == ["disk-1"]


def test_what_an_interrupted_build_waits_for_is_deleted_once_that_works_again(things: Things) -> None:
    cancellation = Cancellation()
    steps = Steps(RecordingUi(), cancellation)

    def delete(made: str) -> None:
        cancellation.check()
        things.deleted.append(made)

    def interrupted(made: str) -> None:
        cancellation.cancel()
        cancellation.check()

    resource = Resource("Making the disk", "disk", things.create, delete, ready=interrupted, product=True)
    with pytest.raises(Interrupted):
        make(steps, resource)
    assert things.deleted == []
    cancellation.withdraw()
    steps.release(Interrupted())
    assert things.deleted == ["disk-1"]


def test_what_was_not_made_is_not_deleted(things: Things) -> None:
    resource = Resource("Making the disk", "disk", things.refuse, things.deleted.append)
    with pytest.raises(CloudError, match="no room"):
        resource.__enter__()
    assert (things.deleted, resource.keep()) == ([], "")


def test_it_is_deleted_once_only(things: Things) -> None:
    resource = things.resource()
    resource.__enter__()
    resource.__exit__(None, None, None)
    resource.__exit__(None, None, None)
    assert things.deleted == ["disk-1"]


def test_what_is_kept_says_so(things: Things) -> None:
    resource = things.resource()
    resource.__enter__()
    assert resource.keep() == "the disk `disk-1`"
