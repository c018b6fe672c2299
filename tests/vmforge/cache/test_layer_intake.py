"""Layers of elsewhere on their way into a store."""

from __future__ import annotations

import hashlib
import os
from dataclasses import replace
from pathlib import Path

import pytest

from vmforge.cache import Store
from vmforge.cache.layers import Layer, LayerIntake, LayerStore, new_layer
from vmforge.errors import HostError, Interrupted
from vmforge.sdk.cancellation import Cancellation

CONTENT = b"what a step wrote"


@pytest.fixture
def layers(tmp_path: Path) -> LayerStore:
    return LayerStore(Store(tmp_path))


def brought(id: str, parent: str = "") -> Layer:
    """A layer as a bundle describes it."""
    layer = new_layer(key=f"key of {id}", parent=None, step=id, build="x", template="/t", disks=("disk",))
    files = {"disk": hashlib.sha256(CONTENT).hexdigest()}
    return replace(layer, id=id, parent=parent, files=files, salt="5a17", host={"QEMU": "7.2"})


def fill(folder: Path | None) -> None:
    assert folder is not None
    (folder / "disk").write_bytes(CONTENT)


def take_in(layers: LayerStore, *wanted: Layer) -> list[Layer]:
    with LayerIntake(layers, Cancellation()) as intake:
        for layer in wanted:
            if (folder := intake.expect(layer)) is not None:
                fill(folder)
        return intake.commit()


def silent(layer: Layer, damage: str) -> None:
    pytest.fail(f"{layer.step}: {damage}")


def test_layers_are_found_with_what_they_lie_on(layers: LayerStore) -> None:
    assert [layer.id for layer in take_in(layers, brought("a"), brought("b", "a"))] == ["a", "b"]
    found = layers.find("key of b", silent)
    assert found is not None
    assert [part.id for part in layers.chain(found)] == ["a", "b"]
    assert (found.sealed, found.salt, found.host) == (True, "5a17", {"QEMU": "7.2"})
    assert found.folder.stat().st_mode & 0o777 == 0o700
    assert {layer.id for layer in layers.carried()} == {"a", "b"}
    assert layers.sweep() == 0
    assert [layer.id for layer in layers.prune(0)] == ["b", "a"]


def test_what_is_there_is_not_written_again_and_counts_as_used(layers: LayerStore) -> None:
    take_in(layers, brought("a"))
    os.utime(layers.root / "a" / "layer.json", (1, 1))
    with LayerIntake(layers, Cancellation()) as intake:
        assert intake.expect(brought("a")) is None
        assert layers.prune(0) == [], "it is held meanwhile"
        assert intake.commit() == []
    assert layers.layers()[0].last_used > 1


def test_nothing_stays_of_what_was_not_committed(layers: LayerStore) -> None:
    with LayerIntake(layers, Cancellation()) as intake:
        fill(intake.expect(brought("a")))
        assert layers.find("key of a", silent) is None
        assert layers.sweep() == 0, "it is held meanwhile"
    assert list(layers.root.iterdir()) == []


@pytest.mark.parametrize("damage", ["content", "record"])
def test_a_damaged_layer_is_replaced(layers: LayerStore, damage: str) -> None:
    take_in(layers, brought("a"))
    if damage == "content":
        (layers.root / "a" / "disk").write_bytes(CONTENT[::-1])
    else:  # what a killed import leaves
        (layers.root / "a" / "layer.json").unlink()
    assert len(take_in(layers, brought("a"))) == 1
    assert layers.find("key of a", silent) is not None


def test_a_damaged_layer_in_use_is_told(layers: LayerStore) -> None:
    (layer,) = take_in(layers, brought("a"))
    hold = layers.hold(layer)
    assert hold is not None
    (layers.root / "a" / "disk").write_bytes(b"damaged")
    with hold, pytest.raises(HostError, match="is in use, and not as it should be"):
        take_in(layers, brought("a"))


def test_one_intake_at_a_time(layers: LayerStore) -> None:
    cancellation = Cancellation()
    cancellation.cancel()
    with LayerIntake(layers, Cancellation()), pytest.raises(Interrupted):
        LayerIntake(layers, cancellation).__enter__()
