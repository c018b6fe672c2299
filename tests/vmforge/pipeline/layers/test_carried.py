"""Layers of one user's machine, found by the builds of another's."""

from __future__ import annotations

import shutil
import struct
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.vmforge.pipeline.layers.conftest import World, step, steps
from vmforge.cache.layers import Layer, LayerIntake
from vmforge.cache.layers.layer import write_layer
from vmforge.pipeline.layers.carrying import Carriage, carriage
from vmforge.pipeline.layers.explain import Verdict
from vmforge.sdk.cancellation import Cancellation
from vmforge.sdk.layers import HostTrait
from vmforge.sdk.values import Duration, Secret

PASSWORD = {"password": Secret("swordfish")}


@pytest.fixture
def here(tmp_path: Path) -> World:
    return World(tmp_path / "here")


@pytest.fixture
def there(tmp_path: Path) -> World:
    return World(tmp_path / "there")


@pytest.fixture(autouse=True)
def _folders(tmp_path: Path) -> None:
    for name in ("here", "there"):
        (tmp_path / name).mkdir()


@pytest.fixture
def carry(here: World, there: World) -> Iterator[Callable[..., tuple[Layer, ...]]]:
    """Brings the layers of a build from here to there, as a bundle does."""

    def carry(provisioners: Any, source: World = here, target: World = there, **wished: Any) -> Any:
        found = carriage(source.layers(provisioners, **wished), source.inputs, Cancellation())
        assert isinstance(found, Carriage)
        with found.hold, LayerIntake(target.store, Cancellation()) as intake:
            for layer in found.layers:
                folder = intake.expect(layer)
                for name in layer.files if folder is not None else ():
                    shutil.copyfile(layer.folder / name, folder / name)
            intake.commit()
        return found.layers

    yield carry


def explained(world: World, provisioners: Any, **wished: Any) -> list[Verdict]:
    return world.layers(provisioners, **wished).explain(world.inputs)


def test_the_build_goes_on_elsewhere(here: World, there: World, carry: Any) -> None:
    here.build(steps("a b"))
    carry(steps("a b"))
    built = there.build(steps("a b"))
    assert (built.ran, built.disk) == ([], "install a b")
    assert built.ui.texts("message") == ["going on after provisioner 2 `write`"]


def test_what_follows_is_kept_over_what_was_brought(here: World, there: World, carry: Any) -> None:
    here.build(steps("a b"))
    carry(steps("a b"))
    assert there.build(steps("a b c")).ran == ["c"]
    assert there.build(steps("a b c")).ran == []
    built = there.build(steps("a X c"))
    assert built.ran == ["X", "c"]
    why = "provisioner 2 `write`: unlike in the bundle's layer: text changed"
    assert built.ui.texts("message")[0] == f"going on after provisioner 1 `write` ({why})"


def test_a_change_is_told_where_nothing_was_built_yet(here: World, there: World, carry: Any) -> None:
    here.build(steps("a b"))
    carry(steps("a b"))
    verdicts = explained(there, steps("a X"))
    assert [verdict.hit for verdict in verdicts] == [True, True, False]
    assert verdicts[2].why == "unlike in the bundle's layer: text changed"


def test_secrets_must_be_the_same_and_tell_nothing_of_the_stores_key(
    here: World, there: World, carry: Any
) -> None:
    here.build(steps("a"), login=PASSWORD)
    brought = carry(steps("a"), login=PASSWORD)
    (own,) = (layer.inputs["password"] for layer in here.store.layers() if layer.step == "install")
    assert own.startswith("keyed:")
    assert own not in {digest for layer in brought for digest in layer.inputs.values()}
    assert {layer.salt for layer in brought} != {(here.shared.root / "layer-key").read_bytes().hex()}
    assert there.build(steps("a"), login=PASSWORD).ran == []
    other = {"password": Secret("another")}
    assert (
        explained(there, steps("a"), login=other)[0].why == "unlike in the bundle's layer: password changed"
    )
    assert there.build(steps("a"), login=other).ran == ["install", "a"]


def test_files_are_known_after_they_were_unpacked(here: World, there: World, carry: Any) -> None:
    """A bundle keeps of modes only who may run a file, and what links lead to."""
    for world, mode in ((here, 0o775), (there, 0o755)):
        scripts = world.folder / "template" / "scripts"
        scripts.mkdir(parents=True)
        (scripts / "run.sh").write_text("echo")
        (scripts / "run.sh").chmod(mode)
    (here.folder / "template/scripts/data").write_text("data")
    (here.folder / "template/scripts/data").chmod(0o660)
    (here.folder / "template/scripts/link").symlink_to("data")
    (here.folder / "template/scripts/nowhere").symlink_to("gone")
    for name in ("data", "link"):
        (there.folder / "template/scripts" / name).write_text("data")

    def chain(world: World) -> list[Any]:
        return [step("a", files=(str(world.folder / "template/scripts"),))]

    here.build(chain(here))
    carry(chain(here))
    assert there.build(chain(there)).ran == []
    (there.folder / "template/scripts/data").chmod(0o755)
    assert there.build(chain(there)).ran == ["a"]


@pytest.mark.parametrize(
    ("trait", "now", "said"),
    [
        (HostTrait("7.2 100", "7.2"), HostTrait("8.0 110", "8.0"), "QEMU 7.2; this machine has 8.0"),
        (HostTrait("7 90", "7"), HostTrait("7 91", "7"), "QEMU 7; this machine has another build of it"),
        (HostTrait("kvm"), HostTrait("tcg"), "QEMU kvm; this machine has tcg"),
    ],
)  # fmt: skip
def test_another_machine_is_told(
    here: World, there: World, carry: Any, trait: HostTrait, now: HostTrait, said: str
) -> None:
    here.inputs = {"the ISO": "tiny", "QEMU": trait}
    there.inputs = {"the ISO": "tiny", "QEMU": now}
    here.build(steps("a"))
    carry(steps("a"))
    why = f"the layer of the bundle was made with {said}"
    assert explained(there, steps("a"))[0] == Verdict("install", hit=False, why=why)
    built = there.build(steps("a"))
    assert built.ran == ["install", "a"]
    assert f"beginning at the start: {why}" in built.ui.texts("message")
    assert there.build(steps("a")).ran == []


def test_what_was_brought_can_be_carried_on(tmp_path: Path, here: World, there: World, carry: Any) -> None:
    (tmp_path / "third").mkdir()
    third = World(tmp_path / "third")
    here.build(steps("a"), login=PASSWORD)
    carry(steps("a"), login=PASSWORD)
    there.build(steps("a b"), login=PASSWORD)
    carry(steps("a b"), there, third, login=PASSWORD)
    assert third.build(steps("a b"), login=PASSWORD).ran == []
    # and back: what is there already is not written again, and still found
    assert len(carry(steps("a b"), there, here, login=PASSWORD)) == 3
    assert here.build(steps("a b"), login=PASSWORD).ran == []


def test_the_age_of_a_step_is_counted_from_when_it_ran(here: World, there: World, carry: Any) -> None:
    here.build(steps("a"))
    chain = [step("a", block_cache_ttl=Duration(3600))]
    carry(steps("a"))
    assert there.build(chain).ran == []
    for layer in there.store.layers():
        write_layer(replace(layer, created=layer.created - 3601))
    assert there.build(chain).ran == ["a"]


def test_nothing_to_carry(here: World) -> None:
    found = carriage(here.layers(steps("a")), here.inputs, Cancellation())
    assert found == "none are kept here; build it first"


def test_layers_are_kept_while_they_are_carried(here: World) -> None:
    here.build(steps("a"))
    found = carriage(here.layers(steps("a")), here.inputs, Cancellation())
    assert isinstance(found, Carriage)
    assert here.store.prune(0) == []
    found.hold.close()
    assert len(here.store.prune(0)) == 2


def test_disks_over_an_image_of_this_machine_stay(here: World) -> None:
    def lay_over_image() -> None:
        (disk,) = here.store.root.glob("*/disk-0.qcow2")
        disk.write_bytes(struct.pack(">4sIQI", b"QFI\xfb", 3, 20, 6) + b"/a.img")

    here.before_freeze = lay_over_image
    here.build(steps("a"), until="install")
    found = carriage(here.layers(steps("a")), here.inputs, Cancellation())
    assert found == "their disks lie on an image outside of them (`use_backing_file`)"
