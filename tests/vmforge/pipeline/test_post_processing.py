"""Which artifacts stay when chains have run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest

from vmforge.diagnostics import SourceRange
from vmforge.errors import HostError
from vmforge.pipeline.plan import PlannedBuild, PlannedPostProcessor
from vmforge.pipeline.post_processing import Outcome, PostProcessing
from vmforge.sdk import Artifact, BuildContext, Config, FileArtifact, PostProcessor, Processed, option
from vmforge.sdk.body import Body
from vmforge.sdk.interpolate import interpolator
from vmforge.sdk.testing import FakeConnector, fake_context
from vmforge.template import Evaluated, PostProcessorBlock, RuntimeScope


@dataclass(frozen=True, kw_only=True)
class StampConfig(Config):
    name: str = option(help="the artifact's name")
    keep: bool = option(False, help="keep the input by default")
    must_keep: bool = option(False, help="keep the input whatever the user says")
    fails: bool = option(False, help="fail")
    nothing: bool = option(False, help="make no artifact")
    passes: bool = option(False, help="return the input")
    shares: bool = option(False, help="make an artifact of the input's files and the new one")


class Stamp(PostProcessor[StampConfig]):
    """Writes a file named by its option."""

    config_type: ClassVar[type[Config]] = StampConfig

    def process(self, context: BuildContext, artifact: Artifact) -> Processed:
        config = self.config
        if config.fails:
            raise HostError("no space left")
        if config.nothing:
            return Processed(None)
        if config.passes:
            return Processed(artifact, keep_input=True, must_keep=True)
        path = context.scratch / config.name
        path.touch()
        files = (*artifact.files, path) if config.shares else (path,)
        made = FileArtifact("stamp", config.name, files, config.name)
        return Processed(made, config.keep, config.must_keep)


def post_processor(wish: bool | None = None, **values: Any) -> PlannedPostProcessor:
    body = Body.of({"name": "made", **values})

    def evaluate(scope: RuntimeScope) -> Evaluated:
        return Evaluated(body, [])

    place = SourceRange.whole("test.pkr.hcl")
    block = PostProcessorBlock("stamp", "stamp", place, evaluate, keep_input_artifact=wish)
    return PlannedPostProcessor(block, Stamp)


def run(folder: Path, chains: Sequence[Sequence[PlannedPostProcessor]]) -> tuple[Outcome, set[str]]:
    """The outcome, and the names of the files that are left."""
    (folder / "image").touch()
    built = FileArtifact("test", "built", (folder / "image",), "built")
    planned = PlannedBuild(
        name="base",
        local_name="base",
        full_name="test.base",
        type="test",
        builder=None,  # type: ignore[arg-type]
        connector=FakeConnector(),
        provisioners=(),
        error_cleanup=None,
        chains=tuple(tuple(chain) for chain in chains),
        interpolator=interpolator(),
        secrets=frozenset(),
    )
    context = fake_context(folder)
    outcome = PostProcessing(planned, lambda name: context).run(built)
    return outcome, {path.name for path in folder.iterdir()}


def listed(outcome: Outcome) -> list[str]:
    return [artifact.id for artifact in outcome.artifacts]


def test_without_chains_the_image_stays(tmp_path: Path) -> None:
    outcome, files = run(tmp_path, [])
    assert (listed(outcome), files) == (["built"], {"image"})


def test_the_input_goes_unless_somebody_keeps_it(tmp_path: Path) -> None:
    outcome, files = run(tmp_path, [[post_processor()]])
    assert (listed(outcome), files) == (["made"], {"made"})


@pytest.mark.parametrize(
    ("wish", "values"), [(True, {}), (None, {"keep": True}), (False, {"must_keep": True})]
)
def test_the_input_stays(tmp_path: Path, wish: bool | None, values: dict[str, bool]) -> None:
    outcome, files = run(tmp_path, [[post_processor(wish, **values)]])
    assert (listed(outcome), files) == (["built", "made"], {"image", "made"})


def test_the_user_may_drop_what_would_be_kept(tmp_path: Path) -> None:
    outcome, _ = run(tmp_path, [[post_processor(False, keep=True)]])
    assert listed(outcome) == ["made"]


def test_a_chain_drops_what_is_between(tmp_path: Path) -> None:
    chain = [post_processor(True, name="one"), post_processor(name="two"), post_processor(True, name="three")]
    outcome, files = run(tmp_path, [chain])
    assert (listed(outcome), files) == (["built", "two", "three"], {"image", "two", "three"})


def test_one_chain_that_keeps_is_enough(tmp_path: Path) -> None:
    outcome, _ = run(tmp_path, [[post_processor(name="one")], [post_processor(True, name="two")]])
    assert listed(outcome) == ["built", "one", "two"]


def test_what_only_looks_is_listed_once(tmp_path: Path) -> None:
    outcome, files = run(tmp_path, [[post_processor(passes=True)]])
    assert (listed(outcome), files) == (["built"], {"image"})


def test_no_artifact_ends_the_chain(tmp_path: Path) -> None:
    outcome, _ = run(tmp_path, [[post_processor(nothing=True), post_processor()]])
    assert listed(outcome) == ["built"]


def test_a_failure_keeps_the_image_and_the_other_chains_run(tmp_path: Path) -> None:
    outcome, files = run(tmp_path, [[post_processor(fails=True)], [post_processor(name="two")]])
    assert (listed(outcome), files) == (["built", "two"], {"image", "two"})
    assert [failure.message for failure in outcome.failures] == ["post-processor `stamp`: no space left"]


def test_a_failure_late_in_a_chain_keeps_what_was_made(tmp_path: Path) -> None:
    outcome, files = run(tmp_path, [[post_processor(name="one"), post_processor(fails=True)]])
    assert (listed(outcome), files) == (["built", "one"], {"image", "one"})


def test_what_only_looks_leaves_the_decision_to_the_next_one(tmp_path: Path) -> None:
    """Packer deletes the image here before the second chain can read it."""
    chains = [[post_processor(passes=True), post_processor(name="one")], [post_processor(True, name="two")]]
    outcome, files = run(tmp_path, chains)
    assert (listed(outcome), files) == (["built", "one", "two"], {"image", "one", "two"})


def test_what_only_looked_keeps_nothing(tmp_path: Path) -> None:
    outcome, files = run(tmp_path, [[post_processor(passes=True), post_processor(name="one")]])
    assert (listed(outcome), files) == (["one"], {"one"})


def test_a_wish_to_keep_holds_where_nothing_is_made(tmp_path: Path) -> None:
    outcome, files = run(tmp_path, [[post_processor(True, passes=True), post_processor(name="one")]])
    assert (listed(outcome), files) == (["built", "one"], {"image", "one"})


def test_the_image_stays_when_an_artifact_that_shares_its_files_goes(tmp_path: Path) -> None:
    chain = [post_processor(shares=True, must_keep=True, name="sum"), post_processor(name="two")]
    outcome, files = run(tmp_path, [chain])
    assert (listed(outcome), files) == (["built", "two"], {"image", "two"})
