"""Layers that bundles brought: the keys under which a build finds them, and why one does not fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from vmforge.cache.layers import Layer
from vmforge.pipeline.layers.chain import Link, Step, changes


@dataclass(frozen=True)
class Carried:
    """What bundles brought that may be of use to one build: `layers` of builds of its name, and the `chains`
    of its steps by the salt that secrets enter them with. `host` says, by the names of inputs, what this
    machine is."""

    layers: Sequence[Layer] = ()
    chains: Mapping[str, tuple[Link, ...]] = field(default_factory=dict)
    host: Mapping[str, str] = field(default_factory=dict)

    def keys(self, index: int) -> tuple[str, ...]:
        """The keys that a layer after a step may have, besides the one of this store's own."""
        return tuple(chain[index].key for chain in self.chains.values() if chain[index].key)

    def why_not(self, index: int) -> str:
        """What keeps the closest layer of a bundle from standing for a step; empty when there is none, or
        nothing against it."""
        of_step = ((layer, self.chains[layer.salt][index].step) for layer in self.layers)
        pairs = [(layer, step) for layer, step in of_step if layer.step == step.name]
        if not pairs:
            return ""
        layer, step = min(pairs, key=lambda pair: len(_differing(*pair)))
        traits = [name for name in _differing(layer, step) if name in layer.host and name in self.host]
        if traits:
            there = " and ".join(f"{name} {layer.host[name]}" for name in traits)
            return (
                f"the layer of the bundle was made with {there}; this machine has {self._here(layer, traits)}"
            )
        differing = changes(layer.inputs, step.inputs)
        return f"unlike in the bundle's layer: {differing}" if differing else ""

    def _here(self, layer: Layer, traits: Sequence[str]) -> str:
        same = {name: self.host[name] == layer.host[name] for name in traits}
        return " and ".join("another build of it" if same[name] else self.host[name] for name in traits)


def _differing(layer: Layer, step: Step) -> list[str]:
    """The inputs in which a layer and a step differ."""
    names = dict.fromkeys([*layer.inputs, *step.inputs])
    return [name for name in names if layer.inputs.get(name) != step.inputs.get(name)]
