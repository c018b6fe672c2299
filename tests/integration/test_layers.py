"""Live layers on real machines: what is not run again, what is noticed, what survives a kill."""

from __future__ import annotations

import json
import random
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.integration.conftest import Finished, Traces, Vmforge

pytestmark = pytest.mark.machine

TEMPLATE = Path(__file__).parent / "layers.pkr.hcl"

STEPS = ["install", *(f"provisioner {n} `{kind}` `{name}`" for n, (kind, name) in enumerate(
    (("shell", "one"), ("shell", "two"), ("file", "three"), ("shell", "four")), start=1))]  # fmt: skip


@pytest.fixture
def layered(vmforge: Vmforge, guest_iso: Path) -> Vmforge:
    """A folder with the template of four provisioners, and an empty cache."""
    shutil.copy(TEMPLATE, vmforge.folder)
    payload = vmforge.folder / "payload"
    payload.mkdir()
    (payload / "greeting").write_text("hello\n")
    vmforge.environment["PKR_VAR_iso"] = str(guest_iso)
    return vmforge


@pytest.fixture(scope="session")
def built_cache(lasting: Path) -> Path:
    """The cache that the tests share which begin from the layers of a whole build."""
    return Path(tempfile.mkdtemp(prefix="l-", dir=lasting))


@pytest.fixture
def built(layered: Vmforge, built_cache: Path) -> Vmforge:
    """The same, with the layers of the template as it is."""
    layered.use_cache(built_cache)
    if kept(layered) != STEPS:
        succeed(layered)
        shutil.rmtree(layered.folder / "output-tiny")
    return layered


def build(vmforge: Vmforge, *arguments: str) -> Finished:
    return vmforge.run("build", "-force", *arguments, "layers.pkr.hcl")


def succeed(vmforge: Vmforge, *arguments: str) -> str:
    """Build, and return what was said."""
    ended = build(vmforge, *arguments)
    assert ended.status == 0, ended.out + ended.err
    return ended.out


def kept(vmforge: Vmforge, *arguments: str) -> list[str]:
    """The steps that layers stand for, as `-explain` tells."""
    lines = succeed(vmforge, "-explain", *arguments).splitlines()
    return [match[1] for line in lines if (match := re.match(r"  (\S.*?) +kept", line))]


def ran(output: str) -> list[str]:
    """What ran in a build, by what it says."""
    said = {
        "installer fetched": "install",
        "ran-one": "one",
        "ran-two": "two",
        "uploading `payload`": "three",
        "ran-four": "four",
    }
    return [step for line in output.splitlines() for text, step in said.items() if text in line]


def test_only_what_follows_a_change_runs(layered: Vmforge) -> None:
    assert ran(succeed(layered)) == ["install", "one", "two", "three", "four"]
    assert kept(layered) == STEPS

    changed = ("-var", "last=echo ran-four; sudo kill -0 $(cat /tmp/lasting) && echo it-goes-on")
    again = succeed(layered, *changed)
    assert ran(again) == ["four"]
    assert (
        "going on after provisioner 3 `file` `three` (provisioner 4 `shell` `four`: inline changed)" in again
    )
    assert "it-goes-on" in again, "the guest was not the same one any more"
    assert "Typing" not in again

    (layered.folder / "payload/greeting").write_text("good bye\n")
    again = succeed(layered)
    assert ran(again) == ["three", "four"]
    assert "payload/greeting changed" in again
    assert ran(succeed(layered)) == [], "everything is kept"


def test_a_failed_build_goes_on_where_it_failed(built: Vmforge) -> None:
    failed = build(built, "-var", "last=echo ran-four; cat /tmp/payload/greeting; exit 3")
    assert failed.status == 1
    assert ran(failed.out) == ["four"]
    assert "hello" in failed.out
    assert ran(succeed(built, "-resume", "-var", "last=echo ran-four; echo repaired")) == ["four"]


def test_until_and_from_layer(built: Vmforge) -> None:
    out = succeed(built, "-from-layer=one", "-until=two")
    assert ran(out) == ["two"]
    assert "stopped after provisioner 2 `shell` `two`" in out
    assert not (built.folder / "output-tiny").exists()
    assert ran(succeed(built, "-from-layer=2")) == ["three", "four"]


def test_without_layers(built: Vmforge) -> None:
    before = sorted(built.cache.glob("layers/*"))
    out = succeed(built, "-layers=off")
    assert ran(out) == ["install", "one", "two", "three", "four"]
    assert sorted(built.cache.glob("layers/*")) == before


def test_every_disk_belongs_to_the_layer(built: Vmforge) -> None:
    out = succeed(built, "-var", "last=echo ran-four; sudo head -c 14 /dev/vdb")
    assert ran(out) == ["four"]
    assert "written-by-two" in out
    second = raw_copy(built.folder / "output-tiny/packer-tiny-1", built.folder)
    assert second.read_bytes().startswith(b"written-by-two")


def test_a_restored_guest_reboots(built: Vmforge) -> None:
    template = built.folder / TEMPLATE.name
    template.write_text(template.read_text().rstrip().removesuffix("}") + _REBOOTS)
    out = succeed(built)
    assert ran(out) == []
    lines = [line.removeprefix("    qemu.tiny: ") for line in out.splitlines()]
    assert {"one", "four"} <= set(lines)


_REBOOTS = """
  provisioner "shell" {
    inline            = ["sudo reboot"]
    expect_disconnect = true
  }

  provisioner "shell" {
    pause_before = "1s"
    inline       = ["! ps | grep -q '[s]leep 600'", "cat /made/one /made/four"]
  }
}
"""


def test_four_variants_are_installed_once(layered: Vmforge) -> None:
    names = ["a", "b", "c", "d"]
    out = succeed(layered, "-var", f"names={json.dumps(names)}")
    once = ["install", "one", "two", "three"]
    assert [step for step in ran(out) if step != "four"] == once
    for name in names:
        assert f"    qemu.{name}: build-of-{name}\n" in out
        assert (layered.folder / f"output-{name}/packer-tiny").exists()


@pytest.mark.parametrize("file", ["disk-0.qcow2", "memory.zst"])
def test_damage_is_noticed(built: Vmforge, file: str) -> None:
    layers = [
        json.loads(path.read_text()) | {"folder": path.parent}
        for path in built.cache.glob("layers/*/layer.json")
    ]
    one = max((layer for layer in layers if layer["step"] == STEPS[2]), key=lambda layer: layer["created"])
    with (one["folder"] / file).open("r+b") as damaged:
        damaged.seek(one["sizes"][file] // 2)
        byte = damaged.read(1)[0]
        damaged.seek(-1, 1)
        damaged.write(bytes([byte ^ 1]))
    out = succeed(built)
    assert ran(out) == ["two", "three", "four"]
    assert f"the layer after {STEPS[2]} is damaged (`{file}` is not what was written)" in out
    assert kept(built) == STEPS


# -- the same image ----------------------------------------------------------------------------

# What differs between any two installations from one template, and why.
DIFFERS = {
    "/boot/extlinux.conf": "the file system's UUID is made at random",
    "/etc/fstab": "so it is here",
    "/etc/shadow": "the password's salt is made at random",
    "/etc/dropbear/.*": "the SSH host keys are made at random",
    "/dev/urandom": "what the key's maker saw as entropy while the system was installed",
    "/tmp/lasting": "the number of a process, which depends on how many there were before it",
    r"/lost\+found": "not read without root",
}


def test_the_image_is_the_same(built: Vmforge) -> None:
    assert ran(succeed(built, "-from-layer=three")) == ["four"]
    resumed = tree(built.folder / "output-tiny/packer-tiny", built.folder)
    assert ran(succeed(built, "-layers=off")) == ["install", "one", "two", "three", "four"]
    clean = tree(built.folder / "output-tiny/packer-tiny", built.folder)
    differing = {path for path in clean.keys() | resumed.keys() if clean.get(path) != resumed.get(path)}
    unexplained = {path for path in differing if not any(re.fullmatch(pattern, path) for pattern in DIFFERS)}
    assert unexplained == set()
    assert clean["/made/four"].content == resumed["/made/four"].content == b"four\n"


@dataclass(frozen=True)
class Entry:
    """A file of an image: what it is, who may use it, and what is in it or where it leads."""

    mode: str
    owner: str
    content: bytes


def raw_copy(image: Path, folder: Path) -> Path:
    target = folder / "image.raw"
    subprocess.run(["qemu-img", "convert", "-O", "raw", image, target], check=True)
    return target


def tree(image: Path, folder: Path) -> Mapping[str, Entry]:
    """Every file in the first partition of an image, read without mounting it."""
    raw = raw_copy(image, folder)
    partition = folder / "partition.raw"
    with raw.open("rb") as disk:
        disk.seek(446 + 8)
        disk.seek(int.from_bytes(disk.read(4), "little") * 512)
        with partition.open("wb") as file:
            shutil.copyfileobj(disk, file)
    dump = Path(tempfile.mkdtemp(dir=folder))
    subprocess.run(["debugfs", "-R", f"rdump / {dump}", partition], check=True, capture_output=True)
    found = {}
    for path, (mode, owner) in _listed(partition, "/"):
        local = dump / path.lstrip("/")
        link = local.is_symlink()
        content = str(local.readlink()).encode() if link else local.read_bytes() if local.is_file() else b""
        found[path] = Entry(mode, owner, content)
    return found


def _listed(partition: Path, folder: str) -> Iterator[tuple[str, tuple[str, str]]]:
    """Path, mode and owner of everything below a folder."""
    command = ["debugfs", "-R", f'ls -p "{folder}"', partition]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    for line in done.stdout.splitlines():
        _, inode, mode, user, group, name, *_ = (*line.split("/"), "", "", "", "", "")
        if not mode or name in (".", "..") or inode == "0":
            continue
        path = f"{folder.rstrip('/')}/{name}"
        yield path, (mode, f"{user}:{group}")
        if mode.startswith("04"):
            yield from _listed(partition, path)


# -- kill -9 -----------------------------------------------------------------------------------


@dataclass
class Killed:
    """Builds that are killed at random moments, and what they had kept."""

    vmforge: Vmforge
    chance: random.Random

    def die_somewhere(self) -> set[str]:
        """Start a build, kill it a random time after a random number of lines, and return the steps after
        which it had kept a layer."""
        running = self.vmforge.start("build", "-force", "layers.pkr.hcl")
        lines = self.chance.randint(2, 22)
        running.wait_until(lambda: len(running.lines) >= lines)
        running.wait_until(lambda: False, limit=self.chance.uniform(0, 1.5))
        running.kill()
        return finished_steps(running.finish().out)


def finished_steps(output: str) -> set[str]:
    """The steps that a build said it had kept."""
    names = {
        "install": "install",
        "ran-one": "one",
        "ran-two": "two",
        "uploading": "three",
        "ran-four": "four",
    }
    current, done = "install", set()
    for line in output.splitlines():
        current = next((step for text, step in names.items() if text in line), current)
        if "kept as a layer" in line:
            done.add(current)
    return done


def test_killed_at_random_moments(layered: Vmforge) -> None:
    kill_often(layered, times=3, seed=5)


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_killed_thirty_times(layered: Vmforge) -> None:
    kill_often(layered, times=30, seed=30)


def kill_often(vmforge: Vmforge, *, times: int, seed: int) -> None:
    """Kill a build at random moments; each time the next one succeeds, repeats nothing, leaves nothing."""
    traces = Traces.of(vmforge)
    killed = Killed(vmforge, random.Random(seed))
    for number in range(times):
        shutil.rmtree(vmforge.cache / "layers", ignore_errors=True)
        done = killed.die_somewhere()
        out = succeed(vmforge)
        print(f"{number}: killed when {sorted(done)} were kept; then ran {ran(out)}")
        repeated = done & set(ran(out))
        assert not repeated, f"{number}: {repeated} had been kept, but ran again"
        image = vmforge.folder / "output-tiny/packer-tiny"
        subprocess.run(["qemu-img", "check", "-q", image], check=True)
        left = [path for path in traces.left() if "/output-tiny" not in path]
        assert left == [], f"{number}: {left}"
    assert tree(image, vmforge.folder)["/made/four"].content == b"four\n"
