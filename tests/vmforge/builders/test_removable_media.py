"""Floppy and CD from a template's files and texts; the images themselves are tested with vmforge/media."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from vmforge.builders.qemu.config import QemuConfig
from vmforge.builders.removable_media import make_cd, make_floppy
from vmforge.errors import VmforgeError
from vmforge.media.iso import IsoImage
from vmforge.sdk import BuildContext

MakeConfig = Callable[..., QemuConfig]

_LABEL_OF_FLOPPY = slice(43, 54)


def test_none_is_made_when_none_is_wanted(qemu: MakeConfig, context: BuildContext) -> None:
    assert (make_cd(qemu(), context), make_floppy(qemu(), context)) == (None, None)
    assert list(context.scratch.iterdir()) == []


def test_cd(qemu: MakeConfig, context: BuildContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts" / "setup.sh").write_text("#!/bin/sh")
    config = qemu(cd_files=["scripts", "scripts/*.sh"], cd_content={"meta-data": "id: 1"}, cd_label="cidata")
    path = make_cd(config, context)
    assert path is not None and path.is_absolute()
    with IsoImage(path) as image:
        assert image.volume_id == "cidata"
        assert sorted(image.files()) == ["meta-data", "scripts/setup.sh", "setup.sh"]
        assert image.read("meta-data") == b"id: 1"


def test_floppy(
    qemu: MakeConfig, context: BuildContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "drivers").mkdir()
    (tmp_path / "drivers" / "net.inf").write_text("[a driver of the network card]")
    (tmp_path / "unattend.xml").write_text("<the answers/>")
    config = qemu(
        floppy_files=["unattend.xml"],
        floppy_dirs=["drivers"],
        floppy_content={"ks.cfg": "the kickstart's text"},
        floppy_label="OEMDRV",
    )
    path = make_floppy(config, context)
    assert path is not None and path.is_absolute()
    image = path.read_bytes()
    assert image[_LABEL_OF_FLOPPY] == b"OEMDRV     "
    for text in (b"[a driver of the network card]", b"<the answers/>", b"the kickstart's text"):
        assert text in image


def test_a_scratch_folder_by_a_relative_path(
    qemu: MakeConfig, context: BuildContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    relative = replace(context, scratch=Path("scratch"))
    assert make_cd(qemu(cd_content={"a": "b"}), relative) == tmp_path / "scratch" / "cd.iso"


def test_a_label_that_is_too_long(qemu: MakeConfig, context: BuildContext) -> None:
    with pytest.raises(VmforgeError, match="cannot be the label of a floppy"):
        make_floppy(qemu(floppy_content={"a": "b"}, floppy_label="twelve chars"), context)
