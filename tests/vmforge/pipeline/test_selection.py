"""`-only` and `-except`."""

from __future__ import annotations

import pytest

from vmforge.pipeline.selection import Selection, glob_pattern


@pytest.mark.parametrize(
    ("pattern", "name", "matches"),
    [
        ("qemu.base", "qemu.base", True),
        ("qemu.*", "qemu.base", True),
        ("*.base", "demo.qemu.base", True),
        ("demo.*", "qemu.base", False),
        ("qemu.bas?", "qemu.base", True),
        ("qemu.[ab]ase", "qemu.base", True),
        ("qemu.[!b]ase", "qemu.base", False),
        ("{qemu,null}.base", "null.base", True),
        ("{qemu,null}.base", "file.base", False),
        (r"qemu.\*", "qemu.*", True),
        (r"qemu.\*", "qemu.base", False),
        ("qemu.[base", "qemu.[base", True),
        ("qemu.base", "qemuXbase", False),
        ("a,b", "a,b", True),
    ],
)
def test_globs(pattern: str, name: str, matches: bool) -> None:
    assert bool(glob_pattern(pattern).fullmatch(name)) is matches


def test_only_and_except() -> None:
    selection = Selection(only=("qemu.*",), except_=("*.old", "compress"))
    assert selection.takes_build("qemu.new")
    assert not selection.takes_build("qemu.old")
    assert not selection.takes_build("null.new")
    assert not selection.takes_post_processor("compress")
    assert selection.takes_post_processor("manifest")


def test_patterns_that_match_nothing_are_found() -> None:
    selection = Selection(only=("qemu.*", "kvm.*"), except_=("checksum",))
    assert selection.unmatched(["qemu.base", "manifest"]) == ["kvm.*", "checksum"]
