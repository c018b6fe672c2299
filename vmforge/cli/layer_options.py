"""The flags about layers, and what they wish for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from vmforge.cli.terminal import Terminal
from vmforge.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vmforge.pipeline.layers.policy import LayerWishes
    from vmforge.pipeline.plan import PlannedBuild
    from vmforge.pipeline.run import Run

LayersFlag = Annotated[
    str,
    typer.Option(
        "--layers",
        metavar="all|install|off",
        help="After which steps machines are kept for the next build, whatever the template says.",
    ),
]
NoCache = Annotated[
    bool, typer.Option("--no-cache", help="Begin from no layer; new ones are made all the same.")
]
FromLayer = Annotated[
    str, typer.Option("--from-layer", metavar="STEP", help="Begin after this step, by its name or number.")
]
Until = Annotated[
    str, typer.Option("--until", metavar="STEP", help="Stop after this step: a layer, and no artifact.")
]
Resume = Annotated[
    bool, typer.Option("--resume", help="Go on after the last step that succeeded; this is the default.")
]
Explain = Annotated[
    bool,
    typer.Option(
        "--explain", help="Say for each step whether a layer stands for it, and why not; build nothing."
    ),
]


def wishes(layers: str, no_cache: bool, from_layer: str, until: str, resume: bool) -> LayerWishes:
    """The flags as one value. Raises `UsageError` for flags that contradict each other."""
    from vmforge.pipeline.layers.policy import LayerWishes
    from vmforge.sdk.layers import LayerPolicy

    if layers and layers not in list(LayerPolicy):
        listed = ", ".join(f"`{choice}`" for choice in LayerPolicy)
        raise UsageError(f"`-layers={layers}` is none of {listed}")
    if no_cache and (from_layer or resume):
        other = "-from-layer" if from_layer else "-resume"
        raise UsageError(f"`-no-cache` and `{other}` contradict each other")
    if layers == LayerPolicy.OFF and (from_layer or until):
        raise UsageError("`-layers=off` leaves nothing to begin from, and nothing to stop at")
    return LayerWishes(LayerPolicy(layers) if layers else None, no_cache, from_layer, until)


def explain_builds(shown: Terminal, builds: Sequence[PlannedBuild], run: Run) -> None:
    """Print the chain of every build."""
    from vmforge.pipeline.build import explain_build

    for planned in builds:
        shown.print(f"{planned.full_name}:")
        verdicts = explain_build(planned, run)
        if isinstance(verdicts, str):
            shown.print(f"  no layers: {verdicts}")
            continue
        width = max(len(verdict.step) for verdict in verdicts)
        for verdict in verdicts:
            state = "kept" if verdict.hit else "runs"
            why = f"  {verdict.why}" if verdict.why else ""
            shown.print(f"  {verdict.step:<{width}}  {state}{why}")
