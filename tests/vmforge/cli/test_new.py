"""`vmforge new`: a template to begin with, which never takes the place of another."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any


def test_a_template_is_written(vmforge: Callable[..., Any], tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "folder"
    finished = vmforge("new", "bookworm", "--output", str(folder))
    assert finished.status == 0
    assert finished.out == f"{folder}/debian-12.pkr.hcl\n"
    assert finished.err == f"build it with: vmforge build -var iso_url=/path/to/installer.iso {folder}\n"
    assert 'boot_config = "debian-12"' in (folder / "debian-12.pkr.hcl").read_text()


def test_the_iso_at_hand_is_named_with_its_checksum(vmforge: Callable[..., Any], tmp_path: Path) -> None:
    iso = tmp_path / "installer.iso"
    iso.write_bytes(b"an installer")
    finished = vmforge("new", "debian-12", "--output", str(tmp_path / "new"), "--iso", str(iso))
    text = (tmp_path / "new" / "debian-12.pkr.hcl").read_text()
    assert f'"{iso}"' in text
    assert f'"sha256:{hashlib.sha256(b"an installer").hexdigest()}"' in text
    assert finished.err == f"build it with: vmforge build {tmp_path / 'new'}\n"


def test_an_iso_that_is_not_there(vmforge: Callable[..., Any], tmp_path: Path) -> None:
    finished = vmforge("new", "debian-12", "--output", str(tmp_path / "new"), "--iso", "missing.iso")
    assert (finished.status, "there is no file `missing.iso`" in finished.err) == (2, True)
    assert not (tmp_path / "new").exists()


def test_nothing_is_written_over(vmforge: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "debian-12.pkr.hcl").write_text("mine")
    finished = vmforge("new", "debian-12", "--output", str(tmp_path))
    assert finished.status == 1
    assert "is there already" in finished.err
    assert (tmp_path / "debian-12.pkr.hcl").read_text() == "mine"


def test_a_folder_holds_one_template(vmforge: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "other.pkr.hcl").write_text("")
    finished = vmforge("new", "debian-12", "--output", str(tmp_path))
    assert finished.status == 1
    assert "has a template already, `other.pkr.hcl`" in finished.err
    assert len(list(tmp_path.iterdir())) == 1


def test_a_folder_that_cannot_be_written(vmforge: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    finished = vmforge("new", "debian-12", "--output", str(tmp_path / "file"))
    assert (finished.status, "cannot be written" in finished.err or "is there" in finished.err) == (1, True)


def test_an_unknown_system(vmforge: Callable[..., Any], tmp_path: Path) -> None:
    finished = vmforge("new", "debian-21", "--output", str(tmp_path / "new"))
    assert (finished.status, "did you mean" in finished.err) == (2, True)
