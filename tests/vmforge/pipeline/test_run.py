"""Where the films of a run's builds go."""

from __future__ import annotations

from pathlib import Path

import pytest

from vmforge.pipeline.run import Run
from vmforge.sdk.cancellation import Cancellation
from vmforge.sdk.redaction import Redactor
from vmforge.sdk.testing import RecordingUi


def run(*, several: bool, wanted: bool = True) -> Run:
    return Run(
        uuid="1",
        template_dir=Path(),
        scratch=Path(),
        state_dir=Path(),
        ui_for=lambda build, post_processor: RecordingUi(),
        cancellation=Cancellation(),
        redactor=Redactor(),
        screenshots=Path("shots") if wanted else None,
        film=Path("films/boot.gif") if wanted else None,
        several=several,
    )


@pytest.mark.parametrize(
    ("several", "folder", "film"),
    [
        (False, "shots", "films/boot.gif"),
        (True, "shots/demo.qemu.base", "films/boot-demo.qemu.base.gif"),
    ],
)
def test_several_builds_have_one_each(several: bool, folder: str, film: str) -> None:
    shared = run(several=several)
    assert shared.screenshots_of("demo.qemu.base") == Path(folder)
    assert shared.film_of("demo.qemu.base") == Path(film)


@pytest.mark.parametrize("several", [False, True])
def test_none_wanted(several: bool) -> None:
    shared = run(several=several, wanted=False)
    assert shared.screenshots_of("qemu.base") is None
    assert shared.film_of("qemu.base") is None
