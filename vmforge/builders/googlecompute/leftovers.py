"""What carries the mark of a build in Google Cloud, and how a finished product gets rid of it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from vmforge.builders.googlecompute.compute import Compute
from vmforge.sdk import Cancellation
from vmforge.sdk import mark as marks
from vmforge.sdk.cloud import CloudError, Leftover, RunMark, insist

_OTHERS_CHANGED_IT = 412
_FILTER = f"labels.{marks.RUN}:*"


def leftovers_of(compute: Compute, zone: str, region: str, image_project: str) -> Iterator[Leftover]:
    """The instances, disks and unfinished images that carry a mark; `zone` is `PROJECT/zones/ZONE`, `region`
    likewise. An instance's disks go with it, and finished images have no mark any more."""
    kinds = (("instance", f"{zone}/instances"), ("disk", f"{zone}/disks"), ("disk", f"{region}/disks"))
    for kind, path in kinds:
        yield from _marked(compute, kind, path, path.split("/")[-2])
    yield from images_of(compute, image_project)


def images_of(compute: Compute, project: str) -> Iterator[Leftover]:
    """The unfinished images of a project."""
    return _marked(compute, "image", f"{project}/global/images")


def _marked(compute: Compute, kind: str, path: str, where: str = "") -> Iterator[Leftover]:
    for found in compute.list(path, filter=_FILTER):
        mark = RunMark.read(found.get("labels") or {})
        if mark is not None:
            name = str(found["name"])
            yield Leftover(kind, name, mark, partial(compute.delete, f"{path}/{name}"), where)


def without_mark(compute: Compute, path: str, cancellation: Cancellation) -> None:
    """Take a build's mark off what it is for."""
    own = (marks.RUN, marks.BUILD, marks.HOST, marks.STARTED)

    def attempt() -> None:
        found = compute.get(path)
        labels = dict(found.get("labels") or {})
        rest = {key: value for key, value in labels.items() if key not in own}
        if rest == labels:
            return  # also when the answer to an attempt was lost
        try:
            compute.change(
                f"{path}/setLabels", {"labels": rest, "labelFingerprint": found["labelFingerprint"]}
            )
        except CloudError as error:
            error.transient = error.transient or error.status == _OTHERS_CHANGED_IT
            raise

    insist(attempt, cancellation=cancellation)
