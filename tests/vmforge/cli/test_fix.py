"""`vmforge fix`: what is printed, checked and written."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

OLD = '{"builders": [{"type": "qemu", "disk_size": 40960}]}'
NEW = '{\n  "builders": [\n    {\n      "disk_size": "40960M",\n      "type": "qemu"\n    }\n  ]\n}\n'

Run = Callable[..., Any]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("old.json").write_text(OLD)
    return tmp_path


def test_the_result_is_printed(vmforge: Run) -> None:
    done = vmforge("fix", "old.json")
    assert (done.status, done.out, done.err) == (0, NEW + "\n", "")
    assert Path("old.json").read_text() == OLD
    assert vmforge("fix", "-", stdin=OLD.encode()).out == NEW + "\n"


def test_what_was_changed_is_listed(vmforge: Run) -> None:
    done = vmforge("fix", "-list", "old.json")
    assert done.out == NEW + "\n"
    assert done.err == (
        "builders[0]: `qemu-disk-size` gives a `disk_size` of QEMU builders that is a number its unit, "
        "mebibytes\n"
    )


def test_the_file_is_written(vmforge: Run, folder: Path) -> None:
    Path("old.json").chmod(0o640)
    assert vmforge("fix", "-write", "old.json").text == "[0]\n--- out\n--- err\n"
    assert Path("old.json").read_text() == NEW
    assert Path("old.json").stat().st_mode & 0o777 == 0o640
    assert [path.name for path in folder.iterdir()] == ["old.json"]
    assert vmforge("fix", "-write=false", "old.json").out == NEW + "\n"


def test_a_template_in_which_nothing_is_old_keeps_its_form(vmforge: Run) -> None:
    text = '{"builders": [{"type": "null"}]}'
    Path("new.json").write_text(text)
    assert vmforge("fix", "-write", "new.json").status == 0
    assert Path("new.json").read_text() == text


def test_a_result_that_is_no_template(vmforge: Run, golden: Callable[[str, str], None]) -> None:
    Path("wrong.json").write_text('{"builders": [{"type": "qemu", "disk_size": 1}], "extra": 1}')
    golden("fix/wrong.txt", vmforge("fix", "wrong.json").text)
    assert vmforge("fix", "-write", "wrong.json").status == 1
    assert 'disk_size": 1}' in Path("wrong.json").read_text()
    done = vmforge("fix", "-validate=false", "wrong.json")
    assert (done.status, done.err) == (0, "")
    assert json.loads(done.out)["extra"] == 1
    assert vmforge("fix", "-validate=true", "wrong.json").status == 1


def test_builders_that_a_fix_gives_the_same_name(vmforge: Run) -> None:
    Path("twice.json").write_text('{"builders": [{"type": "virtualbox"}, {"type": "virtualbox-iso"}]}')
    done = vmforge("fix", "twice.json")
    assert done.status == 1
    assert "two builders with the name `virtualbox-iso`" in done.err


def test_what_cannot_be_fixed(vmforge: Run, golden: Callable[[str, str], None]) -> None:
    Path("broken.json").write_text('{"builders": [,]}')
    Path("twice.json").write_text('{"a": 1, "a": 2}')
    Path("list.json").write_text("[]")
    runs = (["broken.json"], ["twice.json"], ["list.json"], ["missing.json"], ["x.pkr.hcl"], ["."])
    texts = [vmforge("fix", "-validate=false", *names).text for names in (*runs, ["-write", "-"], [])]
    golden("fix/cannot.txt", "\n".join(texts))
