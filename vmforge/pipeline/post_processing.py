"""Runs the post-processor chains of one build and decides which artifacts stay.

Every chain starts from the builder's artifact. Where Packer deletes the builder's artifact after a
post-processor failed, vmforge keeps it: the finished image is never lost to a step after it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from vmforge.errors import Interrupted, VmforgeError
from vmforge.pipeline.plan import PlannedBuild, PlannedPostProcessor
from vmforge.sdk.artifact import Artifact, FileArtifact
from vmforge.sdk.context import BuildContext
from vmforge.sdk.post_processor import PostProcessor, Processed


@dataclass
class Outcome:
    """What stands when all chains have run, in the order to be listed, and what failed."""

    artifacts: list[Artifact] = field(default_factory=list)
    failures: list[VmforgeError] = field(default_factory=list)


@dataclass
class PostProcessing:
    """The chains of one build. `context_for` gives the context that speaks under a post-processor's
    name."""

    planned: PlannedBuild
    context_for: Callable[[str], BuildContext]

    def run(self, built: Artifact) -> Outcome:
        outcome = Outcome()
        keep_built = not self.planned.chains
        for chain in self.planned.chains:
            try:
                keep_built |= self._run_chain(chain, built, outcome.artifacts)
            except Interrupted:
                raise
            except VmforgeError as error:
                keep_built = True
                outcome.failures.append(error)
        if keep_built:
            outcome.artifacts.insert(0, built)
        else:
            built.destroy()
        return outcome

    def _run_chain(
        self, chain: tuple[PlannedPostProcessor, ...], built: Artifact, kept: list[Artifact]
    ) -> bool:
        """Run one chain, add what it leaves to `kept`; returns whether the builder's artifact stays."""
        keep_built, current, wished = False, built, False
        for post_processor in chain:
            try:
                processed = self._process(post_processor, current)
            except VmforgeError:
                if current is not built:  # what the chain made so far is whole
                    kept.append(current)
                raise
            if processed.artifact is current:
                # it only looked: unless the user said so, the next one decides whether the artifact stays
                wished |= post_processor.block.keep_input_artifact is True
                continue
            keep = wished or _keeps_input(post_processor, processed)
            wished = False
            if current is built:
                keep_built = keep or processed.artifact is None
            elif keep:
                kept.append(current)
            elif processed.artifact is not None:
                _destroy(current, [built, *kept])
            if processed.artifact is None:
                return keep_built
            current = processed.artifact
        if current is built:  # the chain only looked at it (a manifest, say)
            return True
        kept.append(current)
        return keep_built

    def _process(self, post_processor: PlannedPostProcessor, artifact: Artifact) -> Processed:
        block = post_processor.block
        context = self.context_for(block.type)
        named = f" `{block.name}`" if block.name != block.type else ""
        title = f"Post-processing with {block.type}{named}"

        def work() -> Processed:
            component = self.planned.make(post_processor, context)
            assert isinstance(component, PostProcessor)
            return component.process(context, artifact)

        try:
            return context.steps.run(title, work)
        except Interrupted:
            raise
        except VmforgeError as error:
            error.message = f"post-processor `{block.name}`: {error.message}"
            raise


def _destroy(artifact: Artifact, others: Sequence[Artifact]) -> None:
    """Delete an artifact, except for the files that it has in common with others (`checksum` adds its
    file to those of its input)."""
    if isinstance(artifact, FileArtifact):
        shared = {path for other in others for path in other.files}
        artifact = replace(artifact, files=tuple(path for path in artifact.files if path not in shared))
    artifact.destroy()


def _keeps_input(post_processor: PlannedPostProcessor, processed: Processed) -> bool:
    if processed.must_keep:
        return True
    wish = post_processor.block.keep_input_artifact
    return processed.keep_input if wish is None else wish
