"""`vmforge fmt`: which files, what is written, what is said."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

UGLY, NEAT = b"a=1\nbbb = 2\n", b"a   = 1\nbbb = 2\n"

Run = Callable[..., Any]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with files of all kinds, as the working directory."""
    monkeypatch.chdir(tmp_path)
    for name in ("b.pkr.hcl", "a.pkrvars.hcl", ".hidden.pkr.hcl", "backup.pkr.hcl~", "#x.pkr.hcl#", "o.hcl"):
        Path(name).write_bytes(UGLY)
    for name in ("sub/c.pkr.hcl", ".git/d.pkr.hcl", "sub/deeper/e.auto.pkrvars.hcl"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_bytes(UGLY)
    Path("neat.pkr.hcl").write_bytes(NEAT)
    return tmp_path


def changed(folder: Path) -> set[str]:
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != "neat.pkr.hcl")
    return {str(path.relative_to(folder)) for path in files if path.read_bytes() == NEAT}


def test_a_folder(vmforge: Run, folder: Path) -> None:
    done = vmforge("fmt", ".")
    assert (done.status, done.out, done.err) == (0, "a.pkrvars.hcl\nb.pkr.hcl\n", "")
    assert changed(folder) == {"a.pkrvars.hcl", "b.pkr.hcl"}
    assert vmforge("fmt", "-check", ".").text == "[0]\n--- out\n--- err\n"


def test_folders_in_folders_and_several_paths(vmforge: Run, folder: Path) -> None:
    done = vmforge("fmt", "-recursive", "sub", "b.pkr.hcl", "neat.pkr.hcl")
    assert done.out == "sub/c.pkr.hcl\nsub/deeper/e.auto.pkrvars.hcl\nb.pkr.hcl\n"
    assert changed(folder) == {"b.pkr.hcl", "sub/c.pkr.hcl", "sub/deeper/e.auto.pkrvars.hcl"}


@pytest.mark.parametrize(
    ("flags", "status"), [(["-check"], 3), (["-check", "-write=true"], 3), (["-write=false"], 0)]
)
def test_nothing_is_written(vmforge: Run, folder: Path, flags: list[str], status: int) -> None:
    done = vmforge("fmt", *flags, "b.pkr.hcl")
    assert (done.status, done.out) == (status, "b.pkr.hcl\n")
    assert changed(folder) == set()


def test_a_diff(vmforge: Run, golden: Callable[[str, str], None]) -> None:
    Path("b.pkr.hcl").write_bytes(b"a = 1\nc {\nd=1\n}\n" + b"\n" * 9 + b"e=1")
    golden("fmt/diff.txt", vmforge("fmt", "-check", "-diff", "b.pkr.hcl", "neat.pkr.hcl").text)


def test_standard_input(vmforge: Run) -> None:
    assert vmforge("fmt", "-", stdin=UGLY).text == "[0]\n--- out\n" + NEAT.decode() + "--- err\n"
    assert vmforge("fmt", "-", stdin=NEAT).out == NEAT.decode()
    assert vmforge("fmt", "-check", "-", stdin=UGLY).text == "[3]\n--- out\n--- err\n"


def test_files_that_are_wrong(vmforge: Run, folder: Path, golden: Callable[[str, str], None]) -> None:
    Path("a.pkr.hcl").write_text('a = \nb {\n  c = "x\n}\n')
    texts = [vmforge("fmt", "a.pkr.hcl", "b.pkr.hcl", "-", stdin=b"x = = 1\n").text]
    texts += [vmforge("fmt", name).text for name in ("o.hcl", "missing.pkr.hcl")]
    texts.append(vmforge("fmt").text)
    golden("fmt/wrong.txt", "\n".join(texts))
    assert changed(folder) == {"b.pkr.hcl"}


def test_a_file_keeps_its_mode_and_its_link(vmforge: Run, folder: Path) -> None:
    Path("b.pkr.hcl").chmod(0o640)
    Path("link.pkr.hcl").symlink_to("b.pkr.hcl")
    assert vmforge("fmt", "link.pkr.hcl").status == 0
    assert Path("link.pkr.hcl").is_symlink()
    assert Path("b.pkr.hcl").read_bytes() == NEAT
    assert Path("b.pkr.hcl").stat().st_mode & 0o777 == 0o640
    assert not list(folder.glob(".*.tmp"))


def test_bytes_that_are_no_utf8_are_kept_in_comments(vmforge: Run) -> None:
    Path("b.pkr.hcl").write_bytes(b"# \xff\r\n" + UGLY)
    assert vmforge("fmt", "b.pkr.hcl").status == 0
    assert Path("b.pkr.hcl").read_bytes() == b"# \xff\r\n" + NEAT
