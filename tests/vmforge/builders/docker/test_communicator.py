"""Commands and files in a real container."""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vmforge.errors import CommunicatorError, HostError, Interrupted
from vmforge.sdk import Communicator

Use = Callable[[Communicator], None]


@pytest.fixture
def inside(client: Any) -> Callable[..., None]:
    """Calls something with the communicator of a running container."""

    def run(use: Use, **options: Any) -> None:
        client.build(lambda machine: use(machine.communicator), **options)

    return run


def run(guest: Communicator, command: str, **options: Any) -> tuple[int, list[str], list[str]]:
    out: list[str] = []
    err: list[str] = []
    status = guest.run(command, lambda line, error: (err if error else out).append(line), **options)
    return status, out, err


def test_commands(inside: Any) -> None:
    def use(guest: Communicator) -> None:
        assert guest.kind == "docker"
        assert run(guest, "echo one; echo two >&2; cat; printf three; exit 7") == (
            7,
            ["one", "three"],
            ["two"],
        )
        assert run(guest, "kill -9 $$")[0] == 137
        assert run(guest, "id -u; pwd") == (0, ["0", "/"], [])
        big = run(guest, "i=0; while [ $i -lt 20000 ]; do echo $i; i=$((i+1)); done")[1]
        assert big == [str(i) for i in range(20000)]

    inside(use)


def test_output_comes_while_the_command_runs(inside: Any) -> None:
    def use(guest: Communicator) -> None:
        def answer(line: str, error: bool) -> None:
            if line == "ready":  # only once that was heard can the command end
                guest.upload(io.BytesIO(b""), "/tmp/go")

        assert guest.run("echo ready; while [ ! -e /tmp/go ]; do sleep 0.1; done", answer, timeout=30) == 0

    inside(use)


def test_a_command_that_takes_too_long_is_ended_with_its_children(inside: Any) -> None:
    def use(guest: Communicator) -> None:
        with pytest.raises(CommunicatorError, match=r"did not end within 0.5 s"):
            guest.run("(trap '' TERM; sleep 321) & wait", timeout=0.5)
        assert run(guest, "ps | grep -c '[s]leep 321'")[1] == ["0"]

    inside(use)


def test_who_runs_commands_and_owns_files(inside: Any, tmp_path: Path) -> None:
    (tmp_path / "script").write_text("x")
    (tmp_path / "script").chmod(0o750)
    (tmp_path / "tree/deep").mkdir(parents=True)
    (tmp_path / "tree/deep/file").write_text("y")
    owners = "stat -c '%u %g %a' /tmp/script /tmp/new/tree /tmp/new/tree/deep/file"

    def use(guest: Communicator) -> None:
        assert run(guest, "id -un; pwd")[1] == ["app", "/tmp"]
        guest.upload(tmp_path / "script", "script")
        guest.upload_directory(tmp_path / "tree", "/tmp/new/tree")
        assert run(guest, owners)[1] == ["1000 1001 750", "1000 1001 755", "1000 1001 644"]

    def use_as_root(guest: Communicator) -> None:
        assert run(guest, "id -un")[1] == ["root"]
        guest.upload(tmp_path / "script", "/tmp/script", mode=0o600)
        assert run(guest, "stat -c '%u %g %a' /tmp/script")[1] == ["77 78 600"]

    inside(use, image="localhost/app:1")
    os.chown(tmp_path / "script", 77, 78)
    inside(use_as_root, image="localhost/app:1", exec_user="root", fix_upload_owner=False)


def test_a_terminal(inside: Any) -> None:
    def use(guest: Communicator) -> None:
        assert run(guest, "test -t 1 && echo yes; echo err >&2") == (0, ["yes", "err"], [])

    inside(use, pty=True)


class OneWay(io.RawIOBase):
    """A stream that does not tell its size."""

    def __init__(self, data: bytes) -> None:
        self._stream = io.BytesIO(data)

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        return self._stream.read(size)


def test_files(inside: Any, client: Any, tmp_path: Path) -> None:
    content = os.urandom(3 * 1024 * 1024 + 77)
    (tmp_path / "big").write_bytes(content)

    def use(guest: Communicator) -> None:
        guest.upload(tmp_path / "big", "/tmp/it's here")
        guest.upload(OneWay(b"small"), "/tmp/small")  # type: ignore[arg-type]
        run(guest, 'ln -s "it\'s here" /tmp/link; ln -s /tmp/link /tmp/further; mkdir /d; ln -s /d /to-d')
        guest.download("/tmp/further", tmp_path / "back")
        guest.download("/tmp/small", tmp_path / "small")
        guest.upload(io.BytesIO(b"1"), "/to-d/x")
        assert run(guest, "cat /d/x")[1] == ["1"]
        for missing in ("/tmp/none", "/d", "/none/x"):
            with pytest.raises(CommunicatorError, match=r"there is no|is a folder"):
                guest.download(missing, tmp_path / "none")
        with pytest.raises(CommunicatorError, match="there is no folder `/none`"):
            guest.upload(io.BytesIO(b""), "/none/x")
        with pytest.raises(HostError, match="cannot read"):
            guest.upload(tmp_path / "none", "/tmp/x")
        assert run(guest, "ls /none")[0] != 0

    inside(use)
    assert (tmp_path / "back").read_bytes() == content
    assert (tmp_path / "small").read_text() == "small"
    assert not (tmp_path / "none").exists()
    assert "Uploading /tmp/it's here" in client.ui.texts("progress")


def test_folders(inside: Any, tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "deep").mkdir(parents=True)
    (source / "deep/file").write_text("deep")
    (source / "deep/file").chmod(0o755)
    (source / "link").symlink_to("deep/file")

    def use(guest: Communicator) -> None:
        guest.upload_directory(source, "/srv/it's there")
        run(guest, 'cd /srv/it*; ln deep/file other; ln -s "/srv/it\'s there" /srv/short; touch /f')
        guest.download_directory("/srv/short", tmp_path / "back")
        guest.download_directory("/srv/it's there", tmp_path / "again")
        with pytest.raises(CommunicatorError, match="`/f` is no folder"):
            guest.download_directory("/f", tmp_path / "none")
        with pytest.raises(CommunicatorError, match="there is no `/none`"):
            guest.download_directory("/none", tmp_path / "none")
        with pytest.raises(CommunicatorError, match="cannot make the folder `/f/x`"):
            guest.upload_directory(source, "/f/x")
        with pytest.raises(HostError, match="there is no folder"):
            guest.upload_directory(tmp_path / "none", "/tmp/x")

    inside(use)
    for back in (tmp_path / "back", tmp_path / "again"):
        assert (back / "deep/file").stat().st_mode & 0o777 == 0o755
        assert (back / "link").readlink() == Path("deep/file")
        assert (back / "other").read_text() == "deep"


def test_a_container_that_ends_is_started_again(inside: Any) -> None:
    def use(guest: Communicator) -> None:
        guest.upload(io.BytesIO(b"kept"), "/tmp/kept")
        with pytest.raises(CommunicatorError, match="the container ended with status 5"):
            guest.run("kill 1; sleep 60")
        with pytest.raises(CommunicatorError, match="the container ended with status 5"):
            guest.run("true")
        guest.reconnect(30)
        guest.reconnect(30)
        assert run(guest, "cat /tmp/kept")[1] == ["kept"]

    waits = "trap 'exit 5' TERM; while :; do sleep 0.1; done"
    inside(use, run_command=["-it", "--net=host", "{{.Image}}", "/bin/sh", "-c", waits])


def test_interrupting_a_command_ends_the_wait_and_the_container(client: Any) -> None:
    def use(machine: Any) -> None:
        def stop(line: str, error: bool) -> None:
            threading.Timer(0.1, client.context.cancellation.cancel).start()

        machine.communicator.run("echo started; sleep 600", stop)

    with pytest.raises(Interrupted):
        client.build(use)
    assert client.podman.containers == []
