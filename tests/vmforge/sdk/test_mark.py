"""The mark by which things in clouds are found again."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmforge.errors import HostError
from vmforge.sdk.mark import RunMark, host_id
from vmforge.sdk.testing import fake_context

MARK = RunMark("00000000-0000-4000-8000-00000000abcd", "web-amazon-ebs-base", "0123abcd", 1_790_000_000)
marks = st.builds(
    RunMark,
    st.uuids().map(str),
    st.text("abcdefghijklmnopqrstuvwxyz0123456789-_", min_size=1, max_size=63),
    st.from_regex(r"[0-9a-f]{8}", fullmatch=True),
    st.integers(0, 2**32 - 1),
)


def test_tags() -> None:
    assert MARK.tags == {
        "vmforge-run": "00000000-0000-4000-8000-00000000abcd",
        "vmforge-build": "web-amazon-ebs-base",
        "vmforge-host": "0123abcd",
        "vmforge-started": "1790000000",
    }


@given(marks)
def test_a_mark_is_read_from_its_tags_among_others(mark: RunMark) -> None:
    assert RunMark.read({"Name": "x", **mark.tags}) == mark


@given(marks)
def test_a_mark_is_read_from_its_name(mark: RunMark) -> None:
    assert len(mark.name) <= 63
    assert re.fullmatch(r"[a-z][a-z0-9-]*", mark.name)
    read = RunMark.read_name(f"prefix_{mark.name}.key")
    assert read is not None
    assert (read.run, read.host, read.started) == (mark.run, mark.host, mark.started)
    assert read.is_same(mark) and mark.is_same(read)


@pytest.mark.parametrize(
    "other",
    [
        RunMark("00000000-0000-4000-8000-00000000ffff", MARK.build, MARK.host, MARK.started),
        RunMark(MARK.run, "web-amazon-ebs-other", MARK.host, MARK.started),
    ],
)
def test_other_runs_and_builds_are_not_the_same(other: RunMark) -> None:
    read = RunMark.read_name(other.name)
    assert read is not None
    assert not MARK.is_same(other) and not MARK.is_same(read)


@pytest.mark.parametrize(
    "tags",
    [
        {},
        {"vmforge-run": MARK.run},
        MARK.tags | {"vmforge-started": "yesterday"},
        MARK.tags | {"vmforge-started": "²"},
        MARK.tags | {"vmforge-run": ""},
    ],
)
def test_half_a_mark_is_none(tags: dict[str, str]) -> None:
    assert RunMark.read(tags) is None


@pytest.mark.parametrize("name", ["", "vmforge", "vmforge-run", f"x{MARK.name}", f"{MARK.name}0"])
def test_other_names_have_no_mark(name: str) -> None:
    assert RunMark.read_name(name) is None


def test_a_builds_name_becomes_a_label(tmp_path: Path) -> None:
    mark = RunMark.of(fake_context(tmp_path, full_name="Web Srv.amazon-ebs.base/é", started=5.9))
    assert (mark.build, mark.started) == ("web-srv-amazon-ebs-base--", 5)


def test_the_machines_id_is_made_once(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        ids = set(pool.map(lambda _: host_id(tmp_path / "state"), range(32)))
    assert len(ids) == 1 and re.fullmatch(r"[0-9a-f]{8}", ids.pop())
    assert [path.name for path in (tmp_path / "state").iterdir()] == ["host-id"]


def test_a_state_folder_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(HostError, match="cannot use the state folder") as caught:
        host_id(tmp_path / "file")
    assert "VMFORGE_STATE_DIR" in caught.value.hint
