"""Files and folders to and from a real SSH server, over SFTP and without it."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import shutil
import stat
import subprocess
import tarfile
import threading
from pathlib import Path
from typing import Any

import pytest

from vmforge.communicators.ssh import folders, streams
from vmforge.errors import CommunicatorError, HostError, Interrupted
from vmforge.sdk.testing import RecordingProgress

PRIVILEGED = os.getuid() == 0


@pytest.fixture(params=["sftp", "cat"])
def communicator(request: pytest.FixtureRequest, client: Any) -> Any:
    """A connection to a server with SFTP, and to one without."""
    return client.connect(request.getfixturevalue("sshd" if request.param == "sftp" else "bare_sshd"))


@pytest.fixture
def guest(tmp_path: Path) -> Path:
    """A folder that plays the guest's disk."""
    folder = tmp_path / "guest's disk"
    folder.mkdir()
    return folder


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("size", [0, 1, 32 * 1024, 32 * 1024 + 1, 5_000_000])
def test_there_and_back(communicator: Any, guest: Path, tmp_path: Path, size: int) -> None:
    source = tmp_path / "source"
    source.write_bytes(os.urandom(size))
    communicator.upload(source, f"{guest}/there")
    communicator.download(f"{guest}/there", tmp_path / "back")
    assert digest(guest / "there") == digest(tmp_path / "back") == digest(source)


def test_progress_is_shown_for_large_files_only(
    communicator: Any, client: Any, guest: Path, tmp_path: Path
) -> None:
    (tmp_path / "small").write_bytes(b"x" * 1000)
    (tmp_path / "large").write_bytes(b"x" * 2_000_000)
    communicator.upload(tmp_path / "small", f"{guest}/small")
    communicator.upload(tmp_path / "large", f"{guest}/large")
    communicator.download(f"{guest}/small", tmp_path / "small-2")
    communicator.download(f"{guest}/large", tmp_path / "large-2")
    assert client.ui.texts("progress") == [f"Uploading {guest}/large", f"Downloading {guest}/large"]


def test_open_file_is_uploaded_from_where_it_stands(communicator: Any, guest: Path) -> None:
    source = io.BytesIO(b"header:content")
    source.seek(7)
    communicator.upload(source, f"{guest}/file")
    assert (guest / "file").read_bytes() == b"content"


def test_stream_of_unknown_length(communicator: Any, guest: Path) -> None:
    read_end, write_end = os.pipe()
    with os.fdopen(write_end, "wb") as writer:
        writer.write(b"piped")
    with os.fdopen(read_end, "rb") as reader:
        communicator.upload(reader, f"{guest}/file")
    assert (guest / "file").read_bytes() == b"piped"


def test_permissions(communicator: Any, guest: Path, tmp_path: Path) -> None:
    source = tmp_path / "script"
    source.write_text("#!/bin/sh\n")
    source.chmod(0o750)
    communicator.upload(source, f"{guest}/as-here")
    communicator.upload(source, f"{guest}/as-told", mode=0o600)
    communicator.upload(io.BytesIO(b""), f"{guest}/stream", mode=0o711)
    modes = [stat.S_IMODE((guest / name).stat().st_mode) for name in ("as-here", "as-told", "stream")]
    assert modes == [0o750, 0o600, 0o711]


def test_file_of_unknown_length(communicator: Any, tmp_path: Path) -> None:
    communicator.download("/proc/version", tmp_path / "version")  # its size is said to be 0
    assert (tmp_path / "version").read_bytes() == Path("/proc/version").read_bytes()


def test_old_content_is_replaced(communicator: Any, guest: Path, tmp_path: Path) -> None:
    (guest / "file").write_text("an old and longer text")
    communicator.upload(io.BytesIO(b"new"), f"{guest}/file")
    assert (guest / "file").read_text() == "new"
    (tmp_path / "here").write_text("an old and longer text")
    communicator.download(f"{guest}/file", tmp_path / "here")
    assert (tmp_path / "here").read_text() == "new"


def test_missing_folder_in_the_guest(communicator: Any, guest: Path) -> None:
    with pytest.raises(CommunicatorError) as caught:
        communicator.upload(io.BytesIO(b"x" * 5_000_000), f"{guest}/no/such/file")
    assert caught.value.message == (
        f"no such folder in the guest: `{guest}/no/such`, where `{guest}/no/such/file` should go"
    )
    assert caught.value.hint == f"make it with `mkdir -p {guest}/no/such` in a shell provisioner first"


def test_missing_file_leaves_the_local_one_alone(communicator: Any, guest: Path, tmp_path: Path) -> None:
    target = tmp_path / "here" / "file"
    target.parent.mkdir()
    target.write_text("old")
    with pytest.raises(CommunicatorError, match="no such file in the guest"):
        communicator.download(f"{guest}/missing", target)
    assert target.read_text() == "old"
    assert [path.name for path in target.parent.iterdir()] == ["file"]


def test_folder_is_no_file(communicator: Any, guest: Path, tmp_path: Path) -> None:
    for move in (
        lambda: communicator.upload(io.BytesIO(b"x"), str(guest)),
        lambda: communicator.download(str(guest), tmp_path / "file"),
    ):
        with pytest.raises(CommunicatorError) as caught:
            move()
        assert caught.value.message == f"`{guest}` is a folder in the guest, not a file"


def test_local_trouble_names_the_local_file(communicator: Any, guest: Path, tmp_path: Path) -> None:
    with pytest.raises(HostError, match=f"cannot read `{tmp_path}/missing`: No such file"):
        communicator.upload(tmp_path / "missing", f"{guest}/file")
    (guest / "file").write_text("x")
    with pytest.raises(HostError, match=f"trouble with the local file `{tmp_path}/missing/.file.part` while"):
        communicator.download(f"{guest}/file", tmp_path / "missing" / "file")
    assert communicator.run("true") == 0


def test_unreadable_source_is_no_fault_of_the_guest(communicator: Any, guest: Path) -> None:
    class Broken(io.RawIOBase):
        def read(self, size: int = -1) -> bytes:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    with pytest.raises(
        HostError, match=r"trouble with the local file while uploading .*: Input/output error"
    ):
        communicator.upload(Broken(), f"{guest}/file")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_full_disk_in_the_guest_is_noticed(communicator: Any, guest: Path) -> None:
    # the answers to writes come late, so the error of the last one must not be lost either
    for size in (1, 5_000_000):
        with pytest.raises(CommunicatorError, match="the guest could not write `/dev/full`"):
            communicator.upload(io.BytesIO(b"x" * size), "/dev/full")
    communicator.upload(io.BytesIO(b"the next one is not harmed"), f"{guest}/file")
    assert (guest / "file").read_bytes() == b"the next one is not harmed"


@pytest.mark.skipif(not PRIVILEGED or shutil.which("chattr") is None, reason="needs root and an ext4 disk")
def test_permission_denied(communicator: Any, client: Any, guest: Path) -> None:
    # nothing but an immutable folder keeps root from writing
    if subprocess.run(["chattr", "+i", str(guest)], check=False, capture_output=True).returncode != 0:
        pytest.skip("this file system knows no immutable folders")
    try:
        with pytest.raises(CommunicatorError) as caught:
            communicator.upload(io.BytesIO(b"x"), f"{guest}/file")
    finally:
        subprocess.run(["chattr", "-i", str(guest)], check=True)
    user = client.connector().config.ssh_username
    assert caught.value.message == f"permission denied in the guest: `{user}` may not write `{guest}/file`"
    assert "sudo mv" in caught.value.hint


def test_connection_that_breaks_in_the_middle(
    client: Any, sshd: Any, relay: Any, guest: Path, tmp_path: Path
) -> None:
    line = relay(sshd.port)
    communicator = client.connect(line.endpoint, server=sshd)

    class Cutting(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell() > 1_000_000:
                line.cut()
            return super().read(size)

    with pytest.raises(CommunicatorError, match=r"the connection to the guest broke while uploading"):
        communicator.upload(Cutting(b"x" * 50_000_000), f"{guest}/file")


def test_cancellation_ends_an_upload_at_once(client: Any, sshd: Any, relay: Any, guest: Path) -> None:
    line = relay(sshd.port)
    communicator = client.connect(line.endpoint, server=sshd)

    class Freezing(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell() > 1_000_000 and not line.frozen.is_set():
                line.frozen.set()
                threading.Timer(0.2, client.context.cancellation.cancel).start()
            return super().read(size)

    with pytest.raises(Interrupted):
        communicator.upload(Freezing(b"x" * 50_000_000), f"{guest}/file")


@pytest.mark.parametrize("server", ["sshd", "bare_sshd"])
def test_cancellation_ends_a_download_at_once(
    server: str, client: Any, request: pytest.FixtureRequest, relay: Any, guest: Path, tmp_path: Path
) -> None:
    sshd = request.getfixturevalue(server)
    line = relay(sshd.port)
    communicator = client.connect(line.endpoint, server=sshd)
    (guest / "file").write_bytes(b"x" * 50_000_000)
    client.ui.progress = lambda *_: line.frozen.set() or RecordingProgress()
    threading.Timer(0.5, client.context.cancellation.cancel).start()
    with pytest.raises(Interrupted):
        communicator.download(f"{guest}/file", tmp_path / "here")
    assert not list(tmp_path.glob("*here*"))


def test_server_without_sftp_is_mentioned_once(client: Any, bare_sshd: Any, guest: Path) -> None:
    communicator = client.connect(bare_sshd)
    for _ in range(2):
        communicator.upload(io.BytesIO(b"x"), f"{guest}/file")
    said = [text for text in client.ui.texts("message") if "SFTP" in text]
    assert said == ["SSH: the guest has no SFTP server; files travel through `cat`"]


def test_scp_asks_for_no_sftp(client: Any, bare_sshd: Any, guest: Path) -> None:
    communicator = client.connect(bare_sshd, ssh_file_transfer_method="scp")
    communicator.upload(io.BytesIO(b"x"), f"{guest}/-file")
    assert (guest / "-file").read_bytes() == b"x"
    assert not [text for text in client.ui.texts("message") if "SFTP" in text]


# Folders


def tree_of(folder: Path) -> dict[str, tuple[int, str]]:
    """A folder's contents: name -> mode, and text or link target."""
    found = {}
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        if stat.S_ISLNK(status.st_mode):
            content, mode = f"-> {path.readlink()}", 0
        else:
            mode = stat.S_IMODE(status.st_mode)
            content = "/" if path.is_dir() else path.read_text()
        found[str(path.relative_to(folder))] = (mode, content)
    return found


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    folder = tmp_path / "tree"
    (folder / "bin").mkdir(parents=True)
    (folder / "empty").mkdir()
    (folder / "bin" / "run").write_text("#!/bin/sh\n")
    (folder / "bin" / "run").chmod(0o755)
    (folder / "bin" / "start").symlink_to("run")
    (folder / "secret ünd more").write_text("x")
    (folder / "secret ünd more").chmod(0o600)
    (folder / ("long-" * 40)).write_text("a long name")
    return folder


@pytest.fixture(params=["tar", "sftp"])
def folder_communicator(request: pytest.FixtureRequest, client: Any, sshd: Any) -> Any:
    """A connection to a guest with `tar`, and to one without."""
    communicator = client.connect(sshd)
    if request.param == "sftp":
        communicator._tar = False
    return communicator


def test_folder_there_and_back(folder_communicator: Any, tree: Path, guest: Path, tmp_path: Path) -> None:
    folder_communicator.upload_directory(tree, f"{guest}/new/place")
    assert tree_of(guest / "new/place") == tree_of(tree)
    folder_communicator.download_directory(f"{guest}/new/place", tmp_path / "back" / "again")
    assert tree_of(tmp_path / "back" / "again") == tree_of(tree)


def test_folder_that_exists_keeps_its_mode_and_other_files(
    folder_communicator: Any, tree: Path, guest: Path
) -> None:
    (guest / "bin").mkdir()
    (guest / "bin").chmod(0o1777)
    (guest / "bin" / "other").write_text("stays")
    (guest / "bin" / "run").write_text("replaced")
    (guest / "bin" / "start").symlink_to("other")
    folder_communicator.upload_directory(tree, str(guest))
    assert stat.S_IMODE((guest / "bin").stat().st_mode) == 0o1777
    assert (guest / "bin" / "other").read_text() == "stays"
    assert (guest / "bin" / "run").read_text() == "#!/bin/sh\n"
    assert str((guest / "bin" / "start").readlink()) == "run"


def test_links_out_of_the_folder_are_followed(
    folder_communicator: Any, tree: Path, guest: Path, tmp_path: Path
) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "file").write_text("from outside")
    (tree / "bin" / "folder").symlink_to("../../outside")
    (tree / "file").symlink_to(tmp_path / "outside" / "file")
    (tree / "loop").symlink_to(tree)
    (tree / "nowhere").symlink_to("/no/such/file")
    folder_communicator.upload_directory(tree, str(guest))
    assert (guest / "bin" / "folder" / "file").read_text() == "from outside"
    assert not (guest / "bin" / "folder").is_symlink()
    assert not (guest / "file").is_symlink()
    assert (guest / "file").read_text() == "from outside"
    assert not (guest / "loop").exists()
    assert not (guest / "nowhere").is_symlink()


def test_many_small_files(client: Any, sshd: Any, guest: Path, tmp_path: Path) -> None:
    source = tmp_path / "many"
    for number in range(2000):
        path = source / f"{number % 20}" / f"{number}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(str(number))
    client.connect(sshd).upload_directory(source, f"{guest}/many")
    assert tree_of(guest / "many") == tree_of(source)


def test_missing_folders(folder_communicator: Any, guest: Path, tmp_path: Path) -> None:
    with pytest.raises(HostError, match="there is no folder"):
        folder_communicator.upload_directory(tmp_path / "missing", f"{guest}/x")
    with pytest.raises(CommunicatorError, match=r"no such file in the guest"):
        folder_communicator.download_directory(f"{guest}/missing", tmp_path / "x")


def test_folder_cannot_replace_a_file(folder_communicator: Any, tree: Path, guest: Path) -> None:
    (guest / "file").write_text("in the way")
    with pytest.raises(CommunicatorError):
        folder_communicator.upload_directory(tree, f"{guest}/file")
    assert folder_communicator.run("true") == 0


def test_neither_tar_nor_sftp(client: Any, bare_sshd: Any, tree: Path, guest: Path) -> None:
    communicator = client.connect(bare_sshd)
    communicator._tar = False
    with pytest.raises(CommunicatorError) as caught:
        communicator.upload_directory(tree, f"{guest}/x")
    assert caught.value.message == "cannot upload a folder: the guest has neither `tar` nor an SFTP server"


# What a guest may not do with what it sends


class Packed:
    """Stands for the guest's `tar`: gives an archive that was made here."""

    complaint = ""

    def __init__(self, *members: tuple[tarfile.TarInfo, bytes]) -> None:
        self._bytes = io.BytesIO()
        with tarfile.open(fileobj=self._bytes, mode="w") as archive:
            for member, content in members:
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
        self._bytes.seek(0)
        self.read = self._bytes.read

    def __enter__(self) -> Packed:
        return self

    def __exit__(self, *error: object) -> None:
        return None

    def finish(self) -> int:
        return 0


def file(name: str, content: bytes = b"evil") -> tuple[tarfile.TarInfo, bytes]:
    return tarfile.TarInfo(name), content


def link(name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> tuple[tarfile.TarInfo, bytes]:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member, b""


@pytest.mark.parametrize(
    "members",
    [
        [file("../outside")],
        [file("a/../../outside")],
        [file("/tmp/vmforge-test-outside")],
        [link("door", ".."), file("door/outside")],
        [link("door", "../target", tarfile.LNKTYPE)],
    ],
    ids=["dots", "dots-within", "absolute", "through-a-link", "hard-link"],
)
def test_guest_cannot_write_outside(members: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "open_packer", lambda session, source: Packed(*members))
    (tmp_path / "target").write_text("mine")
    destination = tmp_path / "here"
    destination.mkdir()
    with pytest.raises(CommunicatorError, match="the guest sent a path that leads out of the folder"):
        folders.fetch_as_tar(None, "/source", destination, lambda amount: None)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["here", "target"]


def test_guest_cannot_write_through_a_link(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    members = [link("a", "../target"), file("a"), link(".b.part", "../target"), file("b")]
    monkeypatch.setattr(streams, "open_packer", lambda session, source: Packed(*members))
    (tmp_path / "target").write_text("mine")
    destination = tmp_path / "here"
    destination.mkdir()
    folders.fetch_as_tar(None, "/source", destination, lambda amount: None)
    assert (tmp_path / "target").read_text() == "mine"
    assert not (destination / "a").is_symlink()
    assert (destination / "b").read_bytes() == b"evil"


def test_hard_links_stay_within(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    members = [file("a", b"shared"), link("b", "a", tarfile.LNKTYPE)]
    monkeypatch.setattr(streams, "open_packer", lambda session, source: Packed(*members))
    folders.fetch_as_tar(None, "/source", tmp_path, lambda amount: None)
    assert (tmp_path / "b").read_bytes() == b"shared"
