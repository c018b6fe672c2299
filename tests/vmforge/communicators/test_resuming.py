"""Uploads whose connection breaks, and several threads on one connection."""

from __future__ import annotations

import contextlib
import io
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from vmforge.errors import CommunicatorError

SIZE = 3_500_000


class Breaking(io.BytesIO):
    """Does something when it has been read up to a place, once for each."""

    def __init__(self, content: bytes, *places: int, act: Any) -> None:
        super().__init__(content)
        self._places, self._act = list(places), act

    def read(self, size: int | None = -1) -> bytes:
        if self._places and self.tell() >= self._places[0]:
            self._places.pop(0)
            self._act()
        return super().read(size)


@pytest.fixture(params=["sshd", "bare_sshd"])
def server(request: pytest.FixtureRequest) -> Any:
    """A server with SFTP, and one without."""
    return request.getfixturevalue(request.param)


def wait_until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


def is_open(path: Path) -> bool:
    """Whether a process of the guest has the file open."""
    opened = set()
    for descriptor in Path("/proc").glob("[0-9]*/fd/*"):
        with contextlib.suppress(OSError):
            opened.add(str(descriptor.readlink()))
    return str(path) in opened


def said(client: Any) -> list[str]:
    return [text for text in client.ui.texts("message") if text.startswith("SSH: the upload of")]


def test_upload_goes_on_where_it_broke(client: Any, server: Any, relay: Any, tmp_path: Path) -> None:
    line = relay(server.port)
    communicator = client.connect(line.endpoint, server=server)
    content = b"not of it" + os.urandom(SIZE)
    source = Breaking(content, 1_500_000, 3_000_000, act=line.cut)
    source.seek(9)
    communicator.upload(source, f"{tmp_path}/file", mode=0o600)
    assert (tmp_path / "file").read_bytes() == content[9:]
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o600
    assert len(said(client)) == 1
    assert " went on after its first " in said(client)[0]
    assert communicator.run("true") == 0


def test_what_the_guest_has_wrong_is_sent_again(client: Any, server: Any, relay: Any, tmp_path: Path) -> None:
    line = relay(server.port)
    communicator = client.connect(line.endpoint, server=server)
    content, file = os.urandom(SIZE), tmp_path / "file"

    def crash() -> None:
        """As after a reset of the guest: the file's content was never written."""
        wait_until(lambda: file.exists() and file.stat().st_size > 0)
        line.cut()
        wait_until(lambda: not is_open(file))
        file.write_bytes(b"\0" * 2_000_000)

    communicator.upload(Breaking(content, 1_500_000, act=crash), f"{tmp_path}/file")
    assert (tmp_path / "file").read_bytes() == content
    assert said(client) == [f"SSH: the upload of `{tmp_path}/file` was made from the beginning"]


def test_source_that_cannot_be_read_again_is_not_resumed(
    client: Any, sshd: Any, relay: Any, tmp_path: Path
) -> None:
    line = relay(sshd.port)
    communicator = client.connect(line.endpoint, server=sshd)
    source = Breaking(b"x" * SIZE, 3_000_000, act=line.cut)
    source.seekable = lambda: False  # type: ignore[method-assign]
    with pytest.raises(CommunicatorError, match="the connection to the guest broke while uploading"):
        communicator.upload(source, f"{tmp_path}/file")


def test_guest_that_does_not_come_back(
    client: Any, own_sshd: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vmforge.communicators.ssh.communicator._COME_BACK", 0.5)
    communicator = client.connect(own_sshd)
    with pytest.raises(CommunicatorError) as caught:
        communicator.upload(Breaking(b"x" * SIZE, 3_000_000, act=own_sshd.stop), f"{tmp_path}/file")
    message = caught.value.message
    assert message.startswith(f"the connection to the guest broke while uploading `{tmp_path}/file`")
    assert ", and the guest did not come back: no SSH connection within" in message


def test_close_ends_an_upload_for_good(client: Any, own_sshd: Any, tmp_path: Path) -> None:
    communicator = client.connect(own_sshd)

    def stop() -> None:
        own_sshd.stop()
        threading.Timer(0.3, communicator.close).start()

    with pytest.raises(CommunicatorError, match="broke while uploading"):
        communicator.upload(Breaking(b"x" * SIZE, 3_000_000, act=stop), f"{tmp_path}/file")
    own_sshd.start()
    communicator.reconnect(20)
    assert communicator.run("true") == 0


def test_several_threads_share_a_connection(client: Any, sshd: Any, tmp_path: Path) -> None:
    communicator = client.connect(sshd)
    before = (sshd.folder / "log").read_text().count("Accepted ")
    contents = [os.urandom(500_000) for _ in range(6)]

    def work(number: int) -> tuple[int, bytes]:
        communicator.upload(io.BytesIO(contents[number]), f"{tmp_path}/{number}")
        status = communicator.run(f"exit {number}")
        communicator.download(f"{tmp_path}/{number}", tmp_path / f"back-{number}")
        return status, (tmp_path / f"back-{number}").read_bytes()

    with ThreadPoolExecutor(6) as threads:
        assert list(threads.map(work, range(6))) == list(enumerate(contents))
    assert (sshd.folder / "log").read_text().count("Accepted ") == before


def test_threads_that_upload_come_back_together(client: Any, sshd: Any, relay: Any, tmp_path: Path) -> None:
    line = relay(sshd.port)
    communicator = client.connect(line.endpoint, server=sshd)
    contents = [os.urandom(SIZE) for _ in range(3)]
    together = threading.Barrier(3, line.cut)

    def work(number: int) -> bytes:
        source = Breaking(contents[number], 2_000_000, act=together.wait)
        communicator.upload(source, f"{tmp_path}/{number}")
        return (tmp_path / f"{number}").read_bytes()

    with ThreadPoolExecutor(3) as threads:
        assert list(threads.map(work, range(3))) == contents


def test_more_sessions_than_the_server_allows(
    client: Any, own_sshd: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vmforge.communicators.ssh.session._CROWDED", 0.2)
    own_sshd.stop()
    own_sshd.settings = (*own_sshd.settings, "MaxSessions 1")
    own_sshd.start()
    communicator = client.connect(own_sshd)
    communicator.upload(io.BytesIO(b"x"), f"{own_sshd.folder}/file")  # its channel makes room
    began = threading.Event()
    command = f"echo up; while [ ! -e {own_sshd.folder}/go ]; do sleep 0.05; done"
    with ThreadPoolExecutor(1) as threads:
        running = threads.submit(communicator.run, command, lambda line, error: began.set())
        assert began.wait(20)
        with pytest.raises(CommunicatorError, match="opens no more sessions on this connection") as caught:
            communicator.run("true")
        (own_sshd.folder / "go").touch()
        assert running.result(20) == 0
    assert "`MaxSessions`" in caught.value.hint
