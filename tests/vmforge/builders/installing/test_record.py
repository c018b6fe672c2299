"""Who has a machine of a name, and what a killed build left."""

from __future__ import annotations

from pathlib import Path

import pytest

from vmforge.builders.installing.record import MachineRecord
from vmforge.errors import HostError


def record(tmp_path: Path, name: str = "vm") -> MachineRecord:
    return MachineRecord(tmp_path, "VirtualBox", name)


def test_a_name_is_one_builds_at_a_time(tmp_path: Path) -> None:
    with (
        record(tmp_path),
        record(tmp_path, "other"),
        pytest.raises(HostError, match="another build is making"),
        record(tmp_path),
    ):
        pass
    with record(tmp_path) as again:
        assert again.leftover == ""


def test_what_was_remembered_is_told_to_the_next_build(tmp_path: Path) -> None:
    first = record(tmp_path)
    with first:
        first.remember("a long identity")
        first.remember("id-1")
        first.retain()  # as when the process is gone
    with record(tmp_path) as next_one:
        assert next_one.leftover == "id-1"
    with record(tmp_path) as last:
        assert last.leftover == ""


def test_a_machine_that_is_kept_is_the_users(tmp_path: Path) -> None:
    kept = record(tmp_path).__enter__()
    kept.remember("id-1")
    assert kept.keep() == ""
    with record(tmp_path) as next_one:
        assert next_one.leftover == ""


def test_any_name_makes_a_file(tmp_path: Path) -> None:
    with record(tmp_path, "/a/" + "ö" * 300) as made:
        assert made.path.parent == tmp_path / "machines" / "virtualbox"
