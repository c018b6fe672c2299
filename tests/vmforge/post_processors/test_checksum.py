"""The `checksum` post-processor; its lines are those that Packer 1.6.6 wrote for the same file."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from vmforge.errors import HostError, Interrupted, VmforgeError
from vmforge.post_processors.checksum import ChecksumPostProcessor, append
from vmforge.sdk import Cancellation, FileArtifact, PostProcessor, Processed
from vmforge.sdk.testing import configure, fake_context


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.txt").write_bytes("hello <&> é".encode())
    return tmp_path


def process(folder: Path, *files: str, **options: Any) -> Processed:
    component = configure(ChecksumPostProcessor, options)
    assert isinstance(component, PostProcessor)
    artifact = FileArtifact("x", "VM", tuple(map(Path, files)), "files")
    return component.process(fake_context(folder), artifact)


def test_lines_and_names(here: Path) -> None:
    made = process(here, "out/a.txt", checksum_types=["md5", "sha256"])
    assert (here / "packer_base_qemu_md5.checksum").read_text() == "d25a91ca4a851e256205acc5494788a1\ta.txt\n"
    assert (here / "packer_base_qemu_sha256.checksum").read_text() == (
        "31e271eb066da01130f68612922a99d34a953665fddaa05801e4ec11685a00c7\ta.txt\n"
    )
    assert made.artifact is not None
    assert list(map(str, made.artifact.files)) == [
        "out/a.txt",
        "packer_base_qemu_md5.checksum",
        "packer_base_qemu_sha256.checksum",
    ]
    assert str(made.artifact).startswith("Created artifact from files: out/a.txt, packer_base_qemu_md5")
    assert made.artifact.builder_id == "packer.post-processor.checksum"
    assert made.keep_input and made.must_keep


def test_md5_is_the_default(here: Path) -> None:
    process(here, "out/a.txt")
    assert [path.name for path in here.glob("*.checksum")] == ["packer_base_qemu_md5.checksum"]


@pytest.mark.parametrize(
    ("kind", "length"),
    [("md5", 32), ("sha1", 40), ("sha224", 56), ("sha256", 64), ("sha384", 96), ("sha512", 128)],
)
def test_types(here: Path, kind: str, length: int) -> None:
    process(here, "out/a.txt", checksum_types=[kind], output="sub/{{ .ChecksumType }}")
    assert len((here / "sub" / kind).read_text().split("\t")[0]) == length


def test_lines_are_appended_to_one_file(here: Path) -> None:
    (here / "sums").write_text("first\n")
    made = process(here, "out/a.txt", checksum_types=["md5", "sha1", "md5"], output="sums")
    lines = (here / "sums").read_text().splitlines()
    assert [len(line.split("\t")[0]) for line in lines] == [5, 32, 40]
    assert made.artifact is not None and list(map(str, made.artifact.files)) == ["out/a.txt", "sums"]


def test_an_artifact_without_files(here: Path) -> None:
    made = process(here)
    assert made.artifact is not None and made.artifact.files == ()
    assert list(here.glob("*.checksum")) == []


def test_a_file_that_is_gone(here: Path) -> None:
    with pytest.raises(VmforgeError, match="the artifact's file `gone` cannot be read: No such file"):
        process(here, "gone")


def test_cancellation(here: Path) -> None:
    component = configure(ChecksumPostProcessor, {})
    assert isinstance(component, PostProcessor)
    cancellation = Cancellation()
    cancellation.cancel()
    with pytest.raises(Interrupted):
        context = fake_context(here, cancellation=cancellation)
        component.process(context, FileArtifact("x", "VM", (Path("out/a.txt"),), "files"))
    assert list(here.glob("*.checksum")) == []


def test_builds_that_append_at_once(here: Path) -> None:
    texts = [f"{number}" * 5000 + "\n" for number in range(8)]
    threads = [threading.Thread(target=append, args=(here / "sums", text.encode())) for text in texts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted((here / "sums").read_text().splitlines(keepends=True)) == texts


def test_a_full_disk() -> None:
    with pytest.raises(HostError, match="no space left in `/dev`") as caught:
        append(Path("/dev/full"), b"x")
    assert caught.value.hint == "free some space there and run the post-processor `checksum` again"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"checksum_types": ["md6"]}, "`md6` is none of `md5`, `sha1`"),
        ({"checksum_types": []}, "`checksum_types` is empty"),
        ({"output": "{{ .ChecksumTyp }}"}, "did you mean `.ChecksumType`?"),
    ],
)
def test_wrong_options(options: dict[str, Any], expected: str) -> None:
    with pytest.raises(ValueError) as caught:
        configure(ChecksumPostProcessor, options)
    assert expected in str(caught.value)
