"""How long steps took: kept from build to build, and never in the way."""

from __future__ import annotations

from pathlib import Path

import pytest

from vmforge.pipeline.durations import Durations
from vmforge.sdk.steps import StepTime


def test_steps_keep_what_they_had(tmp_path: Path) -> None:
    of = Durations.of(tmp_path, tmp_path, "qemu.base")
    assert of.read() == {}
    of.keep([StepTime("Waiting for SSH", 61.26), StepTime("Typing", 3)])
    of.keep([StepTime("Typing", 4)])
    assert Durations.of(tmp_path, tmp_path, "qemu.base").read() == {"Waiting for SSH": 61.3, "Typing": 4}


def test_each_template_and_build_has_its_own(tmp_path: Path) -> None:
    places = {
        Durations.of(tmp_path, folder, build).path
        for folder in (Path("a"), Path("b"))
        for build in ("x", "y")
    }
    assert len(places) == 4


@pytest.mark.parametrize("text", ["", "[]", "{", '{"Typing": "long"}', '{"Typing": null}'])
def test_a_file_that_is_no_good(tmp_path: Path, text: str) -> None:
    of = Durations.of(tmp_path, tmp_path, "qemu.base")
    of.path.parent.mkdir()
    of.path.write_text(text)
    assert of.read() == {}


def test_a_state_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "durations").write_text("in the way")
    Durations.of(tmp_path, tmp_path, "qemu.base").keep([StepTime("Typing", 4)])
    assert (tmp_path / "durations").read_text() == "in the way"
