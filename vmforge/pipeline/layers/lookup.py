"""Finds the layers that stand for the steps of one build."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from vmforge.cache.layers import Layer, LayerStore
from vmforge.errors import VmforgeError
from vmforge.pipeline.layers.carried import Carried
from vmforge.pipeline.layers.chain import Link
from vmforge.pipeline.layers.explain import Verdict, judge
from vmforge.sdk.ui import Ui


@dataclass(frozen=True)
class Lookup:
    """The steps of a build and the store that may hold layers for them; `build` is what the build's history
    is kept by, `carried` what bundles brought for it. Positions count from the installation, which is 0."""

    links: tuple[Link, ...]
    store: LayerStore
    build: str
    ui: Ui
    carried: Carried = field(default_factory=Carried)

    def find(self, index: int) -> Layer | None:
        """The layer after a step, whole and undamaged."""

        def tell(layer: Layer, damage: str) -> None:
            self.ui.warn(f"the layer after {layer.step} is damaged ({damage}) and is made again")

        found = (self.store.find(key, tell) for key in self._keys(index))
        return next((layer for layer in found if layer is not None), None)

    def deepest(self) -> tuple[int, Layer | None]:
        """The last layer that the build may begin from, and its step's position; -1 and None without one."""
        for index in range(len(self.links) - 1, -1, -1):
            layer = self.find(index)
            if layer is not None and not self._outlived(index, layer):
                return index, layer
        return -1, None

    def index_of(self, layer: Layer) -> int:
        """The position of the step that one of the build's layers was made after."""
        return next(index for index in range(len(self.links)) if layer.key in self._keys(index))

    def named(self, wanted: str) -> tuple[int, Layer]:
        """The layer after the step that `-from-layer` names. Raises `VmforgeError` when there is none."""
        index = self.position(wanted, "-from-layer")
        layer = self.find(index)
        if layer is None:
            hint = "`vmforge build -explain` tells which layers there are, and why others are not"
            raise VmforgeError(f"there is no layer after {self.links[index].step.name}", hint=hint)
        return index, layer

    def position(self, wanted: str, flag: str) -> int:
        """The position of a step that a flag names. Raises `VmforgeError`."""
        return find_step([link.step.name for link in self.links], wanted, flag)

    def verdicts(self, begun_after: int) -> list[Verdict]:
        """Which steps need not run when the build begins after one of them, and why the others do."""

        def noted(step: str) -> dict[str, str] | None:
            return self.store.noted_inputs(self.build, step)

        return judge(self.links, begun_after, noted, self._age_problem, self.carried.why_not)

    def _keys(self, index: int) -> tuple[str, ...]:
        """The keys that the layer after a step may have."""
        own = self.links[index].key
        return (own, *self.carried.keys(index)) if own else ()

    def _outlived(self, index: int, layer: Layer) -> str:
        """Which step's `cache_ttl` has passed since its layer, or the next one above it, was made."""
        by_key = {part.key: part for part in self.store.chain(layer)}
        made: float | None = None
        for position in range(index, -1, -1):
            step = self.links[position].step
            part = next((by_key[key] for key in self._keys(position) if key in by_key), None)
            made = part.created if part is not None else made
            if step.ttl is not None and made is not None and time.time() - made > step.ttl.seconds:
                return step.name
        return ""

    def _age_problem(self, index: int) -> str:
        layer = self.find(index)
        outlived = self._outlived(index, layer) if layer is not None else ""
        return f"the `cache_ttl` of {outlived} has passed" if outlived else ""


def find_step(names: Sequence[str], wanted: str, flag: str) -> int:
    """The position of a step in a list of names: by its name, its number, its type or its own name.
    Raises `VmforgeError`, listing them, when it is none or not the only one."""
    words = [{name, str(index), *re.findall("`([^`]+)`", name)} for index, name in enumerate(names)]
    found = [index for index, own in enumerate(words) if wanted in own]
    if len(found) == 1:
        return found[0]
    problem = "is none of the steps" if not found else "names several steps"
    listed = ", ".join(f"{index} ({name})" for index, name in enumerate(names))
    raise VmforgeError(f"`{flag}={wanted}` {problem}", hint=f"the steps are {listed}")
