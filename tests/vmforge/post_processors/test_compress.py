"""The `compress` post-processor: what it makes is read by the formats' own programs."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import tarfile
import zipfile
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from vmforge.errors import HostError, Interrupted, VmforgeError
from vmforge.images.blocks import BLOCK_SIZE
from vmforge.post_processors.compress import CompressPostProcessor
from vmforge.sdk import Cancellation, FileArtifact, PostProcessor, Processed
from vmforge.sdk.testing import RecordingUi, configure, fake_context


def mixed(size: int) -> bytes:
    """Text, noise and zeros, the same in every run."""
    noise = random.Random(size)
    third = size // 3
    text = b"".join(b"line %d of a text\n" % number for number in range(third // 15 + 1))[:third]
    return text + noise.randbytes(third) + bytes(size - 2 * third)


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    path = tmp_path / "disk.raw"
    path.write_bytes(mixed(3 * BLOCK_SIZE + 4321))
    return path


def process(folder: Path, files: list[Path], ui: RecordingUi | None = None, **options: Any) -> Processed:
    component = configure(CompressPostProcessor, options)
    assert isinstance(component, PostProcessor)
    artifact = FileArtifact("transcend.qemu", "VM", tuple(files), "a disk")
    return component.process(fake_context(folder, ui=ui), artifact)


def leftovers(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if path.name.endswith(".partial")]


@pytest.mark.parametrize(
    ("extension", "test", "unpack"),
    [
        ("gz", ["gzip", "-t"], ["gzip", "-dc"]),
        ("bgz", ["gzip", "-t", "-S", ".bgz"], ["gzip", "-dc", "-S", ".bgz"]),
        ("bz2", ["bzip2", "-t"], ["bzip2", "-dc"]),
        ("xz", ["xz", "-t"], ["xz", "-dc"]),
        ("zst", ["zstd", "-q", "-t"], ["zstd", "-q", "-dc"]),
        ("lz4", ["lz4", "-q", "-t"], ["lz4", "-q", "-dc"]),
    ],
)
def test_one_file_for_the_formats_own_programs(
    tmp_path: Path, disk: Path, extension: str, test: list[str], unpack: list[str]
) -> None:
    if shutil.which(test[0]) is None:
        pytest.skip(f"`{test[0]}` is not installed")
    target = tmp_path / f"out.{extension}"
    made = process(tmp_path, [disk], output=str(target))
    subprocess.run([*test, target], check=True)
    assert subprocess.run([*unpack, target], check=True, capture_output=True).stdout == disk.read_bytes()
    assert target.stat().st_size < disk.stat().st_size
    assert made.artifact is not None
    assert (made.artifact.files, made.artifact.builder_id) == ((target,), "packer.post-processor.compress")
    assert str(made.artifact) == f"compressed artifacts in: {target}"
    assert not made.keep_input and not made.must_keep
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize("name", ["out.tar", "out.tar.gz", "out.tgz", "out.tar.bz2", "out.tar.xz", "out"])
def test_tar(tmp_path: Path, disk: Path, name: str) -> None:
    other = tmp_path / "efivars.fd"
    other.write_bytes(b"vars")
    other.chmod(0o640)
    process(tmp_path, [disk, other], output=str(tmp_path / name))
    with tarfile.open(tmp_path / name) as archive:
        members = archive.getmembers()
        assert [(m.name, m.size, m.mtime) for m in members] == [
            ("disk.raw", disk.stat().st_size, 0),
            ("efivars.fd", 4, 0),
        ]
        assert members[1].mode == 0o640
        read = archive.extractfile("disk.raw")
        assert read is not None and read.read() == disk.read_bytes()
    subprocess.run(["tar", "-tf", tmp_path / name], check=True, capture_output=True)


def test_tar_keeps_folders_of_files_with_one_name(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "x").write_text(folder)
    process(tmp_path, [tmp_path / "a/x", tmp_path / "b/x"], output=str(tmp_path / "o.tar"))
    with tarfile.open(tmp_path / "o.tar") as archive:
        names = archive.getnames()
    assert [Path(name).parts[-2:] for name in names] == [("a", "x"), ("b", "x")]
    assert not any(name.startswith("/") for name in names)


def test_zip(tmp_path: Path, disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    process(tmp_path, [Path("disk.raw")], output="out.zip")
    with zipfile.ZipFile("out.zip") as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["disk.raw"]
        assert archive.read("disk.raw") == disk.read_bytes()


def test_the_default_name_is_a_gzipped_tar(
    tmp_path: Path, disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    made = process(tmp_path, [disk])
    assert made.artifact is not None
    assert made.artifact.files == (Path("packer_base_qemu"),)
    with tarfile.open("packer_base_qemu", "r:gz") as archive:
        assert archive.getnames() == ["disk.raw"]


def test_format_wins_over_the_extension(tmp_path: Path, disk: Path) -> None:
    process(tmp_path, [disk], output=str(tmp_path / "out.img"), format="zip")
    assert zipfile.is_zipfile(tmp_path / "out.img")


def test_levels(tmp_path: Path, disk: Path) -> None:
    sizes = []
    for level in (1, 9):
        process(tmp_path, [disk], output=str(tmp_path / "o.gz"), compression_level=level)
        sizes.append((tmp_path / "o.gz").stat().st_size)
    assert sizes[1] < sizes[0]


def test_several_files_need_an_archive(tmp_path: Path, disk: Path) -> None:
    with pytest.raises(VmforgeError, match=r"o\.gz` can hold one file, but the artifact has 2") as caught:
        process(tmp_path, [disk, disk], output=str(tmp_path / "o.gz"))
    assert "`.tar.gz`" in caught.value.hint


def test_an_artifact_without_files_is_passed_on(tmp_path: Path) -> None:
    ui = RecordingUi()
    processed = process(tmp_path, [], ui, output=str(tmp_path / "o.tar"))
    assert ui.texts("warn") == ["nothing is compressed: the artifact has no files here (a disk)"]
    assert str(processed.artifact) == "a disk" and processed.must_keep
    assert not (tmp_path / "o.tar").exists()


def test_the_artifacts_own_file_is_not_written(tmp_path: Path, disk: Path) -> None:
    with pytest.raises(VmforgeError, match="`output` is the artifact's own file"):
        process(tmp_path, [disk], output=str(disk), format="gz")
    assert disk.stat().st_size > BLOCK_SIZE


@pytest.mark.parametrize("name", ["o.gz", "o.tar", "o.zip"])
def test_a_file_that_is_gone(tmp_path: Path, name: str) -> None:
    with pytest.raises(VmforgeError, match=r"the artifact's file `.*gone` cannot be read: No such file"):
        process(tmp_path, [tmp_path / "gone"], output=str(tmp_path / name))
    assert list(tmp_path.iterdir()) == []


def test_cancellation_leaves_nothing(tmp_path: Path, disk: Path) -> None:
    component = configure(CompressPostProcessor, {"output": str(tmp_path / "o.gz")})
    assert isinstance(component, PostProcessor)
    cancellation = Cancellation()
    cancellation.cancel()
    artifact = FileArtifact("x", "VM", (disk,), "a disk")
    with pytest.raises(Interrupted):
        component.process(fake_context(tmp_path, cancellation=cancellation), artifact)
    assert list(tmp_path.iterdir()) == [disk]


@pytest.mark.parametrize("name", ["o.gz", "o.tar", "o.zip", "o.xz", "o.tar.zst"])
def test_a_full_disk_leaves_the_old_file(
    tmp_path: Path, disk: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """/dev/full stands in for the staged file: writing to it fails as on a full disk."""
    target = tmp_path / name
    target.write_text("old")
    real = os.fdopen

    def full(descriptor: int, mode: str) -> BinaryIO:
        with Path("/dev/full").open("wb", buffering=0) as device:
            os.dup2(device.fileno(), descriptor)
        return real(descriptor, mode)  # type: ignore[return-value]  # of this mode

    monkeypatch.setattr("vmforge.images.staging.os.fdopen", full)
    with pytest.raises(HostError, match="no space left in") as caught:
        process(tmp_path, [disk], output=str(target))
    assert caught.value.hint == "free some space there and run the post-processor `compress` again"
    assert target.read_text() == "old"
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"output": ""}, "`output` is empty"),
        ({"output": "{{ .BuildNam }}"}, "did you mean `.BuildName`?"),
        ({"format": "tar.gzz"}, "`tar.gzz` is not a format"),
        ({"compression_level": 10}, "`compression_level` is 10, so 9 is used"),
        ({"compression_level": 0}, "`compression_level` is 0, so 6 is used"),
        ({"compression_level": "high"}, "expected a whole number"),
    ],
)
def test_wrong_options(options: dict[str, Any], expected: str) -> None:
    with pytest.raises(ValueError) as caught:
        configure(CompressPostProcessor, options)
    assert expected in str(caught.value)


def test_progress_and_sizes_are_shown(tmp_path: Path, disk: Path) -> None:
    ui = RecordingUi()
    target = tmp_path / "o.gz"
    process(tmp_path, [disk], ui, output=str(target))
    assert ui.texts("progress") == [f"Compressing to {target}"]
    assert ui.texts("message")[0].startswith(f"`{target}`: 3.0 MiB became ")
