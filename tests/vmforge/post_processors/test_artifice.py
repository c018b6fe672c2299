"""The `artifice` post-processor; what it finds is what Packer 1.6.6 found with the same patterns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from vmforge.post_processors.artifice import ArtificePostProcessor, matching
from vmforge.sdk import FileArtifact, PostProcessor, Processed
from vmforge.sdk.testing import RecordingUi, configure, fake_context


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("d/a.txt", "d/b.txt", "d/.hidden.txt", "d/s/y", "d/s/t/y", "odd/[x]-^!.img"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def process(folder: Path, ui: RecordingUi | None = None, **options: Any) -> Processed:
    component = configure(ArtificePostProcessor, options)
    assert isinstance(component, PostProcessor)
    artifact = FileArtifact("transcend.qemu", "VM", (Path("disk"),), "a disk")
    return component.process(fake_context(folder, ui=ui), artifact)


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("d/*.txt", ["d/.hidden.txt", "d/a.txt", "d/b.txt"]),
        ("d/**/y", ["d/s/y"]),
        ("*/?.txt", ["d/a.txt", "d/b.txt"]),
        ("d/[^a].txt", ["d/b.txt"]),
        ("d/[a-b].txt", ["d/a.txt", "d/b.txt"]),
        ("d/s", ["d/s"]),
        ("d/a.txt/*", []),
        ("nothing*", []),
        (r"odd/\[x\]-[!^]!.img", ["odd/[x]-^!.img"]),
        (r"odd/[\[]x[\]]-[!\^][!].img", ["odd/[x]-^!.img"]),
    ],
)
def test_patterns(here: Path, pattern: str, expected: list[str]) -> None:
    assert [str(path) for path in matching(pattern)] == expected
    assert [str(path) for path in matching(f"{here}/{pattern}")] == [f"{here}/{name}" for name in expected]


def test_the_files_are_the_artifact(here: Path) -> None:
    made = process(here, files=["d/b.txt", "d/*.txt"])
    assert made.artifact is not None
    assert [str(path) for path in made.artifact.files] == ["d/b.txt", "d/.hidden.txt", "d/a.txt"]
    assert str(made.artifact) == "Created artifact from files: d/b.txt, d/.hidden.txt, d/a.txt"
    assert (made.artifact.builder_id, made.artifact.id) == ("packer.post-processor.artifice", "")
    assert made.keep_input and not made.must_keep


def test_nothing_that_matches_is_told(here: Path) -> None:
    ui = RecordingUi()
    made = process(here, ui, files=["nothing*", "d/a.txt", "gone"])
    assert made.artifact is not None and made.artifact.files == (Path("d/a.txt"),)
    assert ui.texts("warn") == ["no file matches `nothing*`", "no file matches `gone`"]


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ([], "`files` is empty"),
        (["a[b"], "`a[b` is no pattern for files"),
        (["[z-a]"], "`[z-a]` is no pattern for files"),
        (["a\\"], "is no pattern for files"),
    ],
)
def test_wrong_options(files: list[str], expected: str) -> None:
    with pytest.raises(ValueError) as caught:
        configure(ArtificePostProcessor, {"files": files})
    assert expected in str(caught.value)
