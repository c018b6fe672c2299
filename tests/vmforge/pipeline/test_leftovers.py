"""Who is asked for what killed builds have left."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest

from vmforge.diagnostics import SourceRange
from vmforge.pipeline.leftovers import Owner, gather
from vmforge.pipeline.plan import PlannedBuild, PlannedPostProcessor
from vmforge.pipeline.run import Run
from vmforge.sdk import (
    Artifact,
    BuildContext,
    Builder,
    Cancellation,
    Config,
    PostProcessor,
    Processed,
    option,
)
from vmforge.sdk.body import Body
from vmforge.sdk.interpolate import interpolator
from vmforge.sdk.leftovers import Leftover
from vmforge.sdk.mark import RunMark
from vmforge.sdk.redaction import Redactor
from vmforge.sdk.testing import FakeConnector, RecordingUi
from vmforge.template import Evaluated, PostProcessorBlock

MARK = RunMark("0b5ab8a6-0000-4000-8000-000000000001", "cloud-web", "elsewhere", 1_800_000_000)


@dataclass(frozen=True, kw_only=True)
class Place(Config):
    bucket: str = option(help="where it looks")


def leftover(kind: str, place: str) -> Leftover:
    return Leftover(kind, f"{kind}-1", MARK, lambda: None, place)


class Launching(Builder[Place]):
    config_type = Place

    def build(self, context: BuildContext) -> Artifact | None:
        raise NotImplementedError

    def leftovers(self, context: BuildContext) -> Iterable[Leftover]:
        return [leftover("instance", self.config.bucket)]


class Importing(PostProcessor[Place]):
    config_type = Place

    def process(self, context: BuildContext, artifact: Artifact) -> Processed:
        raise NotImplementedError

    def leftovers(self, context: BuildContext) -> Iterable[Leftover]:
        context.ui.say(f"asking {self.config.bucket}")
        return [leftover("object", self.config.bucket)]


class Stamping(Importing):
    """One that leaves nothing anywhere."""

    leftovers = PostProcessor.leftovers


def planned(component: type[Importing], bucket: str | None) -> PlannedPostProcessor:
    block = PostProcessorBlock(
        "import", "import", SourceRange.whole("x.pkr.hcl"), lambda scope: Evaluated(Body.of({}), [])
    )
    return PlannedPostProcessor(block, component, Place(bucket=bucket) if bucket else None)


def build(name: str, *chain: PlannedPostProcessor) -> PlannedBuild:
    return PlannedBuild(
        name=name,
        local_name=name,
        full_name=f"cloud.{name}",
        type="cloud",
        builder=Launching(Place(bucket="eu")),
        connector=FakeConnector(),
        provisioners=(),
        error_cleanup=None,
        chains=(chain,),
        interpolator=interpolator(),
        secrets=frozenset(),
    )


@pytest.fixture
def ui() -> RecordingUi:
    return RecordingUi()


@pytest.fixture
def run(tmp_path: Path, ui: RecordingUi) -> Run:
    return Run(
        uuid="1",
        template_dir=tmp_path,
        scratch=tmp_path,
        state_dir=tmp_path,
        ui_for=lambda build, post_processor: ui,
        cancellation=Cancellation(),
        redactor=Redactor(),
    )


def test_builders_and_post_processors_are_asked_and_each_thing_is_told_once(
    run: Run, ui: RecordingUi
) -> None:
    shared, own = planned(Importing, "a"), planned(Importing, "b")
    found = gather([build("web", planned(Stamping, "c"), shared), build("db", shared, own)], run)
    assert [str(owned.leftover) for owned in found] == [
        "instance `instance-1` in eu",
        "object `object-1` in a",
        "object `object-1` in b",
    ]
    assert {owned.owner for owned in found} == {Owner.ELSEWHERE}
    assert ui.texts("say") == ["asking a", "asking b"]


def test_one_whose_options_only_a_running_build_knows_is_named(run: Run, ui: RecordingUi) -> None:
    found = gather([build("web", planned(Importing, None))], run)
    assert [owned.leftover.kind for owned in found] == ["instance"]
    assert "post-processor `import` cannot tell what it has left" in ui.texts("warn")[0]
