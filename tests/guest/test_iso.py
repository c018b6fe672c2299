from __future__ import annotations

import io
import time
from pathlib import Path

import iso
import pytest
from pycdlib import PyCdlib

FILES = {
    iso.BOOT_IMAGE: b"\x90" * 4096,
    "isolinux/isolinux.cfg": b"prompt 1\n",
    "boot/installer.img": b"x" * 5000,
}


def test_equal_files_give_equal_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    iso.write(tmp_path / "one.iso", FILES)
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    iso.write(tmp_path / "two.iso", dict(reversed(FILES.items())))
    monkeypatch.undo()
    time.tzset()
    assert (tmp_path / "one.iso").read_bytes() == (tmp_path / "two.iso").read_bytes()


def test_the_names_that_linux_sees(tmp_path: Path) -> None:
    iso.write(tmp_path / "cd.iso", FILES)
    image = PyCdlib()
    image.open(str(tmp_path / "cd.iso"))
    data = io.BytesIO()
    image.get_file_from_iso_fp(data, rr_path="/boot/installer.img")
    assert data.getvalue() == FILES["boot/installer.img"]
    image.close()


def test_a_cd_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    with pytest.raises(OSError):
        iso.write(tmp_path / "taken", FILES)
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]
