"""The template that a user begins with, for every system."""

from __future__ import annotations

from pathlib import Path

import pytest

from boot_configs import load, names, starter
from vmforge.cli.app import run


@pytest.mark.parametrize("name", names())
def test_a_new_template_is_valid_and_formatted(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "new"
    assert run(["new", name, "--output", str(folder)]) == 0
    assert run(["validate", str(folder)]) == 0, capsys.readouterr().err
    assert run(["fmt", "-check", "-diff", str(folder)]) == 0
    assert not [line for line in capsys.readouterr().err.splitlines() if line.startswith("warning")]


def test_its_parameters_can_be_given_as_they_stand() -> None:
    config = load("debian-12")
    lines = [line.strip() for line in starter(config).splitlines()]
    for name in config.parameters:
        stated = [line for line in lines if line.removeprefix("# ").startswith(f"{name} = ")]
        assert len(stated) == (0 if name in ("delivery", "install_timeout") else 1), name


def test_the_iso_that_is_given_is_written_down() -> None:
    text = starter(load("debian-12"), "/srv/a ${b}.iso", "sha256:00")
    assert 'default = "/srv/a $${b}.iso"' in text
    assert 'default = "sha256:00"' in text
    assert "trusts whatever comes" not in text
