"""Commands and files over WinRM, and what is said when the connection breaks."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vmforge.communicators.winrm import scripts
from vmforge.errors import CommunicatorError, HostError, Interrupted


def run(guest: Any, command: str, **options: Any) -> tuple[int, list[str], list[str]]:
    out: list[str] = []
    err: list[str] = []
    status = guest.run(command, lambda line, error: (err if error else out).append(line), **options)
    return status, out, err


def test_output_comes_by_line_and_stream(server: Any, client: Any) -> None:
    guest = client.connect(server)
    command = "echo one; echo two >&2; printf 'gr\\303\\274n'; exit 7"
    assert run(guest, command) == (7, ["one", "grün"], ["two"])
    assert server.commands == [command]
    assert server.shells == set()
    assert all(running.terminated for running in server.processes.values())


def test_output_is_shown_while_the_command_runs(server: Any, client: Any) -> None:
    guest = client.connect(server)
    flag = server.root / "seen"

    def show(line: str, error: bool) -> None:
        flag.touch()

    status = guest.run(
        "echo go; for i in $(seq 500); do [ -e seen ] && exit 0; sleep 0.02; done; exit 1", show
    )
    assert status == 0


def test_much_output(server: Any, client: Any) -> None:
    status, out, _ = run(client.connect(server), "seq 60000")
    assert (status, len(out), out[-1]) == (0, 60000, "60000")


def test_large_statuses_stay_as_windows_has_them(server: Any, client: Any) -> None:
    guest = client.connect(server)
    # what dies by a signal ends negatively here, and as a number of 32 bits there
    assert guest.run("kill -9 $$") == 2**32 - 9


def test_a_time_limit(server: Any, client: Any) -> None:
    guest = client.connect(server)
    with pytest.raises(CommunicatorError, match=r"`sleep 60` did not end within 1 s"):
        guest.run("sleep 60", timeout=1)
    (running,) = server.processes.values()
    assert running.terminated


def test_the_build_ends_while_a_command_runs(server: Any, client: Any, until: Callable[..., None]) -> None:
    guest = client.connect(server)

    def cancel() -> None:
        until(lambda: server.commands == ["sleep 60"])
        client.context.cancellation.cancel()

    threading.Thread(target=cancel).start()
    with pytest.raises(Interrupted):
        guest.run("sleep 60")


def test_a_guest_that_restarts_in_the_middle(server: Any, client: Any, until: Callable[..., None]) -> None:
    guest = client.connect(server)

    def restart() -> None:
        until(lambda: server.commands == ["echo on; sleep 1; echo; sleep 60"])
        server.restart()

    threading.Thread(target=restart).start()
    with pytest.raises(CommunicatorError, match=r"broke while .* the guest has restarted") as caught:
        guest.run("echo on; sleep 1; echo; sleep 60")
    assert "`windows-restart`" in caught.value.hint
    guest.reconnect(20)
    assert guest.run("exit 2") == 2


def test_a_guest_that_is_gone(server: Any, client: Any) -> None:
    guest = client.connect(server)
    server.stop()
    with pytest.raises(CommunicatorError, match="the connection to the guest broke while `true` ran"):
        guest.run("true")


def test_a_file_arrives_whole_through_one_process(server: Any, client: Any, tmp_path: Path) -> None:
    content = bytes(range(256)) * 8192 + b"end"
    (tmp_path / "file").write_bytes(content)
    guest = client.connect(server)
    guest.upload(tmp_path / "file", "C:\\made\\for it\\it's.bin")
    assert (server.root / "made/for it/it's.bin").read_bytes() == content
    assert len(server.processes) == 1
    # base64 twice: 2 MiB are 3.6 MiB on the wire, and an envelope takes 500 KiB
    assert server.requests.count("Send") == 9
    assert 490 * 1024 < server.largest <= 500 * 1024
    assert client.ui.texts("progress") == ["Uploading C:\\made\\for it\\it's.bin"]


def test_an_old_service_gets_smaller_pieces(server: Any, client: Any) -> None:
    server.envelope = 150
    client.connect(server).upload(io.BytesIO(b"x" * 300_000), "c:/x")
    assert (server.root / "x").stat().st_size == 300_000
    assert server.largest <= 150 * 1024


def test_an_empty_file(server: Any, client: Any, tmp_path: Path) -> None:
    guest = client.connect(server)
    guest.upload(io.BytesIO(b""), "$env:TEMP\\empty")
    assert (server.root / "Temp/empty").read_bytes() == b""
    guest.download("$env:TEMP\\empty", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == b""


def test_a_file_that_cannot_be_written(server: Any, client: Any) -> None:
    (server.root / "folder").mkdir()
    with pytest.raises(
        CommunicatorError, match=r"could not write `c:/folder`: Access to the path is denied\."
    ):
        client.connect(server).upload(io.BytesIO(b"x" * 1_000_000), "c:/folder")


def test_a_local_file_that_is_not_there(server: Any, client: Any, tmp_path: Path) -> None:
    with pytest.raises(HostError, match="cannot read"):
        client.connect(server).upload(tmp_path / "none", "c:/x")


def test_download(server: Any, client: Any, tmp_path: Path) -> None:
    content = bytes(range(256)) * 4096 + b"end"
    (server.root / "file").write_bytes(content)
    client.connect(server).download("c:/file", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == content


def test_a_download_that_fails_leaves_what_was_there(server: Any, client: Any, tmp_path: Path) -> None:
    (tmp_path / "back").write_text("old")
    with pytest.raises(CommunicatorError, match=r"could not read `c:/none`: Could not find file\."):
        client.connect(server).download("c:/none", tmp_path / "back")
    assert (tmp_path / "back").read_text() == "old"


def test_folders_travel_as_one_archive(server: Any, client: Any, tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "deep/empty").mkdir(parents=True)
    (source / "deep/file.txt").write_text("deep")
    (source / "top.txt").write_text("top")
    guest = client.connect(server)
    guest.upload_directory(source, "c:/target")
    assert (server.root / "target/deep/file.txt").read_text() == "deep"
    assert (server.root / "target/deep/empty").is_dir()
    guest.download_directory("c:/target", tmp_path / "back")
    assert (tmp_path / "back/deep/file.txt").read_text() == "deep"
    assert (tmp_path / "back/deep/empty").is_dir()
    assert (tmp_path / "back/top.txt").read_text() == "top"
    assert list((server.root / "Temp").iterdir()) == []


def test_a_folder_that_is_not_there(server: Any, client: Any, tmp_path: Path) -> None:
    guest = client.connect(server)
    with pytest.raises(CommunicatorError, match="there is no such folder"):
        guest.download_directory("c:/none", tmp_path / "back")
    with pytest.raises(HostError, match="there is no folder"):
        guest.upload_directory(tmp_path / "none", "c:/x")


def test_the_guest_is_not_trusted_with_paths(server: Any, client: Any, tmp_path: Path) -> None:
    (server.root / "evil").mkdir()
    (server.root / "evil" / "..\\out").write_text("out")
    with pytest.raises(CommunicatorError, match="leads out of the folder"):
        client.connect(server).download_directory("c:/evil", tmp_path / "back")
    assert not (tmp_path / "out").exists()


def test_scripts_as_texts(golden: Callable[[str, str], None]) -> None:
    """PowerShell is not on the machines that test vmforge: a change of its texts must be looked at."""
    parts = {
        "upload": scripts.upload("C:/it's.txt"),
        "download": scripts.download("C:/file"),
        "unpack": scripts.unpack("$env:TEMP\\a.zip", "C:/folder"),
        "pack": scripts.pack("C:/folder", "$env:TEMP\\a.zip"),
        "remove": scripts.remove("C:/file"),
    }
    golden("winrm/scripts.txt", "\n".join(f"=== {name}\n{text}" for name, text in parts.items()))


def test_a_script_stands_on_one_line_whatever_it_holds() -> None:
    line = " ".join(scripts.arguments("'\"äöü\n"))
    assert line.isascii()
    assert "'" not in line and '"' not in line
