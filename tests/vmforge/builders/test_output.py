"""The output directory: what stays after success, failure, `-force` and kill -9."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest

from vmforge.builders.output import OutputDirectory
from vmforge.errors import HostError


def test_success_leaves_the_files_and_no_marker(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "out"
    with OutputDirectory(target) as output:
        (target / "disk").write_text("image")
        assert output.commit() == (target / "disk",)
    assert [path.name for path in target.iterdir()] == ["disk"]


def test_failure_leaves_nothing(tmp_path: Path) -> None:
    target = tmp_path / "out"
    with pytest.raises(RuntimeError), OutputDirectory(target):
        (target / "disk").write_text("half")
        raise RuntimeError
    assert not target.exists()


def test_an_existing_directory_is_refused_and_untouched(tmp_path: Path) -> None:
    (tmp_path / "old").write_text("mine")
    with pytest.raises(HostError, match="exists") as caught, OutputDirectory(tmp_path):
        pass
    assert "-force" in caught.value.hint
    assert (tmp_path / "old").read_text() == "mine"


def test_force_replaces_on_success(tmp_path: Path) -> None:
    target = tmp_path / "out"
    target.mkdir()
    (target / "old").write_text("old")
    with OutputDirectory(target, force=True) as output:
        (target / "disk").write_text("new")
        output.commit()
    assert [path.name for path in target.iterdir()] == ["disk"]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_force_brings_the_old_artifact_back_on_failure(tmp_path: Path) -> None:
    target = tmp_path / "out"
    target.mkdir()
    (target / "old").write_text("old")
    with pytest.raises(RuntimeError), OutputDirectory(target, force=True):
        raise RuntimeError
    assert (target / "old").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def killed_build(target: Path) -> None:
    target.mkdir()
    (target / ".vmforge-building").touch()
    (target / "disk").write_text("half")


def test_what_a_killed_build_left_is_replaced(tmp_path: Path) -> None:
    target = tmp_path / "out"
    killed_build(target)
    with OutputDirectory(target) as output:
        assert [path.name for path in target.iterdir()] == [".vmforge-building"]
        output.commit()


def test_a_killed_build_with_force_gives_the_old_artifact_back(tmp_path: Path) -> None:
    target = tmp_path / "out"
    killed_build(target)
    aside = tmp_path / ".out.before-force"
    aside.mkdir()
    (aside / "old").write_text("old")
    with pytest.raises(HostError, match="exists"), OutputDirectory(target):
        pass
    assert (target / "old").read_text() == "old"


def test_after_an_aborted_build_with_force_the_artifact_is_still_there(tmp_path: Path) -> None:
    target = tmp_path / "out"
    target.mkdir()
    (target / "old").write_text("old")
    aborted = OutputDirectory(target, force=True).__enter__()
    (target / "disk").write_text("half")
    aborted.keep()
    with pytest.raises(RuntimeError), OutputDirectory(target, force=True):
        raise RuntimeError
    assert (target / "old").read_text() == "old"


def test_what_an_aborted_build_keeps_is_told(tmp_path: Path) -> None:
    target = tmp_path / "out"
    first = OutputDirectory(target)
    first.__enter__()
    assert first.keep() == f"the output directory `{target}`"
    second = OutputDirectory(target, force=True)
    second.__enter__()
    before = tmp_path / ".out.before-force"
    assert second.keep() == f"the output directory `{target}` (what was there before is in `{before}`)"


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(HostError, match="cannot make the output directory"):
        OutputDirectory(tmp_path / "file" / "out").__enter__()


def test_a_live_build_is_left_alone(tmp_path: Path) -> None:
    target = tmp_path / "out"
    killed_build(target)
    marker = os.open(target / ".vmforge-building", os.O_RDWR)
    fcntl.flock(marker, fcntl.LOCK_EX)
    try:
        with pytest.raises(HostError, match="another build"), OutputDirectory(target, force=True):
            pass
    finally:
        os.close(marker)
    assert (target / "disk").read_text() == "half"
