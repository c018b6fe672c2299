"""Where builds begin and what they keep, on machines that are files."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from tests.vmforge.pipeline.layers.conftest import World, run, step, steps
from vmforge.cache.layers import Layer
from vmforge.errors import HostError, Interrupted, MachineError, VmforgeError
from vmforge.sdk.layers import LayerPolicy
from vmforge.sdk.values import Duration

ALL = ["install", "provisioner 1 `write`", "provisioner 2 `write`", "provisioner 3 `write`"]


def test_from_nothing(world: World) -> None:
    built = world.build(steps("a b c"))
    assert built.ran == ["install", "a", "b", "c"]
    assert built.disk == "install a b c"
    assert world.kept() == ALL
    assert all(layer.sealed for layer in world.store.layers())
    assert [path for path in world.store.root.iterdir() if not (path / "layer.json").exists()] == []


def test_nothing_changed(world: World) -> None:
    world.build(steps("a b c"))
    built = world.build(steps("a b c"))
    assert (built.ran, built.disk) == ([], "install a b c")
    assert built.ui.texts("message") == ["going on after provisioner 3 `write`"]
    assert world.kept() == ALL


def test_a_change_in_the_middle(world: World) -> None:
    world.build(steps("a b c"))
    built = world.build(steps("a B c"))
    assert (built.ran, built.disk) == (["B", "c"], "install a B c")
    said = "going on after provisioner 1 `write` (provisioner 2 `write`: text changed)"
    assert built.ui.texts("message")[0] == said
    assert world.build(steps("a b c")).ran == [], "the other variant is still there"


def test_a_change_of_the_machine(world: World) -> None:
    world.build(steps("a"))
    assert world.build(steps("a"), memory=1024).ran == ["install", "a"]


def test_who_logs_in_counts_and_where_does_not(world: World) -> None:
    world.build(steps("a"))
    assert world.build(steps("a"), login={"port": 2222}).ran == []
    assert world.build(steps("a"), login={"user": "forge"}).ran == ["install", "a"]


def test_the_values_of_the_build_belong_to_the_layer(world: World) -> None:
    world.build(steps("a"))
    with world.layers(steps("a")) as layers:
        beginning = layers.begin({"the ISO": "tiny"})
        assert beginning is not None
        assert beginning.frozen is not None
        assert beginning.frozen.values == {"Password": "of the guest"}


@pytest.mark.parametrize(("key_file", "kept"), [("", True), ("~/.ssh/id", False)])
def test_secrets_are_no_part_of_a_layer_but_for_the_key_that_was_made(
    world: World, key_file: str, kept: bool
) -> None:
    layers = world.layers(steps("a"))
    key = {"SSHPrivateKey": "the key"}
    data = {"Password": "of the guest", "User": "forge", **key}
    hide = {"of the guest": "", "the key": ""}
    layers.context = replace(layers.context, data=data, hide=lambda text: hide.get(text, text))
    object.__setattr__(layers.context.connector.config, "ssh_private_key_file", key_file)
    assert layers._public_values() == {"User": "forge"} | (key if kept else {})


def test_steps_that_run_every_time(world: World) -> None:
    for uncached in (step("b", local=True), step("b", block_cache=False)):
        chain = [*steps("a"), uncached, *steps("c")]
        world.build(chain)
        built = world.build(chain)
        assert built.ran == ["b", "c"]
    assert world.kept() == ALL[:2]


def test_a_local_step_that_is_declared_harmless(world: World) -> None:
    chain = [step("a", local=True, block_cache=True)]
    world.build(chain)
    assert world.build(chain).ran == []


def test_a_step_may_be_too_old(world: World) -> None:
    old = [step("a"), step("b", block_cache_ttl=Duration(3600)), step("c")]
    world.build(old)
    assert world.build(old).ran == []
    aged = [replace(layer, created=layer.created - 3601) for layer in world.store.layers()]
    _rewrite(aged)
    built = world.build(old)
    assert built.ran == ["b", "c"]
    assert "the `cache_ttl` of provisioner 2 `write` has passed" in built.ui.texts("message")[0]
    assert world.build(old).ran == []


def _rewrite(layers: list[Layer]) -> None:
    from vmforge.cache.layers.layer import write_layer

    for layer in layers:
        write_layer(layer)


def test_no_cache(world: World) -> None:
    world.build(steps("a b"))
    assert world.build(steps("a b"), rebuild=True).ran == ["install", "a", "b"]
    assert world.build(steps("a b")).ran == []


def test_only_the_installation(world: World) -> None:
    assert world.build(steps("a b"), policy=LayerPolicy.INSTALL).ran == ["install", "a", "b"]
    assert world.kept() == ["install"]
    assert world.build(steps("a b"), policy=LayerPolicy.INSTALL).ran == ["a", "b"]


def test_off(world: World) -> None:
    assert world.build(steps("a"), policy=LayerPolicy.OFF).ran == ["install", "a"]
    assert world.kept() == []


def test_from_a_layer(world: World) -> None:
    world.build(steps("a b c"))
    assert world.build(steps("a b c"), begin_at="1").ran == ["b", "c"]
    assert world.build(steps("a b c"), begin_at="install").ran == ["a", "b", "c"]


def test_a_throwaway_clone_makes_no_layer_and_waits_for_nobody(world: World) -> None:
    world.build(steps("a b"), until="1")
    layers = world.layers(steps("a b"), begin_at="1", make=False)
    being_made = world.store.lock(layers.links({"the ISO": "tiny"})[2].key, layers.context.cancellation)
    assert being_made.acquire_now()
    assert run(layers, world).ran == ["b"]
    being_made.release()
    assert world.kept() == ALL[:2]


def test_from_a_layer_that_there_is_not(world: World) -> None:
    world.build(steps("a b"))
    with pytest.raises(VmforgeError, match="there is no layer after provisioner 2 `write`") as failure:
        world.build(steps("a B"), begin_at="2")
    assert failure.value.hint.startswith("`vmforge build -explain`")
    assert world.build(steps("a B")).ran == ["B"], "the failed one still holds a lock"


def test_until_a_step(world: World) -> None:
    built = world.build(steps("a b c"), until="2")
    assert built.ran == ["install", "a", "b"]
    assert built.stopped == "stopped after provisioner 2 `write`, as `-until` says"
    assert world.kept() == ALL[:3]
    assert world.build(steps("a b c"), until="1").ran == [], "it is there already"
    assert world.build(steps("a b c")).ran == ["c"]


@pytest.mark.parametrize(
    ("wanted", "problem"), [("9", "is none of the steps"), ("3", "no layer is kept after provisioner 3")]
)
def test_until_a_step_that_cannot_be_kept_is_told_before_anything_runs(
    world: World, wanted: str, problem: str
) -> None:
    ran: list[str] = []
    world.before_step = ran.append
    with pytest.raises(VmforgeError, match=problem):
        world.build([*steps("a b"), step("c", local=True)], until=wanted)
    assert ran == []


def test_a_machine_that_cannot_be_frozen(world: World) -> None:
    def fail() -> None:
        raise MachineError("a device cannot be saved")

    world.before_freeze = fail
    built = world.build(steps("a b"))
    assert (built.ran, built.disk) == (["install", "a", "b"], "install a b")
    assert built.ui.texts("warn") == ["no more layers are kept: a device cannot be saved"]
    assert list(world.store.root.iterdir()) == []
    with pytest.raises(VmforgeError, match="no layer can be kept: a device cannot be saved"):
        world.build(steps("a b"), until="1")


def test_a_full_disk_after_the_machine_was_frozen(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine then goes on with its new disk, which lies on the one that was not kept."""

    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(world.store, "commit", full)
        built = world.build(steps("a b"))
    assert (built.ran, built.disk) == (["install", "a", "b"], "install a b")
    assert len(built.ui.texts("warn")) == 1
    assert list(world.store.root.iterdir()) == []
    assert world.build(steps("a b")).ran == ["install", "a", "b"]


def test_a_failure_that_is_passed_over_is_not_kept(world: World) -> None:
    chain = [*steps("a"), step("b", fails=True, block_continue_on_error=True), *steps("c")]
    for ran in (["install", "a", "b", "c"], ["b", "c"]):
        built = world.build(chain)
        assert built.ran == ran
        assert "no more layers are kept: a provisioner failed" in built.ui.texts("warn")


def test_after_a_failure(world: World) -> None:
    with pytest.raises(HostError):
        world.build([*steps("a b"), step("c", fails=True)])
    assert world.kept() == ALL[:3]
    assert world.build(steps("a b C")).ran == ["C"]


def test_interrupted(world: World) -> None:
    def interrupt(text: str) -> None:
        if text == "b":
            raise Interrupted()

    world.before_step = interrupt
    with pytest.raises(Interrupted):
        world.build(steps("a b"))
    world.before_step = lambda text: None
    assert world.build(steps("a b")).ran == ["b"]
    assert all(layer.sealed for layer in world.store.layers())


@pytest.mark.parametrize("file", ["disk-0.qcow2", "memory.zst"])
def test_damage(world: World, file: str) -> None:
    world.build(steps("a b c"))
    layer = next(layer for layer in world.store.layers() if layer.step == ALL[2])
    content = bytearray((layer.folder / file).read_bytes())
    content[len(content) // 2] ^= 1
    (layer.folder / file).write_bytes(content)
    built = world.build(steps("a b c"))
    assert (built.ran, built.disk) == (["b", "c"], "install a b c")
    assert f"provisioner 2 `write` is damaged (`{file}`" in built.ui.texts("warn")[0]


def test_a_limit(world: World) -> None:
    world.build(steps("a b c"))
    world.limit = 0
    world.build(steps("a"))
    assert world.kept() == []


def test_explain_changes_nothing(world: World) -> None:
    layers = world.layers(steps("a"))
    with layers:
        verdicts = layers.explain({"the ISO": "tiny"})
    assert [(verdict.step, verdict.hit) for verdict in verdicts] == [(name, False) for name in ALL[:2]]
    assert list(world.store.root.iterdir()) == []
    world.build(steps("a"))
    with world.layers(steps("a"), rebuild=True) as again:
        assert not any(verdict.hit for verdict in again.explain({"the ISO": "tiny"})), "`-no-cache`"


def test_the_disks_of_a_machine_that_is_left_to_the_user(world: World) -> None:
    layers = world.layers(steps("a b"))
    with pytest.raises(HostError):
        run(_Kept(layers, world).layers, world)  # type: ignore[arg-type]
    (kept,) = [path for path in world.store.root.iterdir() if not (path / "layer.json").exists()]
    assert (kept / "disk-0.qcow2").read_text() == "install a "
    assert str(kept) in _Kept.said
    world.build(steps("a B"))
    assert kept.exists(), "the next run deletes nothing of it"


class _Kept:
    """A build that fails in step `b` and is left as it is (`-on-error=abort`)."""

    said = ""

    def __init__(self, layers: object, world: World) -> None:
        def fail(text: str) -> None:
            if text == "b":
                world.before_step = lambda text: None
                _Kept.said = layers.keep()  # type: ignore[attr-defined]
                raise HostError("b failed")

        world.before_step = fail
        self.layers = layers


# -- side by side ------------------------------------------------------------------------------


def side_by_side(world: World, *chains: str) -> list[list[str]]:
    with ThreadPoolExecutor() as pool:
        futures = [
            pool.submit(world.build, steps(chain), name=f"v{number}") for number, chain in enumerate(chains)
        ]
        return [future.result(60).ran for future in futures]


def all_at_once(world: World, count: int) -> Callable[[str], None]:
    """Lets no installation end before every build has asked for its layers."""
    waiting = threading.Semaphore(0)
    lock = world.store.lock

    def locked(*arguments: object, **named: object) -> object:
        waiting.release()
        return lock(*arguments, **named)  # type: ignore[arg-type]

    world.store.lock = locked  # type: ignore[method-assign,assignment]

    def hold(text: str) -> None:
        if text == "install":
            for _ in range(count):
                assert waiting.acquire(timeout=30)

    return hold


def test_builds_that_need_the_same_layers_make_them_once(world: World) -> None:
    world.before_step = all_at_once(world, 4)
    ran = side_by_side(world, "a b 1", "a b 2", "a b 3", "a c 4")
    flat = sorted(itertools.chain.from_iterable(ran))
    assert flat == sorted(["install", "a", "b", "c", "1", "2", "3", "4"])
    assert sorted(set(world.kept())) == ALL


def test_the_same_build_twice(world: World) -> None:
    world.before_step = all_at_once(world, 2)
    ran = side_by_side(world, "a b", "a b")
    assert sorted(ran, key=len) == [[], ["install", "a", "b"]]


def test_who_waits_makes_the_layer_when_the_first_one_fails(world: World) -> None:
    hold = all_at_once(world, 2)
    failed = threading.Event()

    def fail_first(text: str) -> None:
        if text == "install" and not failed.is_set():
            hold(text)
            failed.set()
            raise HostError("the installation failed")

    world.before_step = fail_first
    with ThreadPoolExecutor() as pool:
        futures = [pool.submit(world.build, steps("a"), name=f"v{n}") for n in range(2)]
        outcomes = [future.exception(60) for future in futures]
    assert sorted(str(type(error).__name__) for error in outcomes) == ["HostError", "NoneType"]


def test_who_is_too_late_for_the_next_layer_keeps_the_one_after(world: World) -> None:
    """Another build has the lock of this one's next layer: that one is left to it."""
    layers = world.layers(steps("a b"))
    key = layers.links({"the ISO": "tiny"})[1].key
    taken = world.store.lock(key, layers.context.cancellation)
    assert taken.acquire_now()
    built = run(layers, world)
    taken.release()
    assert built.ran == ["install", "a", "b"]
    assert world.kept() == ["install", ALL[2]]
    again = world.build(steps("a b c"))
    assert (again.ran, again.disk) == (["c"], "install a b c")


def test_waiting_is_told_and_can_be_interrupted(world: World) -> None:
    layers = world.layers(steps("a"))
    taken = world.store.lock(layers.links({"the ISO": "tiny"})[0].key, layers.context.cancellation)
    assert taken.acquire_now()
    threading.Timer(0.3, layers.context.cancellation.cancel).start()
    with pytest.raises(Interrupted):
        run(layers, world)
    taken.release()
    said = "waiting for another build, which makes the same layer: install"
    assert layers.context.ui.texts("message") == [said]  # type: ignore[attr-defined]


def test_secrets_do_not_show(world: World, tmp_path: Path) -> None:
    layers = world.layers([step("login with s3cret-of-mine")])
    layers.fingerprints = replace(layers.fingerprints, secrets=frozenset({"s3cret-of-mine"}))
    run(layers, world)
    for path in tmp_path.rglob("*"):
        if path.is_file() and path.suffix not in (".qcow2", ".zst") and path.name != "memory":
            assert b"s3cret-of-mine" not in path.read_bytes(), path
        assert "s3cret" not in path.name
