"""The contract of post-processors: what turns one artifact into another."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Generic

from vmforge.sdk.artifact import Artifact
from vmforge.sdk.component import C, Component
from vmforge.sdk.context import BuildContext
from vmforge.sdk.leftovers import Leftover


@dataclass(frozen=True)
class Processed:
    """What a post-processor made. `artifact` None ends the chain in silence.

    `keep_input` says whether the input artifact stays when the user did not say; with `must_keep`
    the user's `keep_input_artifact = false` is not heeded, because the result refers to the input.
    """

    artifact: Artifact | None
    keep_input: bool = False
    must_keep: bool = False


class PostProcessor(Component[C], ABC, Generic[C]):
    """Makes an artifact from an artifact."""

    @abstractmethod
    def process(self, context: BuildContext, artifact: Artifact) -> Processed:
        """Make the new artifact, staged and renamed, so that a failure leaves none or the old one.
        Must not delete the input; the pipeline does."""

    def leftovers(self, context: BuildContext) -> Iterable[Leftover]:
        """What its runs with this configuration's account and place have left there; see
        `Builder.leftovers`."""
        return ()
