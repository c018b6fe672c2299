"""Disks made, copied, resized and flattened by the real qemu-img."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from vmforge.builders.qemu.config import QemuConfig
from vmforge.builders.qemu.disks import Disks
from vmforge.errors import CommandFailed, HostError, Interrupted, VmforgeError
from vmforge.sdk import BuildContext
from vmforge.sdk.testing import RecordingUi

MakeConfig = Callable[..., QemuConfig]
Plan = Callable[..., Disks]

MIB = 1024**2
# one written block, known by its contents, and nothing else
PATTERN = bytes(range(256)) * 256


@pytest.fixture
def plan(qemu: MakeConfig, context: BuildContext, tmp_path: Path) -> Plan:
    folder = tmp_path / "output"
    folder.mkdir()
    return lambda **options: Disks.planned(qemu(**options), context, Path("medium"), folder, "base")


@pytest.fixture
def image(tmp_path: Path) -> Callable[..., Path]:
    """A disk image of 8 MiB with the pattern at its beginning."""

    def make(format: str = "qcow2", *arguments: str) -> Path:
        raw, path = tmp_path / "pattern.raw", tmp_path / f"image.{format}"
        raw.write_bytes(PATTERN)
        os.truncate(raw, 8 * MIB)
        convert = ["qemu-img", "convert", "-q", "-f", "raw", "-O", format, *arguments, raw, path]
        subprocess.run(convert, check=True)
        return path

    return make


def create(disks: Disks, medium: Path) -> None:
    disks.medium = medium
    disks.create()


def info(path: Path) -> dict[str, Any]:
    shown = subprocess.run(
        ["qemu-img", "info", "--output=json", path], check=True, capture_output=True, text=True
    )
    found: dict[str, Any] = json.loads(shown.stdout)
    return found


def content(path: Path, tmp_path: Path) -> bytes:
    """The first bytes that a guest reads from a disk."""
    raw = tmp_path / "content.raw"
    subprocess.run(["qemu-img", "convert", "-q", "-O", "raw", path, raw], check=True)
    with raw.open("rb") as file:
        return file.read(len(PATTERN))


def write(path: Path, format: str, pattern: int, length: str) -> None:
    command = ["qemu-io", "-f", format, "-c", f"write -q -P {pattern} 1M {length}", path]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


# -- new disks --------------------------------------------------------------------------------------


@pytest.mark.parametrize("format", ["qcow2", "raw"])
def test_new_disks(format: str, plan: Plan, tmp_path: Path) -> None:
    disks = plan(format=format, disk_size="64M", disk_additional_size=["32", "1G"])
    create(disks, tmp_path / "installer.iso")
    assert [path.name for path in disks.paths] == ["base", "base-1", "base-2"]
    sizes = [info(path)["virtual-size"] for path in disks.paths]
    assert sizes == [64 * MIB, 32 * MIB, 1024 * MIB]
    assert {info(path)["format"] for path in disks.paths} == {format}


def test_arguments_for_create(plan: Plan, tmp_path: Path) -> None:
    disks = plan(disk_size="64M", qemu_img_args={"create": ["-o", "cluster_size=2M"]})
    create(disks, tmp_path / "installer.iso")
    assert info(disks.paths[0])["cluster-size"] == 2 * MIB


def test_arguments_that_qemu_img_does_not_know(plan: Plan, tmp_path: Path) -> None:
    with pytest.raises(CommandFailed, match="no_such_option"):
        create(plan(qemu_img_args={"create": ["-o", "no_such_option=1"]}), tmp_path)


# -- from an image ----------------------------------------------------------------------------------


def test_a_qcow2_image_is_copied_as_it_is(plan: Plan, image: Any, tmp_path: Path) -> None:
    medium = image("qcow2", "-c")
    disks = plan(disk_image=True, skip_resize_disk=True)
    create(disks, medium)
    assert disks.paths[0].read_bytes() == medium.read_bytes()


@pytest.mark.parametrize(("source", "target"), [("raw", "qcow2"), ("qcow2", "raw"), ("raw", "raw")])
def test_an_image_is_converted(source: str, target: str, plan: Plan, image: Any, tmp_path: Path) -> None:
    disks = plan(disk_image=True, skip_resize_disk=True, format=target)
    create(disks, image(source))
    found = info(disks.paths[0])
    assert (found["format"], found["virtual-size"]) == (target, 8 * MIB)
    assert found["actual-size"] < 2 * MIB
    assert content(disks.paths[0], tmp_path) == PATTERN


def test_an_image_with_a_backing_file_is_made_whole(plan: Plan, image: Any, tmp_path: Path) -> None:
    overlay = tmp_path / "overlay.qcow2"
    make = ["qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", image(), overlay]
    subprocess.run(make, check=True)
    disks = plan(disk_image=True, skip_resize_disk=True)
    create(disks, overlay)
    assert "backing-filename" not in info(disks.paths[0])
    assert content(disks.paths[0], tmp_path) == PATTERN


def test_arguments_for_convert(plan: Plan, image: Any) -> None:
    arguments = {"convert": ["-o", "cluster_size=2M"]}
    disks = plan(disk_image=True, skip_resize_disk=True, qemu_img_args=arguments)
    create(disks, image())
    assert info(disks.paths[0])["cluster-size"] == 2 * MIB


@pytest.mark.parametrize("format", ["qcow2", "raw"])
def test_an_image_grows_to_disk_size(format: str, plan: Plan, image: Any, tmp_path: Path) -> None:
    arguments = {"resize": ["--preallocation=off"]}
    disks = plan(disk_image=True, disk_size="32M", format=format, qemu_img_args=arguments)
    create(disks, image())
    assert info(disks.paths[0])["virtual-size"] == 32 * MIB
    assert content(disks.paths[0], tmp_path) == PATTERN


def test_arguments_for_resize_reach_qemu_img(plan: Plan, image: Any) -> None:
    disks = plan(disk_image=True, disk_size="32M", qemu_img_args={"resize": ["--no-such-switch"]})
    with pytest.raises(CommandFailed, match="resize"):
        create(disks, image())


def test_an_image_that_is_larger_than_disk_size(plan: Plan, image: Any) -> None:
    disks = plan(disk_image=True, disk_size="4M")
    with pytest.raises(VmforgeError) as caught:
        create(disks, image())
    assert caught.value.message == "the image is larger (8.0 MiB) than `disk_size` (4.0 MiB)"
    assert caught.value.hint == "set `disk_size` to at least `8388608b`, or `skip_resize_disk = true`"
    assert not disks.paths[0].exists()


def test_a_backing_file(plan: Plan, image: Any, context: BuildContext, tmp_path: Path) -> None:
    medium = image()
    disks = plan(
        disk_image=True,
        use_backing_file=True,
        disk_size="16M",
        qemu_img_args={"create": ["-o", "cluster_size=128k"]},
    )
    create(disks, medium)
    disks.finish()
    found = info(disks.paths[0])
    assert (found["backing-filename"], found["virtual-size"]) == (str(medium), 16 * MIB)
    assert found["cluster-size"] == 128 * 1024
    assert content(disks.paths[0], tmp_path) == PATTERN
    ui = context.ui
    assert isinstance(ui, RecordingUi)
    assert ui.texts("message") == [f"the disk needs `{medium}` for as long as it is used"]


def test_copying_ends_when_the_build_is_told_to(plan: Plan, image: Any, context: BuildContext) -> None:
    class Stopping(RecordingUi):
        def progress(self, title: str, total: int | None, *, unit: str = "B") -> Any:
            context.cancellation.cancel()
            return super().progress(title, total, unit=unit)

    disks = replace(plan(disk_image=True), context=replace(context, ui=Stopping()))
    with pytest.raises(Interrupted):
        create(disks, image())


def test_an_image_that_cannot_be_copied(plan: Plan, image: Any) -> None:
    disks, medium = plan(disk_image=True), image()
    disks.paths[0].mkdir()
    with pytest.raises(HostError, match=rf"cannot copy `{medium}` to `{disks.paths[0]}`: File exists"):
        create(disks, medium)


# -- the finished disk ------------------------------------------------------------------------------


def used(plan: Plan, tmp_path: Path, **options: Any) -> Disks:
    """Disks on which a guest wrote 8 MiB, and zeros over it."""
    disks = plan(disk_size="64M", **options)
    create(disks, tmp_path)
    for pattern in (7, 0):
        write(disks.paths[0], str(disks.config.format), pattern, "8M")
    return disks


def test_the_disk_is_flattened(plan: Plan, context: BuildContext, tmp_path: Path) -> None:
    disks = used(plan, tmp_path, disk_additional_size=["1M"])
    disks.finish()
    assert info(disks.paths[0])["actual-size"] < MIB
    assert isinstance(context.ui, RecordingUi)
    (message,) = context.ui.texts("message")
    assert " became " in message
    assert sorted(path.name for path in disks.paths[0].parent.iterdir()) == ["base", "base-1"]


def test_disk_compression(plan: Plan, tmp_path: Path) -> None:
    sizes = []
    for options in ({}, {"disk_compression": True}, {"disk_compression": True, "skip_compaction": True}):
        disks = plan(disk_size="64M", **options)
        create(disks, tmp_path)
        write(disks.paths[0], "qcow2", 7, "8M")
        disks.finish()
        sizes.append(info(disks.paths[0])["actual-size"])
        disks.paths[0].unlink()
    plain, compressed, although_skipped = sizes
    assert compressed * 10 < plain
    assert although_skipped == compressed


@pytest.mark.parametrize("options", [{"skip_compaction": True}, {"format": "raw"}])
def test_what_is_not_flattened_is_left_as_it_is(options: Any, plan: Plan, tmp_path: Path) -> None:
    disks = used(plan, tmp_path, **options)
    node = disks.paths[0].stat().st_ino
    disks.finish()
    assert disks.paths[0].stat().st_ino == node


def test_a_damaged_disk_is_found(plan: Plan, tmp_path: Path) -> None:
    disks = used(plan, tmp_path, skip_compaction=True)
    with disks.paths[0].open("r+b") as file:
        file.seek(0x10000)  # the table of reference counts
        file.write(b"\xff" * 512)
    with pytest.raises(VmforgeError, match=r"the finished disk `.*/base` has \d+ errors|`qemu-img check`"):
        disks.finish()


# -- layers ------------------------------------------------------------------------------------------


def test_disks_in_layers_are_flattened_into_their_places(
    plan: Plan, context: BuildContext, tmp_path: Path
) -> None:
    disks = plan(disk_size="64M", disk_additional_size=["1M"], format="raw", skip_compaction=True)
    folders = [tmp_path / name for name in ("first", "second")]
    for folder in folders:
        folder.mkdir()
    disks.work_in(folders[0])
    disks.create()
    assert disks.format == "qcow2"
    assert [path.name for path in disks.in_use] == ["disk-0.qcow2", "disk-1.qcow2"]
    write(disks.in_use[0], "qcow2", 1, "64k")
    frozen = disks.in_use
    disks.in_use = disks.lay_over(frozen, folders[1])
    write(disks.in_use[0], "qcow2", 2, "1k")
    disks.finish()
    assert [info(path)["format"] for path in disks.paths] == ["raw", "raw"]
    data = disks.paths[0].read_bytes()
    assert data[MIB : MIB + 64 * 1024] == b"\2" * 1024 + b"\1" * 63 * 1024
    assert len(data) == 64 * MIB
    assert isinstance(context.ui, RecordingUi)
    assert context.ui.texts("message") == []


def test_layers_can_be_moved_together(plan: Plan, tmp_path: Path) -> None:
    disks, store = plan(disk_size="64M"), tmp_path / "store"
    (store / "first").mkdir(parents=True)
    (store / "second").mkdir()
    disks.work_in(store / "first")
    disks.create()
    write(disks.in_use[0], "qcow2", 1, "64k")
    overlay = disks.lay_over(disks.in_use, store / "second")[0]
    store.rename(tmp_path / "moved")
    moved = tmp_path / "moved/second" / overlay.name
    assert info(moved)["full-backing-filename"] == str(tmp_path / "moved/second/../first/disk-0.qcow2")


def test_with_a_backing_file_only_the_difference_is_left(plan: Plan, image: Any, tmp_path: Path) -> None:
    medium = image()
    disks = plan(disk_image=True, use_backing_file=True, disk_size="16M")
    (tmp_path / "layer").mkdir()
    disks.work_in(tmp_path / "layer")
    create(disks, medium)
    write(disks.in_use[0], "qcow2", 9, "64k")
    disks.finish()
    found = info(disks.paths[0])
    assert (found["backing-filename"], found["virtual-size"]) == (str(medium), 16 * MIB)
    assert found["actual-size"] < MIB
    assert content(disks.paths[0], tmp_path) == PATTERN


def test_with_a_backing_file_no_layer_is_left_out(plan: Plan, image: Any, tmp_path: Path) -> None:
    medium = image()
    disks = plan(disk_image=True, use_backing_file=True, disk_size="16M")
    (tmp_path / "first").mkdir()
    disks.work_in(tmp_path / "first")
    create(disks, medium)
    for number, name in enumerate(("second", "third"), start=1):
        write(disks.in_use[0], "qcow2", number, f"{4 - number}M")  # each covers part of the one before
        (tmp_path / name).mkdir()
        disks.in_use = disks.lay_over(disks.in_use, tmp_path / name)
    write(disks.in_use[0], "qcow2", 3, "1M")
    seen = whole(disks.in_use[0], tmp_path)
    disks.finish()
    assert info(disks.paths[0])["backing-filename"] == str(medium)
    assert whole(disks.paths[0], tmp_path) == seen
    assert [path.name for path in disks.paths[0].parent.iterdir()] == [disks.paths[0].name]


def whole(path: Path, folder: Path) -> bytes:
    """All that a guest sees on a disk."""
    raw = folder / "whole.raw"
    subprocess.run(["qemu-img", "convert", "-O", "raw", path, raw], check=True)
    return raw.read_bytes()
