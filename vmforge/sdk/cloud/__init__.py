"""What builders that rent their machine share, and post-processors that work in clouds: the recipe of such a
build, waits, REST, and marks by which what a killed build left is found."""

from vmforge.sdk.cloud.aside import work_aside
from vmforge.sdk.cloud.builder import Cloud, CloudArtifact, CloudBuilder
from vmforge.sdk.cloud.errors import CloudError
from vmforge.sdk.cloud.noting import note_build, sweep_after
from vmforge.sdk.cloud.resource import Resource, make
from vmforge.sdk.cloud.rest import Answer, Rest
from vmforge.sdk.cloud.waiting import delete_quietly, heard, insist, wait_for
from vmforge.sdk.leftovers import Leftover
from vmforge.sdk.mark import RunMark

__all__ = [
    "Answer",
    "Cloud",
    "CloudArtifact",
    "CloudBuilder",
    "CloudError",
    "Leftover",
    "Resource",
    "Rest",
    "RunMark",
    "delete_quietly",
    "heard",
    "insist",
    "make",
    "note_build",
    "sweep_after",
    "wait_for",
    "work_aside",
]
