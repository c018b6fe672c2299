"""Disk images by the real qemu-img."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from pathlib import Path

import pytest

from vmforge.errors import CommandFailed, HostError, Interrupted
from vmforge.hypervisor import disks
from vmforge.sdk import Cancellation, Size

FOREVER = Cancellation()


def random_image(path: Path, mebibytes: int) -> Path:
    path.write_bytes(os.urandom(mebibytes << 20))
    return path


def test_create_and_info(tmp_path: Path) -> None:
    base, layer = tmp_path / "base", tmp_path / "layer"
    disks.create(base, Size.parse("1G"), "qcow2", extra=["-o", "cluster_size=128k"], cancellation=FOREVER)
    disks.create(layer, None, "qcow2", backing=base, cancellation=FOREVER)
    found = disks.info(layer, FOREVER)
    assert (found.format, found.virtual_size, found.backing) == ("qcow2", Size.parse("1G"), base)
    assert found.backing_format == "qcow2"
    assert disks.info(base, FOREVER).actual_size < Size.parse("1M")


def test_resize(tmp_path: Path) -> None:
    image = tmp_path / "image"
    disks.create(image, Size.parse("1M"), "raw", cancellation=FOREVER)
    disks.resize(image, Size.parse("3M"), "raw", cancellation=FOREVER)
    assert disks.info(image, FOREVER).virtual_size == Size.parse("3M")
    with pytest.raises(CommandFailed, match="`qemu-img resize` failed"):
        disks.resize(image, Size.parse("1M"), "raw", cancellation=FOREVER)


def test_convert_flattens_and_tells_its_progress(tmp_path: Path) -> None:
    base, layer, flat = random_image(tmp_path / "base", 8), tmp_path / "layer", tmp_path / "flat"
    disks.create(layer, Size.parse("64M"), "qcow2", backing=base, backing_format="raw", cancellation=FOREVER)
    seen: list[float] = []
    disks.convert(layer, flat, "qcow2", compress=True, progress=seen.append, cancellation=FOREVER)
    found = disks.info(flat, FOREVER)
    assert (found.format, found.backing, found.virtual_size) == ("qcow2", None, Size.parse("64M"))
    assert seen == sorted(seen)
    assert seen[-1] == 100.0
    assert subprocess.run(["qemu-img", "compare", "-q", layer, flat], check=False).returncode == 0
    assert disks.check(flat, "qcow2", FOREVER) == disks.CheckResult(True, 0, 0)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["base", "flat", "layer"]


def test_an_image_converted_onto_itself(tmp_path: Path) -> None:
    image = random_image(tmp_path / "image", 1)
    content = image.read_bytes()
    disks.convert(image, image, "raw", source_format="raw", cancellation=FOREVER)
    assert image.read_bytes() == content


def test_check(tmp_path: Path) -> None:
    image = tmp_path / "image"
    disks.create(image, Size.parse("64M"), "qcow2", cancellation=FOREVER)
    assert not disks.check(random_image(tmp_path / "raw", 1), "raw", FOREVER).supported
    subprocess.run(["qemu-io", "-c", "write 0 4M", image], check=True, capture_output=True)
    data = bytearray(image.read_bytes())
    table = int.from_bytes(data[40:48], "big")  # the first entry of the L1 table
    entry = int.from_bytes(data[table : table + 8], "big")
    data[table : table + 8] = (entry + 0x10000000).to_bytes(8, "big")
    image.write_bytes(data)
    result = disks.check(image, "qcow2", FOREVER)
    assert result.supported
    assert result.errors > 0


def test_what_is_no_image(tmp_path: Path) -> None:
    with pytest.raises(CommandFailed, match=r"`qemu-img info` failed: Could not open .*: No such file"):
        disks.info(tmp_path / "missing", FOREVER)
    with pytest.raises(CommandFailed):
        disks.convert(tmp_path / "missing", tmp_path / "target", "raw", cancellation=FOREVER)
    assert list(tmp_path.iterdir()) == []


def test_cancelling_ends_qemu_img_and_leaves_nothing(tmp_path: Path) -> None:
    cancellation = Cancellation()
    image = random_image(tmp_path / "image", 64)
    threading.Timer(0.3, cancellation.cancel).start()
    with pytest.raises(Interrupted):
        disks.convert(image, tmp_path / "target", "raw", extra=["-r", "1M"], cancellation=cancellation)
    assert [path.name for path in tmp_path.iterdir()] == ["image"]


def test_a_progress_callback_that_fails_ends_qemu_img(tmp_path: Path) -> None:
    def stop(percent: float) -> None:
        raise RuntimeError("no more")

    image = random_image(tmp_path / "image", 4)
    with pytest.raises(RuntimeError, match="no more"):
        disks.convert(image, tmp_path / "target", "raw", progress=stop, cancellation=FOREVER)
    assert [path.name for path in tmp_path.iterdir()] == ["image"]


@pytest.mark.skipif(os.getuid() != 0, reason="mounting a small file system needs root")
def test_a_full_file_system_tells_what_is_free_and_what_is_needed(tmp_path: Path) -> None:
    small, image = tmp_path / "small", random_image(tmp_path / "image", 8)
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", small], check=True)
    try:
        with pytest.raises(HostError) as caught:
            disks.convert(image, small / "target", "qcow2", cancellation=FOREVER)
        assert list(small.iterdir()) == []
    finally:
        subprocess.run(["umount", small], check=True)
    assert f"no space left in `{small}` for `target`: 2.0 MiB free, up to 8." in caught.value.message
    assert "needed" in caught.value.message


def test_no_qemu_img(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda program: None)
    with pytest.raises(HostError, match="`qemu-img` is not installed") as caught:
        disks.info(tmp_path / "image", FOREVER)
    assert caught.value.hint == "`apt install qemu-utils`"


def test_paths_that_look_like_options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    disks.create(Path("-f"), Size.parse("1M"), "raw", cancellation=FOREVER)
    assert disks.info(Path("-f"), FOREVER).virtual_size == Size.parse("1M")
