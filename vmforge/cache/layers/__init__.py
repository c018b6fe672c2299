"""Layers in the store: machines frozen after a step of a build, one folder each, found by key.

layers/ID/layer.json     what the layer is; without it the folder is one in the making
layers/ID/disk-N.qcow2   what the step wrote, over the same disk of the layer below
layers/ID/memory[.zst]   what was in the guest's memory
layers/ID/values.json    the build's values that belong to the guest (the key that it knows, say)
layers/ID/kept.json      instead of layer.json: a machine that was left to the user has its disks here
locks/layer-ID           held, shared, by whoever makes or uses it; alone by whoever deletes it

A layer is bound to its key as soon as its files are complete, and sealed (compressed, synced, hashed)
while the build goes on. One that was not sealed yet is good until this machine is started anew.
"""

from vmforge.cache.layers.holding import Hold, LayerFolder
from vmforge.cache.layers.intake import LayerIntake
from vmforge.cache.layers.layer import MEMORY, VALUES, Layer, new_layer
from vmforge.cache.layers.store import LayerStore

__all__ = [
    "MEMORY",
    "VALUES",
    "Hold",
    "Layer",
    "LayerFolder",
    "LayerIntake",
    "LayerStore",
    "new_layer",
]
