"""Layers in bundles: carried whole or not at all, and read by nobody else."""

from __future__ import annotations

import hashlib
import os
from dataclasses import replace

import pytest

from tests.vmforge.bundles.conftest import read_all
from vmforge.bundles import Bundle, BundleError, Manifest
from vmforge.bundles.archive import END, MANIFEST, SIGNATURE, header, padding
from vmforge.bundles.manifest import BundledLayer, Member, ProjectFile
from vmforge.cache.layers import LayerStore, new_layer
from vmforge.sdk.cancellation import Cancellation

MEMORY = hashlib.shake_256(b"memory").digest(3 * 1024 * 1024)
DISK = b"a disk" * 500_000
DIGEST = hashlib.sha256(b"x").hexdigest()
SALT = "5a17" * 16


@pytest.fixture
def layered(workshop):
    """A bundle with two layers, of which the store here has kept the files."""
    store = LayerStore(workshop.here)
    parent, made = None, []
    for number, step in enumerate(("install", "provisioner 1 `shell`")):
        folder = store.begin()
        (folder.path / "disk-0.qcow2").write_bytes(DISK + bytes([number]))
        (folder.path / "memory").write_bytes(MEMORY)
        (folder.path / "values.json").write_text("{}")
        layer = new_layer(
            key=f"{number}", parent=parent, step=step, build="qemu.x", template="/t", disks=("disk-0.qcow2",)
        )
        parent = store.seal(store.commit(folder, layer), Cancellation())
        folder.close()
        key = hashlib.sha256(step.encode()).hexdigest()
        made.append(replace(parent, key=key, inputs={"the ISO": "1"}, salt=SALT, host={"QEMU": "7.2"}))
    ordinary = workshop.collection

    def collection():
        found = ordinary()
        for layer in made:
            found.add_layer(layer, workshop.project)
        return found

    workshop.collection = collection
    workshop.keys = [layer.key for layer in made]
    return workshop


def find(workshop, key):
    return LayerStore(workshop.there).find(key, lambda layer, damage: pytest.fail(damage))


def test_layers_are_found_where_they_are_taken_in(layered):
    done = layered.take_in(layered.write())
    assert [layer.step for layer in done.new_layers] == ["install", "provisioner 1 `shell`"]
    top = find(layered, layered.keys[1])
    assert top.template == str(layered.folder / "lab" / "project")
    (own,) = (one for one in LayerStore(layered.here).layers() if one.id == top.id)
    assert abs(top.created - own.created) < 0.01
    assert (top.salt, top.inputs, top.host) == (SALT, {"the ISO": "1"}, {"QEMU": "7.2"})
    with top.open_memory() as memory:
        assert memory.read() == MEMORY
    assert (top.folder / "disk-0.qcow2").read_bytes() == DISK + b"\x01"
    assert {path.stat().st_mode & 0o777 for path in top.folder.iterdir()} == {0o600}
    assert [part.key for part in LayerStore(layered.there).chain(top)] == layered.keys
    assert layered.take_in(layered.write("again.vmb"), "again").new_layers == ()


def test_disks_are_packed_and_memory_which_is_packed_is_not(layered):
    path = layered.write()
    names = [
        name.partition("/")[2].partition("/")[2] for name in read_all(path) if name.startswith("layers/")
    ]
    # what both have is there once
    assert sorted(names) == ["disk-0.qcow2.zst", "disk-0.qcow2.zst", "memory.zst", "values.json"]
    assert path.stat().st_size < len(MEMORY) + len(DISK) + 2_500_000


def test_nobody_else_may_read_it(layered):
    before = os.umask(0o022)
    try:
        assert layered.write().stat().st_mode & 0o777 == 0o600
    finally:
        os.umask(before)


def test_a_damaged_bundle_brings_no_layer(layered):
    path = layered.write()
    content = bytearray(path.read_bytes())
    content[-3000] ^= 1
    path.write_bytes(content)
    with pytest.raises(BundleError, match="is not what the manifest says"):
        layered.take_in(path)
    assert find(layered, layered.keys[0]) is None
    assert list(LayerStore(layered.there).root.iterdir()) == []


# -- the manifest ------------------------------------------------------------------------------


def layer(**changed):
    fields = {
        "id": "0" * 16,
        "key": DIGEST,
        "parent": "",
        "step": "install",
        "build": "qemu.x",
        "template": "a/b",
        "created": 1,
        "disks": ("disk-0.qcow2",),
        "inputs": {"the ISO": "1"},
        "host": {"QEMU": "7.2"},
        "files": {"disk-0.qcow2": DIGEST},
    }
    return BundledLayer(**(fields | changed))


def manifest(*layers, salt=SALT):
    members = (Member("layers/x", DIGEST, 1, False, 1, DIGEST),)
    return Manifest("1", members=members, layers=layers, layer_salt=salt)


def test_what_is_encoded_is_decoded():
    above = layer(id="1" * 16, parent="0" * 16, key="1" * 64, template=".")
    whole = manifest(layer(), above)
    assert Manifest.decode(whole.encode()) == whole


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        (manifest(layer(), salt=""), "do not agree"),
        (manifest(layer(), salt="short"), "do not agree"),
        (replace(manifest(), members=()), "do not agree"),
        (manifest(layer(id="../../etc")), "is not where it belongs"),
        (manifest(layer(parent="1" * 16)), "is not where it belongs"),
        (manifest(layer(parent="0" * 16)), "is not where it belongs"),
        (manifest(layer(), layer(key="1" * 64)), "is not where it belongs"),
        (manifest(layer(), layer(id="1" * 16)), "a layer is there twice"),
        (manifest(layer(key="key")), "has no key"),
        (manifest(layer(template="../x")), "is no path below a folder"),
        (manifest(layer(disks=())), "are no layer's"),
        (manifest(layer(disks=("disk-1",))), "are no layer's"),
        (manifest(layer(step="\x1b[2J")), "cannot be shown"),
        (manifest(layer(host={"QEMU": "\x1b[2J"})), "cannot be shown"),
    ],
)
def test_a_layer_that_contradicts_itself_is_refused(wrong, complaint):
    with pytest.raises(BundleError, match=complaint):
        Manifest.decode(wrong.encode())


@pytest.mark.parametrize(
    "name", ["../x", "a/b", "layer.json", "kept.json", ".hidden", "", "x.json.part", "a\n"]
)
def test_a_file_that_is_no_layers_is_refused(name):
    with pytest.raises(BundleError, match="are no layer's"):
        Manifest.decode(manifest(layer(files={"disk-0.qcow2": DIGEST, name: DIGEST})).encode())


# -- packed content ----------------------------------------------------------------------------


def repacked(workshop, packed, size=100):
    """A bundle whose one project file is packed as given, and claimed to be zeros of a size."""
    path = workshop.folder / "lying.vmb"
    digest, stored = hashlib.sha256(bytes(size)).hexdigest(), hashlib.sha256(packed).hexdigest()
    member = Member("project/x.zst", digest, size, True, len(packed), stored)
    text = Manifest("1", members=(member,), files=(ProjectFile("x", digest),)).encode()
    parts = [(MANIFEST, text), (SIGNATURE, b""), (member.name, packed)]
    path.write_bytes(b"".join(header(n, len(c)) + c + padding(len(c)) for n, c in parts) + END)
    return path


def test_packed_content_is_unpacked_piece_by_piece(workshop):
    import zstandard

    size = 5 * 1024 * 1024 + 3
    path = repacked(workshop, zstandard.compress(bytes(size)), size)
    with Bundle(path) as bundle:
        (pieces,) = ([len(piece) for piece in content.chunks()] for content in bundle.members())
    assert sum(pieces) == size
    assert max(pieces) <= 1024 * 1024


@pytest.mark.parametrize("what", ["more", "less", "behind", "nonsense", "much more"])
def test_packed_content_that_is_something_else_is_noticed(workshop, what):
    import zstandard

    packed = {
        "more": zstandard.compress(bytes(101)),
        "less": zstandard.compress(bytes(99)),
        "behind": zstandard.compress(bytes(100)) + bytes(3 * 1024 * 1024),
        "nonsense": b"nonsense" * 10,
        "much more": zstandard.compress(bytes(64 * 1024 * 1024)),
    }[what]
    path = repacked(workshop, packed)
    with Bundle(path) as bundle, pytest.raises(BundleError, match="is not what the manifest says"):
        for content in bundle.members():
            list(content.chunks())
