"""`vmforge cache`: a store with two builds on one installation, and an ISO."""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from vmforge.cache import Store
from vmforge.cache.layers import Layer, LayerStore, new_layer
from vmforge.package_cache import PackageShelf
from vmforge.sdk.cancellation import Cancellation

SECRET = "the guest's private key"
LAYER_SIZE = 1_000_000


@dataclass
class Cache:
    store: Store
    layers: LayerStore
    install: Layer
    one: Layer
    two: Layer
    iso: Path


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cache:
    monkeypatch.setenv("VMFORGE_CACHE_DIR", str(tmp_path))
    monkeypatch.delenv("VMFORGE_LAYERS_LIMIT", raising=False)
    monkeypatch.delenv("VMFORGE_PACKAGES_LIMIT", raising=False)
    store = Store(tmp_path)
    layers = LayerStore(store)
    install = make(layers, "install", "qemu.one", None)
    one = make(layers, "provisioner 1 `shell`", "qemu.one", install)
    two = make(layers, "provisioner 1 `shell`", "qemu.two", install)
    for age, layer in enumerate((install, one, two)):
        os.utime(layer.folder / "layer.json", (1000 + age, 1000 + age))
    staged = store.staged("x")
    staged.write_bytes(b"iso")
    digest = hashlib.sha256(b"iso").hexdigest()
    iso = store.commit(staged, digest, "iso", origin="https://user:hidden@example.com/tiny.iso?token=hidden")
    return Cache(store, layers, install, one, two, iso)


def make(
    layers: LayerStore, step: str, build: str, parent: Layer | None, *, seal: bool = True, memory: bool = True
) -> Layer:
    folder = layers.begin()
    (folder.path / "disk-0.qcow2").write_bytes(os.urandom(LAYER_SIZE))
    if memory:
        (folder.path / "memory").write_bytes(b"memory")
    (folder.path / "values.json").write_text(json.dumps({"SSHPrivateKey": SECRET}))
    key = hashlib.sha256(f"{step} {build}".encode()).hexdigest()
    layer = new_layer(key=key, parent=parent, step=step, build=build, template="/t", disks=("disk-0.qcow2",))
    made = layers.commit(folder, replace(layer, inputs={"scripts/app.sh": "1234", "inline": "5678"}))
    if seal:
        layers.seal(made, Cancellation())
    folder.close()
    found = layers.read(made.id)
    assert found is not None
    return found


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[100 % len(content)] ^= 1
    path.write_bytes(content)


def keep_packages(store: Store) -> PackageShelf:
    """Three packages of 200 bytes, of two mirrors; the first was used longest ago."""
    shelf = PackageShelf(store)
    for number, host in enumerate(("deb.test", "deb.test", "rpm.test")):
        shelf.add(f"http://{host}/pool/p_{number}_all.deb", io.BytesIO(b"%d" % number * 200), {})
    return shelf


# ---- looking ----


def test_layers_are_listed_by_build_and_isos_after_them(vmforge: Callable[..., Any], cache: Cache) -> None:
    lines = vmforge("cache", "ls").out.splitlines()
    assert [line for line in lines if not line.startswith("  ")] == [
        "qemu.one in /t",
        "",
        "qemu.two in /t",
        "",
        "ISOs",
    ]
    below = f"{cache.install.id[:8]}"
    assert lines[2].split() == ["install", below, "0s", *lines[2].split()[3:-1], "-"]
    assert lines[3].split()[:3] == ["provisioner", "1", "`shell`"]
    assert lines[3].endswith(f"KiB  {below}")
    assert lines[-1].split()[0] == "https://example.com/tiny.iso"


def test_a_layer_in_use_is_said_to_be(vmforge: Callable[..., Any], cache: Cache) -> None:
    hold = cache.layers.hold(cache.install)
    assert hold is not None
    with hold:
        assert vmforge("cache", "ls").out.count("in use") == 1


def test_a_layer_of_disks_alone_and_one_that_is_not_sealed(vmforge: Callable[..., Any], cache: Cache) -> None:
    make(cache.layers, "provisioner 2 `file`", "qemu.one", cache.one, seal=False, memory=False)
    assert vmforge("cache", "ls").out.count("not sealed yet, disk only") == 1
    shown = vmforge("cache", "show", "file")
    assert shown.status == 0
    assert f"lies on   {cache.install.id[:8]} (install), {cache.one.id[:8]}" in shown.out


def test_the_list_for_programs(vmforge: Callable[..., Any], cache: Cache) -> None:
    listed = json.loads(vmforge("cache", "ls", "-json").out)
    assert [layer["id"] for layer in listed["layers"]] == [cache.install.id, cache.one.id, cache.two.id]
    assert listed["layers"][1]["parent"] == cache.install.id
    assert listed["isos"][0]["file"] == str(cache.iso)
    assert listed["isos"][0]["origin"] == "https://example.com/tiny.iso"


def test_packages_are_listed_by_mirror(vmforge: Callable[..., Any], cache: Cache) -> None:
    keep_packages(cache.store)
    lines = vmforge("cache", "ls").out.splitlines()
    assert [line.split() for line in lines[-4:]] == [
        ["packages"],
        ["FROM", "FILES", "USED", "SIZE"],
        ["deb.test", "2", "0s", "400", "B"],
        ["rpm.test", "1", "0s", "200", "B"],
    ]
    listed = json.loads(vmforge("cache", "ls", "-json").out)
    assert len(listed["isos"]) == 1
    assert {package["url"] for package in listed["packages"]} == {
        "http://deb.test/pool/p_0_all.deb",
        "http://deb.test/pool/p_1_all.deb",
        "http://rpm.test/pool/p_2_all.deb",
    }


def test_an_empty_cache(vmforge: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VMFORGE_CACHE_DIR", str(tmp_path / "new"))
    assert vmforge("cache", "ls").out == f"the cache `{tmp_path / 'new'}` is empty\n"
    assert vmforge("cache", "prune").out == "0 B freed\n"
    assert vmforge("cache", "verify").out == "0 layers and 0 ISOs read: nothing is damaged\n"


@pytest.mark.parametrize("name", ["id", "install", "step"])
def test_one_layer_is_shown_by_id_or_step(vmforge: Callable[..., Any], cache: Cache, name: str) -> None:
    wanted = {"id": cache.install.id[:5], "install": "install", "step": cache.install.id}[name]
    shown = vmforge("cache", "show", wanted)
    assert shown.status == 0
    assert f"layer     {cache.install.id}" in shown.out
    assert "lies on   nothing" in shown.out
    assert "scripts/app.sh  1234" in shown.out
    assert cache.install.files["memory.zst"] in shown.out


def test_a_manifest_for_programs_has_the_chain(vmforge: Callable[..., Any], cache: Cache) -> None:
    shown = json.loads(vmforge("cache", "show", cache.two.id[:8], "--json").out)
    assert shown["chain"] == [cache.install.id, cache.two.id]
    assert shown["inputs"] == {"scripts/app.sh": "1234", "inline": "5678"}
    assert shown["files"]["disk-0.qcow2"] == {
        "size": LAYER_SIZE,
        "sha256": cache.two.files["disk-0.qcow2"],
    }


@pytest.mark.parametrize(("wanted", "hint"), [("shell", "name one by its id: "), ("none", "cache ls")])
def test_a_name_that_means_no_layer_or_several(
    vmforge: Callable[..., Any], cache: Cache, wanted: str, hint: str
) -> None:
    shown = vmforge("cache", "show", wanted)
    assert shown.status == 1
    assert hint in shown.err


def test_the_guests_secrets_are_never_shown(vmforge: Callable[..., Any], cache: Cache) -> None:
    commands = (
        ["ls"],
        ["ls", "-json"],
        ["show", "install"],
        ["show", "install", "-json"],
        ["verify"],
        ["du"],
    )
    for command in commands:
        shown = vmforge("cache", *command)
        assert SECRET not in shown.text
        assert "hidden" not in shown.text


def test_how_much_of_the_disk_it_takes(
    vmforge: Callable[..., Any], cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VMFORGE_LAYERS_LIMIT", "10G")
    monkeypatch.setenv("VMFORGE_PACKAGES_LIMIT", "2G")
    keep_packages(cache.store)
    sums = json.loads(vmforge("cache", "du", "-json").out)
    sizes = {layer.id: layer.size for layer in cache.layers.layers()}
    assert sums == {
        "layers": sum(sizes.values()),
        "shared": sizes[cache.install.id],
        "limit": 10 * 1024**3,
        "isos": 3,
        "packages": 600,
        "packages_limit": 2 * 1024**3,
        "kept": 0,
    }
    assert "at most 10.0 GiB" in vmforge("cache", "du").out
    monkeypatch.setenv("VMFORGE_LAYERS_LIMIT", "much")
    assert vmforge("cache", "du").status == 2


# ---- deleting ----


def test_prune_keeps_to_the_limit(vmforge: Callable[..., Any], cache: Cache) -> None:
    assert vmforge("cache", "prune").out == "0 B freed\n"
    rehearsed = vmforge("cache", "prune", "--limit", "2500K", "--dry-run").out.splitlines()
    assert rehearsed[0].startswith(f"would delete {cache.one.id[:8]}")
    assert rehearsed[1].endswith("would be freed")
    assert len(cache.layers.layers()) == 3
    deleted = vmforge("cache", "prune", "--limit", "2500K").out.splitlines()
    assert deleted[0].startswith(f"deleted {cache.one.id[:8]}")
    assert len(deleted) == 2
    assert [layer.id for layer in cache.layers.layers()] == [cache.install.id, cache.two.id]


def test_prune_by_age(vmforge: Callable[..., Any], cache: Cache) -> None:
    os.utime(cache.two.folder / "layer.json")
    assert vmforge("cache", "prune", "--older-than", "7d").out.count("deleted") == 1
    assert vmforge("cache", "prune", "--older-than", "week").status == 2
    assert cache.layers.read(cache.one.id) is None


def test_prune_all_spares_what_is_in_use(vmforge: Callable[..., Any], cache: Cache) -> None:
    hold = cache.layers.hold(cache.two)
    assert hold is not None
    with hold:
        assert vmforge("cache", "prune", "--all").out.count("deleted") == 1
    assert vmforge("cache", "prune", "--all").out.count("deleted") == 2
    assert cache.layers.layers() == []
    assert cache.iso.exists()
    assert vmforge("cache", "prune", "--all", "--limit", "1G").status == 2


def test_disks_of_kept_machines_go_only_when_that_is_asked_for(
    vmforge: Callable[..., Any], cache: Cache
) -> None:
    folder = cache.layers.begin()
    folder.keep(cache.two)
    folder.close()
    assert "1 machine left to you" in vmforge("cache", "du").out
    vmforge("cache", "prune", "--all")
    assert folder.path.is_dir()
    assert "would delete the kept disks" in vmforge("cache", "prune", "--kept", "--dry-run").out
    vmforge("cache", "prune", "--all", "--kept")
    assert list(cache.layers.root.iterdir()) == []


def test_prune_deletes_packages_too(vmforge: Callable[..., Any], cache: Cache) -> None:
    shelf = keep_packages(cache.store)
    assert vmforge("cache", "prune").out == "0 B freed\n"
    rehearsed = vmforge("cache", "prune", "--packages", "500", "--dry-run").out
    assert rehearsed == "would delete 1 package  200 B\n200 B would be freed\n"
    assert vmforge("cache", "prune", "--packages", "500").out == "deleted 1 package  200 B\n200 B freed\n"
    assert [item.origin for item in shelf.objects()] == [
        "http://deb.test/pool/p_1_all.deb",
        "http://rpm.test/pool/p_2_all.deb",
    ]
    assert "deleted 2 packages" in vmforge("cache", "prune", "--all").out
    assert not shelf.objects() and cache.iso.exists()
    assert vmforge("cache", "prune", "--packages", "few").status == 2


# ---- checking ----


def test_verify_finds_damaged_packages(vmforge: Callable[..., Any], cache: Cache) -> None:
    shelf = keep_packages(cache.store)
    assert vmforge("cache", "verify").out == "3 layers, 1 ISO and 3 packages read: nothing is damaged\n"
    flip(shelf.objects()[1].path)
    damaged = vmforge("cache", "verify", "--delete")
    assert damaged.status == 1 and "(http://deb.test/pool/p_1_all.deb)" in damaged.out
    assert len(shelf.objects()) == 2


def test_verify_finds_damage_and_deletes_it_when_asked(vmforge: Callable[..., Any], cache: Cache) -> None:
    whole = vmforge("cache", "verify")
    assert (whole.status, whole.out) == (0, "3 layers and 1 ISO read: nothing is damaged\n")
    flip(cache.install.folder / "memory.zst")
    flip(cache.iso)
    damaged = vmforge("cache", "verify")
    assert damaged.status == 1
    first, second, sums = damaged.out.splitlines()
    assert first == (
        f"layer {cache.install.id[:8]} (qemu.one: install): `memory.zst` is not what was written"
    )
    assert second.startswith(f"ISO {cache.iso.name}")
    assert sums == "3 layers and 1 ISO read: 2 damaged"
    assert len(cache.layers.layers()) == 3
    assert vmforge("cache", "verify", "--delete").status == 1
    assert cache.layers.layers() == []
    assert not cache.iso.exists()
    assert vmforge("cache", "verify").status == 0
