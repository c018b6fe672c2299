"""Finished boxes, as the post-processors behind `vagrant` find them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from vmforge.sdk import Artifact

BUILDER_ID = "mitchellh.post-processor.vagrant"

# Where `vagrant` leaves its boxes in the artifact's `state`.
BOXES = "boxes"


@dataclass(frozen=True, slots=True)
class Box:
    """A box: `provider` and `architecture` as Vagrant names them."""

    path: Path
    provider: str
    architecture: str


def boxes_of(artifact: Artifact) -> tuple[Box, ...]:
    """The boxes that the `vagrant` post-processor made; none of another artifact."""
    found = artifact.state.get(BOXES)
    return found if isinstance(found, tuple) else ()
