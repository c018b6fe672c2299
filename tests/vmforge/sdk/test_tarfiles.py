"""Folders as tar streams."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from vmforge.errors import CommunicatorError, HostError
from vmforge.sdk.tarfiles import Owner, pack, pack_file, unpack


def stream(*members: tuple[str, str, str]) -> io.BytesIO:
    """Members as (name, kind, where to)."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        for name, kind, target in members:
            member = tarfile.TarInfo(name)
            member.type = {"link": tarfile.SYMTYPE, "same": tarfile.LNKTYPE}.get(kind, tarfile.REGTYPE)
            member.linkname = target
            archive.addfile(member)
    made.seek(0)
    return made


def test_there_and_back(tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "deep").mkdir(parents=True)
    (source / "deep/file").write_bytes(b"x" * 1000)
    (source / "deep/file").chmod(0o640)
    (source / "link").symlink_to("deep")
    data = b"".join(pack(source, Owner(7, 8)))
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        assert {(member.uid, member.gid) for member in archive} == {(7, 8)}
    unpack(io.BytesIO(data), tmp_path / "back")
    assert (tmp_path / "back/deep/file").read_bytes() == b"x" * 1000
    assert (tmp_path / "back/deep/file").stat().st_mode & 0o777 == 0o640
    assert (tmp_path / "back/link").readlink() == Path("deep")


def test_a_second_name_of_a_file_and_names_without_their_first_folder(tmp_path: Path) -> None:
    unpack(stream(("top/a", "file", ""), ("top/b", "same", "top/a")), tmp_path, strip=1)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


@pytest.mark.parametrize(
    "members",
    [
        [("../out", "file", "")],
        [("link", "link", ".."), ("link/out", "file", "")],
        [("same", "same", "../secret")],
        [("link", "link", "../secret"), ("same", "same", "link")],
        [("same", "same", "never-sent")],
    ],
)
def test_the_guest_is_not_trusted(tmp_path: Path, members: list[tuple[str, str, str]]) -> None:
    (tmp_path / "secret").write_text("secret")
    with pytest.raises(CommunicatorError, match=r"leads out of the folder|did not send"):
        unpack(stream(*members), tmp_path / "inside")
    assert not (tmp_path / "inside/same").exists()
    assert not (tmp_path / "out").exists()


def test_a_file_that_shrinks() -> None:
    member = tarfile.TarInfo("file")
    member.size = 10
    with pytest.raises(HostError, match="became shorter"):
        list(pack_file(io.BytesIO(b"short"), member, lambda amount: None))
