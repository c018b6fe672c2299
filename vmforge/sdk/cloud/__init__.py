"""What builders that rent their machine share: the recipe of such a build, waits, REST, and marks by
which what a killed build left is found."""

from vmforge.sdk.cloud.builder import Cloud, CloudArtifact, CloudBuilder
from vmforge.sdk.cloud.errors import CloudError
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
    "wait_for",
]
