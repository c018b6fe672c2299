"""Which builds have layers, and where they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.vmforge.pipeline.layers.conftest import World, steps
from vmforge.errors import UsageError
from vmforge.pipeline.layers.opening import layers_of
from vmforge.pipeline.layers.policy import LayerWishes
from vmforge.pipeline.run import Run
from vmforge.sdk import BuildContext, Cancellation
from vmforge.sdk.layers import LayerPolicy
from vmforge.sdk.redaction import Redactor
from vmforge.sdk.testing import RecordingUi


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VMFORGE_CACHE_DIR", str(tmp_path / "cache"))


def opened(world: World, own: LayerPolicy | None, **wishes: Any) -> LayerPolicy | None:
    """The policy that a build gets whose source says `own`; None without layers."""
    made = world.layers(steps("a"))
    planned, context = made.planned, made.context
    config = made.planned.builder.config
    object.__setattr__(config, "layers", own)
    layers = layers_of(planned, context, _run(context, LayerWishes(**wishes)))
    return layers.policy if layers is not None else None


def _run(context: BuildContext, wishes: LayerWishes) -> Run:
    return Run(
        uuid="",
        template_dir=context.template_dir,
        scratch=context.scratch,
        state_dir=context.state_dir,
        ui_for=lambda build, post_processor: RecordingUi(),
        cancellation=Cancellation(),
        redactor=Redactor(),
        layers=wishes,
    )


def test_the_command_line_comes_before_the_template(world: World) -> None:
    assert opened(world, LayerPolicy.ALL) is LayerPolicy.ALL
    assert opened(world, LayerPolicy.INSTALL) is LayerPolicy.INSTALL
    assert opened(world, LayerPolicy.INSTALL, policy=LayerPolicy.ALL) is LayerPolicy.ALL
    assert opened(world, LayerPolicy.OFF, policy=LayerPolicy.INSTALL) is LayerPolicy.INSTALL
    assert opened(world, LayerPolicy.OFF) is None
    assert opened(world, LayerPolicy.ALL, policy=LayerPolicy.OFF) is None


def test_a_builder_without_layers(world: World) -> None:
    assert opened(world, None) is None
    assert opened(world, None, policy=LayerPolicy.ALL) is None


@pytest.mark.parametrize("flag", ["begin_at", "until"])
def test_a_step_of_a_build_without_layers(world: World, flag: str) -> None:
    with pytest.raises(UsageError, match=r"`test\.base` has no layers"):
        opened(world, LayerPolicy.OFF, **{flag: "1"})


def test_a_limit_that_is_no_size(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VMFORGE_LAYERS_LIMIT", "plenty")
    with pytest.raises(UsageError, match="VMFORGE_LAYERS_LIMIT"):
        opened(world, LayerPolicy.ALL)
