"""Says for every step of a build whether a layer stands in for it, and why not."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from vmforge.pipeline.layers.chain import Link, changes

_NOT_YET: Final = "it has not been built yet"


@dataclass(frozen=True, slots=True)
class Verdict:
    """`hit` when the step need not run; else `why` says what makes it run."""

    step: str
    hit: bool
    why: str = ""


def judge(
    links: Sequence[Link],
    begun_after: int,
    noted: Callable[[str], Mapping[str, str] | None],
    age_problem: Callable[[int], str],
    why_not_carried: Callable[[int], str] = lambda index: "",
) -> list[Verdict]:
    """The verdicts on all steps, when the build begins after the step `begun_after` (-1: at the start).
    `noted` gives the inputs that a step had when its layer was last made, `why_not_carried` what is against
    the layer that a bundle brought for it."""
    verdicts = [Verdict(link.step.name, hit=True) for link in links[: begun_after + 1]]
    for index in range(begun_after + 1, len(links)):
        why = _why(links, index, begun_after, noted, age_problem)
        if why == _NOT_YET:
            why = why_not_carried(index) or why
        verdicts.append(Verdict(links[index].step.name, hit=False, why=why))
    return verdicts


def _why(
    links: Sequence[Link],
    index: int,
    begun_after: int,
    noted: Callable[[str], Mapping[str, str] | None],
    age_problem: Callable[[int], str],
) -> str:
    step = links[index].step
    if step.uncached:
        return f"it runs every time: {step.uncached}"
    if old := age_problem(index):
        return old
    before = noted(step.name)
    if before is not None and (changed := changes(before, step.inputs)):
        return changed
    if index > begun_after + 1:
        return "it comes after a step that runs"
    return _NOT_YET if before is None else "its layer is gone"
