from __future__ import annotations

import io
import stat
import tarfile

import pytest
from archives import EPOCH, Entry, Tree, cpio, tar


def unpacked_cpio(data: bytes) -> dict[str, tuple[int, int, bytes]]:
    """Each file's mode, time and contents, read by the format's rules."""
    files: dict[str, tuple[int, int, bytes]] = {}
    at = 0
    while True:
        fields = [int(data[at + 6 + 8 * index : at + 14 + 8 * index], 16) for index in range(13)]
        assert data[at : at + 6] == b"070701"
        name = data[at + 110 : at + 110 + fields[11]].rstrip(b"\0").decode()
        start = (at + 110 + fields[11] + 3) // 4 * 4
        if name == "TRAILER!!!":
            return files
        files[name] = (fields[1], fields[5], data[start : start + fields[6]])
        at = (start + fields[6] + 3) // 4 * 4


@pytest.fixture
def tree() -> Tree:
    tree = Tree()
    tree.add_file("usr/bin/odd", b"abc", 0o755)
    tree.add_link("bin", "usr/bin")
    tree.set_mode("var/empty", 0o700)
    return tree


def test_folders_come_by_themselves(tree: Tree) -> None:
    assert tree.entries["usr/bin"] == Entry(stat.S_IFDIR | 0o755)
    assert tree.entries["var/empty"] == Entry(stat.S_IFDIR | 0o700)


def test_a_mode_keeps_the_contents(tree: Tree) -> None:
    tree.set_mode("usr/bin/odd", 0o4755)
    assert tree.entries["usr/bin/odd"] == Entry(stat.S_IFREG | 0o4755, b"abc")


def test_nothing_goes_through_a_link(tree: Tree) -> None:
    # Linux unpacks in order: the link's target need not be there yet, and the file would be lost
    with pytest.raises(ValueError, match="`bin` is a link or a file"):
        tree.add_file("bin/lost", b"")


def test_cpio(tree: Tree) -> None:
    files = unpacked_cpio(cpio(tree))
    assert files["usr/bin/odd"] == (stat.S_IFREG | 0o755, EPOCH, b"abc")
    assert files["bin"] == (stat.S_IFLNK | 0o777, EPOCH, b"usr/bin")
    assert list(files) == sorted(files)


def test_tar(tree: Tree) -> None:
    tree.set_mode("usr/bin/odd", 0o4755)
    with tarfile.open(fileobj=io.BytesIO(tar(tree))) as archive:
        member = archive.getmember("usr/bin/odd")
        assert (member.mode, member.mtime, member.uid, member.size) == (0o4755, EPOCH, 0, 3)
        assert archive.getmember("bin").linkname == "usr/bin"
        assert archive.getmember("var/empty").isdir()
