"""The user's own signs, and what is wrong with them."""

from __future__ import annotations

from pathlib import Path

import pytest

from vmforge.builders.diagnosis import Evidence, diagnose, read_signs


def signs_of(folder: Path, text: str) -> list[str]:
    (folder / "mine.toml").write_text(text)
    return read_signs({"VMFORGE_SIGNS": str(folder)}).problems


def test_vmforges_own_table_is_whole() -> None:
    table = read_signs({"VMFORGE_SIGNS": "/nonexistent"})
    assert table.problems == []
    assert len(table.signs) > 30


def test_a_sign_of_the_users_own(tmp_path: Path) -> None:
    assert not signs_of(
        tmp_path, '[mine]\ntitle = "got {what}"\nnext = "go"\nscreen = "GOT (?P<what>.+)"\nrank = 99'
    )
    signs = read_signs({"VMFORGE_SIGNS": str(tmp_path)}).signs.values()
    assert diagnose(Evidence(screen=("GOT it",)), signs)[0].title == "got it"


def test_a_sign_replaces_vmforges(tmp_path: Path) -> None:
    text = '[kernel-panic]\ntitle = "panic"\nnext = "go"\nserial = "panic"\ncertain = false'
    assert not signs_of(tmp_path, text)
    assert not read_signs({"VMFORGE_SIGNS": str(tmp_path)}).signs["kernel-panic"].certain


def test_the_users_folder(tmp_path: Path) -> None:
    folder = tmp_path / "vmforge" / "signs"
    folder.mkdir(parents=True)
    (folder / "a.toml").write_text('[mine]\ntitle = "t"\nnext = "n"\nssh = "x"')
    assert "mine" in read_signs({"XDG_CONFIG_HOME": str(tmp_path)}).signs


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[mine", "cannot be read"),
        ("mine = 1", "sign `mine`: it is no table"),
        ('[mine]\nnext = "n"\nscreen = "x"', "`title` is missing"),
        ('[mine]\ntitle = "t"\nnext = "n"', "it has none of `screen`"),
        ('[mine]\ntitle = "t"\nnext = "n"\nscreen = "("', "`(` is no regular expression"),
        ('[mine]\ntitle = "t"\nnext = "n"\nscren = "x"', "`scren` is none of"),
        ('[mine]\ntitle = "t"\nnext = "n"\nscreen = "x"\nrank = "high"', "`rank` is not of the right type"),
        ('[mine]\ntitle = "t"\nnext = "n"\nscreen = "x"\nneeds = "most"', "`needs` is neither"),
    ],
)
def test_what_is_wrong_is_said_and_the_rest_counts(tmp_path: Path, text: str, problem: str) -> None:
    (found,) = signs_of(tmp_path, text)
    assert problem in found
    assert "kernel-panic" in read_signs({"VMFORGE_SIGNS": str(tmp_path)}).signs
