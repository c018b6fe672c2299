"""The store of layers, with real files, and with processes that are killed."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from vmforge.cache import Store
from vmforge.cache.layers import Hold, Layer, LayerStore, new_layer
from vmforge.cache.limit import LAYERS_LIMIT
from vmforge.errors import HostError, Interrupted, UsageError
from vmforge.sdk.cancellation import Cancellation

MEMORY = b"what the guest knows " * 5000


@pytest.fixture
def layers(tmp_path: Path) -> LayerStore:
    return LayerStore(Store(tmp_path))


def make(layers: LayerStore, key: str, parent: Layer | None = None, *, sealed: bool = True) -> Layer:
    """A layer whose maker has ended."""
    folder = layers.begin()
    (folder.path / "disk-0.qcow2").write_bytes(key.encode() * 1000)
    (folder.path / "memory").write_bytes(MEMORY)
    (folder.path / "values.json").write_text('{"SSHPrivateKey": "hidden"}')
    layer = new_layer(
        key=key, parent=parent, step=key, build="qemu.x", template="/t", disks=("disk-0.qcow2",)
    )
    made = layers.commit(folder, replace(layer, inputs={"script": "1234"}))
    if sealed:
        assert layers.seal(made, Cancellation()) is not None
    folder.close()
    found = layers.read(made.id)
    assert found is not None
    return found


def use_order(*order: Layer) -> None:
    """Make it look as if they had been used one after the other, long ago."""
    for index, layer in enumerate(order):
        os.utime(layer.folder / "layer.json", (1000 + index, 1000 + index))


def silent(layer: Layer, damage: str) -> None:
    pytest.fail(f"{layer.step}: {damage}")


def found(layers: LayerStore, key: str) -> tuple[Layer | None, list[str]]:
    told: list[str] = []
    return layers.find(key, lambda layer, damage: told.append(f"{layer.step}: {damage}")), told


def run(code: str, root: Path) -> subprocess.Popen[str]:
    """Another process, with the store `layers` and this file's `make`."""
    setting = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "from pathlib import Path\nfrom test_layers import *\n"
        f"layers = LayerStore(Store(Path({str(root)!r})))\n"
    )
    return subprocess.Popen(
        [sys.executable, "-c", setting + code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


# ---- making and finding ----


def test_a_layer_is_found_by_its_key_before_and_after_it_is_sealed(layers: LayerStore) -> None:
    made = make(layers, "install", sealed=False)
    assert not made.sealed
    for _ in range(2):
        layer = layers.find("install", silent)
        assert layer is not None
        assert (layer.id, layer.step, layer.disks) == (made.id, "install", ("disk-0.qcow2",))
        assert layer.values() == {"SSHPrivateKey": "hidden"}
        with layer.open_memory() as memory:
            assert memory.read() == MEMORY
        sealed = layers.seal(layer, Cancellation())
        assert sealed is not None
        assert sealed.sealed
    assert sorted(path.name for path in made.folder.iterdir()) == [
        "disk-0.qcow2",
        "layer.json",
        "memory.zst",
        "values.json",
    ]
    assert layers.find("another", silent) is None


def test_memory_is_read_by_who_found_the_layer_before_it_was_sealed(layers: LayerStore) -> None:
    before = make(layers, "install", sealed=False)
    layers.seal(before, Cancellation())
    with before.open_memory() as memory:
        assert memory.read() == MEMORY


def test_nobody_else_may_read_a_layer(tmp_path: Path) -> None:
    (tmp_path / "layers").mkdir(mode=0o755)  # as another program or an older version may have left it
    layers = LayerStore(Store(tmp_path))
    layer = make(layers, "install")
    assert {path.stat().st_mode & 0o777 for path in (layers.root, layer.folder)} == {0o700}
    assert {path.stat().st_mode & 0o777 for path in layer.folder.iterdir()} == {0o600}


def test_the_chain_begins_at_the_bottom(layers: LayerStore) -> None:
    install = make(layers, "install")
    first = make(layers, "first", install)
    second = make(layers, "second", first)
    assert [part.step for part in layers.chain(second)] == ["install", "first", "second"]


def test_what_was_begun_is_gone_when_it_is_closed_unless_it_was_committed_or_kept(layers: LayerStore) -> None:
    folder, kept = layers.begin(), layers.begin()
    kept.keep(None)
    for one in (folder, kept):
        one.close()
        one.close()
    assert not folder.path.exists()
    assert layers.sweep() == 0
    assert layers.kept() == [kept.path]
    assert layers.discard_kept(kept.path)
    assert [*layers.root.iterdir(), *layers.root.parent.joinpath("locks").iterdir()] == []


# ---- damage ----


def flip(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(20)
        byte = file.read(1)
        file.seek(20)
        file.write(bytes([byte[0] ^ 1]))


@pytest.mark.parametrize("name", ["disk-0.qcow2", "memory.zst", "values.json"])
@pytest.mark.parametrize("wrong", ["flipped", "shorter", "gone"])
def test_damage_is_noticed_wherever_it_is(layers: LayerStore, name: str, wrong: str) -> None:
    install = make(layers, "install")
    make(layers, "first", install)
    path = install.folder / name
    if wrong == "flipped":
        flip(path)
    elif wrong == "shorter":
        os.truncate(path, 20)
    else:
        path.unlink()
    layer, told = found(layers, "first")
    assert layer is None
    assert len(told) == 1
    assert told[0].startswith(f"install: `{name}`")
    assert layers.read(install.id) is None
    assert found(layers, "first") == (None, [])  # what lay on it goes without a word


def test_a_change_before_it_is_sealed_is_noticed_and_not_sealed(layers: LayerStore) -> None:
    layer = make(layers, "install", sealed=False)
    os.utime(layer.folder / "memory", ns=(1, 1))
    flip(layer.folder / "memory")
    again = layers.seal(layer, Cancellation())
    assert again is not None
    assert not again.sealed
    assert found(layers, "install") == (None, ["install: `memory` is not what was written"])


def test_verify_reads_what_was_remembered_too(layers: LayerStore) -> None:
    """Damage below the file system changes no time stamp."""
    layer = make(layers, "install")
    flip(layer.folder / "disk-0.qcow2")
    Store(layers.root.parent).digests.remember(
        layer.folder / "disk-0.qcow2", {"sha256": layer.files["disk-0.qcow2"]}
    )
    assert layers.find("install", silent) is not None
    assert layers.verify(layer) == "`disk-0.qcow2` is not what was written"
    assert layers.verify(make(layers, "other")) == ""


def test_what_was_not_sealed_when_the_machine_stopped_is_not_used(layers: LayerStore) -> None:
    layer = make(layers, "install", sealed=False)
    sealed = make(layers, "other")
    for one in (layer, sealed):
        record = json.loads((one.folder / "layer.json").read_text())
        (one.folder / "layer.json").write_text(json.dumps(record | {"boot": "an earlier one"}))
    assert layers.find("other", silent) is not None
    before = layers.read(layer.id)
    assert before is not None
    assert layers.verify(before) == "it was not on the disk yet when this machine was stopped"
    assert layers.sweep() > 0
    assert [left.id for left in layers.layers()] == [sealed.id]


@pytest.mark.parametrize("record", ["", "{", "[]", "null", '{"format": 1}', '{"format": 2, "disks": 3}'])
def test_records_that_are_damaged_or_of_another_version_are_no_layers(
    layers: LayerStore, record: str
) -> None:
    layer = make(layers, "install")
    (layer.folder / "layer.json").write_text(record)
    assert layers.find("install", silent) is None
    assert layers.layers() == []
    layers.sweep()
    assert not layer.folder.exists()


def test_a_record_that_cannot_be_read_now_is_not_taken_for_gone(layers: LayerStore) -> None:
    layer = make(layers, "install")
    (layer.folder / "layer.json").unlink()
    (layer.folder / "layer.json").symlink_to("layer.json")  # reading it fails, with ELOOP
    with pytest.raises(HostError, match="cannot be read"):
        layers.find("install", silent)
    assert layers.sweep() == 0
    assert layers.layers() == []
    assert (layer.folder / "memory.zst").exists()


# ---- deleting ----


def test_prune_deletes_the_longest_unused_first_and_never_what_another_lies_on(layers: LayerStore) -> None:
    install = make(layers, "install")
    first, second = make(layers, "first", install), make(layers, "second", install)
    third = make(layers, "third", second)
    use_order(install, second, third, first)
    sizes = {layer.id: layer.size for layer in layers.layers()}
    limit = sum(sizes.values()) - 1
    rehearsed = layers.prune(limit, rehearse=True)
    assert [layer.step for layer in rehearsed] == ["third"]
    assert [layer.step for layer in layers.prune(limit)] == ["third"]
    assert layers.prune(limit - sizes[third.id] + 1) == []
    assert [layer.step for layer in layers.prune(0)] == ["second", "first", "install"]
    rooms = ("layers", "locks", "index", "digests")
    assert [path for room in rooms for path in layers.root.parent.joinpath(room).iterdir()] == []


def test_prune_by_age(layers: LayerStore) -> None:
    install = make(layers, "install")
    old, new = make(layers, "old", install), make(layers, "new", install)
    use_order(old, install, new)
    assert [layer.step for layer in layers.prune(sys.maxsize, unused_since=1001.5)] == ["old"]


def test_a_layer_in_use_is_not_deleted_nor_what_it_lies_on(layers: LayerStore) -> None:
    install = make(layers, "install")
    first = make(layers, "first", install)
    use_order(install, first)
    hold = layers.hold(first)
    assert hold is not None
    with hold:
        assert layers.in_use(install)
        assert layers.prune(0, rehearse=True) == []
        assert layers.prune(0) == []
        assert not layers.remove(install)
        assert layers.layers()[0].last_used > 1001
    assert not layers.in_use(install)
    assert [layer.step for layer in layers.prune(0)] == ["first", "install"]
    assert layers.hold(first) is None


def test_what_a_kept_machine_lies_on_is_not_deleted(layers: LayerStore) -> None:
    install = make(layers, "install")
    first = make(layers, "first", install)
    folder = layers.begin()
    folder.keep(first)
    folder.close()
    assert layers.prune(0) == []
    assert layers.discard_kept(folder.path)
    assert len(layers.prune(0)) == 2


def test_locks_of_layers_that_are_gone_are_swept(layers: LayerStore) -> None:
    layer = make(layers, "install")
    assert layers.remove(layer)
    assert not layers.in_use(layer)  # looking makes the file again
    folder = layers.begin()
    layers.sweep()
    assert [path.name for path in (layers.root.parent / "locks").glob("layer-*")] == [f"layer-{folder.id}"]
    folder.close()


def test_holding_leaves_no_lock_when_a_lower_layer_is_gone(layers: LayerStore) -> None:
    install = make(layers, "install")
    first = make(layers, "first", install)
    shutil.rmtree(install.folder)
    assert layers.hold(first) is None
    assert layers.remove(first)


def test_sweep_deletes_what_dead_processes_left_and_nothing_else(
    layers: LayerStore, processes: ExitStack
) -> None:
    code = "f = layers.begin(); print(f.path, flush=True); input()"
    alive, dead = (processes.enter_context(run(code, layers.root.parent)) for _ in range(2))
    making, left = Path(said(alive)), Path(said(dead))
    (left / "disk-0.qcow2").write_bytes(bytes(8192))
    install = make(layers, "install")
    orphan = make(layers, "orphan", make(layers, "lower"))
    assert layers.remove(layers.chain(orphan)[0])
    dead.kill()
    dead.wait()
    assert layers.sweep() >= 8192
    assert not left.exists()
    assert not orphan.folder.exists()
    assert making.is_dir()
    assert layers.find("install", silent) == layers.read(install.id)
    alive.kill()


def test_a_layer_committed_while_sweep_looks_stays(
    layers: LayerStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sweep saw no record, then the maker wrote it and ended, then sweep got the lock."""
    folder = layers.begin()
    looked = layers._is_of_use

    def look(path: Path) -> bool:
        use = looked(path)
        if not (path / "layer.json").exists():
            layer = new_layer(key="k", parent=None, step="k", build="b", template="/t", disks=())
            layers.commit(folder, layer)
            folder.close()
        return use

    monkeypatch.setattr(layers, "_is_of_use", look)
    layers.sweep()
    assert layers.find("k", silent) is not None


def test_sweep_deletes_layers_that_were_made_again(layers: LayerStore) -> None:
    """Unless something is still of use that lies on them."""
    install = make(layers, "install")
    old = make(layers, "first", install)
    new, other = make(layers, "first", install), make(layers, "other", old)
    assert layers.sweep() == 0
    hold = layers.hold(other)
    assert hold is not None
    make(layers, "other", new)
    assert layers.sweep() == 0
    hold.close()
    assert layers.sweep() > 0
    assert sorted(layer.step for layer in layers.layers()) == ["first", "install", "other"]
    assert layers.find("other", silent) is not None


def test_deleting_an_old_layer_leaves_the_new_one_of_its_key_alone(layers: LayerStore) -> None:
    old, new = make(layers, "install"), make(layers, "install")
    assert layers.remove(old)
    layer = layers.find("install", silent)
    assert layer is not None
    assert layer.id == new.id


# ---- several processes ----


def test_a_layer_is_made_once_by_processes_that_want_it_at_the_same_time(
    layers: LayerStore, processes: ExitStack
) -> None:
    code = """
with layers.lock("install", Cancellation()):
    if layers.find("install", silent) is None:
        print(make(layers, "install", sealed=False).id, flush=True)
"""
    running = [processes.enter_context(run(code, layers.root.parent)) for _ in range(4)]
    made = [process.communicate()[0].strip() for process in running]
    assert [process.returncode for process in running] == [0] * 4
    assert [text for text in made if text] == [layer.id for layer in layers.layers()]


def test_deleting_and_holding_at_the_same_time_never_lose_a_held_layer(layers: LayerStore) -> None:
    failures: list[str] = []
    stop = threading.Event()

    def delete() -> None:
        while not stop.is_set():
            layers.prune(0)
            layers.sweep()

    deleting = threading.Thread(target=delete)
    deleting.start()
    try:
        for _ in range(60):
            folder = layers.begin()
            (folder.path / "disk-0.qcow2").write_bytes(b"x")
            layer = layers.commit(
                folder,
                new_layer(key="k", parent=None, step="k", build="b", template="/t", disks=("disk-0.qcow2",)),
            )
            hold = layers.hold(layer)
            assert hold is not None
            folder.close()
            if not (layer.folder / "disk-0.qcow2").exists():
                failures.append(layer.id)
            hold.close()
    finally:
        stop.set()
        deleting.join()
    assert failures == []


@pytest.mark.parametrize(
    "moment", ["os.fsync", "Path.replace", "vmforge.cache.layers.sealing.write_layer", "Path.unlink"]
)
@pytest.mark.parametrize("before", [True, False])
def test_a_kill_at_any_point_of_sealing_leaves_a_good_layer(
    layers: LayerStore, processes: ExitStack, moment: str, before: bool
) -> None:
    layer = make(layers, "install", sealed=False)
    target = {"os": "os", "Path": "pathlib.Path"}.get(moment.partition(".")[0])
    target = f"{target}.{moment.partition('.')[2]}" if target else moment
    killing = f"""
import os, signal
from unittest import mock
import vmforge.cache.layers.sealing
real = {moment}
def kill(*arguments, **options):
    {"" if before else "real(*arguments, **options)"}
    os.kill(os.getpid(), signal.SIGKILL)
mock.patch({target!r}, kill).start()
layers.seal(layers.read({layer.id!r}), Cancellation())
"""
    process = processes.enter_context(run(killing, layers.root.parent))
    assert process.wait() == -signal.SIGKILL
    for _ in range(2):
        again = layers.find("install", silent)
        assert again is not None
        with again.open_memory() as memory:
            assert memory.read() == MEMORY
        layers.sweep()
        layers.seal(again, Cancellation())
    assert sorted(path.name for path in layer.folder.iterdir()) == [
        "disk-0.qcow2",
        "layer.json",
        "memory.zst",
        "values.json",
    ]


def test_memory_left_beside_a_sealed_layer_is_not_what_is_read(layers: LayerStore) -> None:
    """A kill between the record and the deletion leaves it, and nothing ever checks it."""
    layer = make(layers, "install")
    (layer.folder / "memory").write_bytes(b"anything")
    with layer.open_memory() as memory:
        assert memory.read() == MEMORY
    layers.sweep()
    assert not (layer.folder / "memory").exists()


def test_only_one_seals(layers: LayerStore) -> None:
    layer = make(layers, "install", sealed=False)
    descriptor = os.open(layer.folder, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    other = layers.seal(layer, Cancellation())
    assert other is not None
    assert not other.sealed
    os.close(descriptor)


def test_sealing_ends_when_told_and_can_be_done_again(layers: LayerStore) -> None:
    layer = make(layers, "install", sealed=False)
    stopped = Cancellation()
    stopped.cancel()
    with pytest.raises(Interrupted):
        layers.seal(layer, stopped)
    assert not (layer.folder / "memory.zst.part").exists()
    again = layers.seal(layer, Cancellation())
    assert again is not None
    assert again.sealed


# ---- disks that are full, caches that are gone ----


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[LayerStore]:
    """A store on a file system of 256 KiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "none", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip("mounting takes root")
    try:
        yield LayerStore(Store(folder))
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder: Path) -> None:
    with pytest.raises(OSError, match="No space"), (folder / "filler").open("wb") as file:
        while True:
            file.write(bytes(4096))
            file.flush()


def test_a_full_disk_is_told_and_leaves_nothing_behind(small_disk: LayerStore) -> None:
    layers = small_disk
    good = make(layers, "install", sealed=False)
    folder = layers.begin()
    (folder.path / "disk-0.qcow2").write_bytes(b"x")
    fill(layers.root.parent)
    with pytest.raises(HostError, match="no space left"):
        layers.commit(
            folder,
            new_layer(key="k", parent=None, step="k", build="b", template="/t", disks=("disk-0.qcow2",)),
        )
    with pytest.raises(HostError, match="no space left"):
        layers.seal(good, Cancellation())
    folder.close()
    assert not folder.path.exists()
    (layers.root.parent / "filler").unlink()
    sealed = layers.seal(good, Cancellation())
    assert sealed is not None
    assert sealed.sealed


def test_a_folder_of_layers_that_cannot_be_used_is_told(layers: LayerStore) -> None:
    layers.root.rmdir()
    layers.root.write_text("a file")
    for use in (layers.begin, lambda: LayerStore(Store(layers.root.parent))):
        with pytest.raises(HostError, match=r"layers cannot be kept in `.*`: ") as caught:
            use()
        assert "VMFORGE_CACHE_DIR" in caught.value.hint


def test_a_cache_deleted_while_it_is_used_is_told(layers: LayerStore) -> None:
    layer, folder = make(layers, "install"), layers.begin()
    hold = layers.hold(layer)
    assert isinstance(hold, Hold)
    shutil.rmtree(layers.root.parent)
    with pytest.raises(HostError, match=r"the cache `.*` was deleted"):
        layers.begin()
    assert layers.layers() == []
    assert layers.prune(0) == []
    assert layers.sweep() == 0
    folder.close()
    hold.close()


# ---- notes and limits ----


def test_the_inputs_of_the_last_cut_are_remembered(layers: LayerStore) -> None:
    assert layers.noted_inputs("b", "s") is None
    layers.note_inputs("b", "s", {"x": "1"})
    layers.note_inputs("b", "s", {"x": "2"})
    layers.note_inputs("b", "t", {"x": "3"})
    assert layers.noted_inputs("b", "s") == {"x": "2"}


def test_the_size_limit(tmp_path: Path) -> None:
    assert LAYERS_LIMIT.bytes(tmp_path, {"VMFORGE_LAYERS_LIMIT": "10G"}) == 10 * 1024**3
    disk = shutil.disk_usage(tmp_path).total
    assert LAYERS_LIMIT.bytes(tmp_path, {}) == min(40 * 1000**3, disk // 5)
    with pytest.raises(UsageError, match="`VMFORGE_LAYERS_LIMIT`: `much` is not a size"):
        LAYERS_LIMIT.bytes(tmp_path, {"VMFORGE_LAYERS_LIMIT": "much"})
