"""The guest agent's communicator against `qemu-ga` itself."""

from __future__ import annotations

import io
import tarfile
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from vmforge.communicators.agent import AgentConnector
from vmforge.errors import CommunicatorError, HostError, Interrupted, MachineError, VmforgeError
from vmforge.sdk import Endpoint, tarfiles
from vmforge.sdk.testing import configure


def run(guest: Any, command: str, **options: Any) -> tuple[int, list[str], list[str]]:
    out: list[str] = []
    err: list[str] = []
    status = guest.run(command, lambda line, error: (err if error else out).append(line), **options)
    return status, out, err


def left(mark: str = ".vmforge") -> set[str]:
    return {path.name for path in Path("/tmp").glob(f"{mark}*")}


def test_commands(agent: Any, client: Any) -> None:
    before = left()
    guest = client.connect(agent)
    assert guest.kind == "agent"
    assert run(guest, "echo one; echo two >&2; cat; printf three; exit 7") == (7, ["one", "three"], ["two"])
    assert run(guest, "kill -9 $$")[0] == 137
    assert left() == before
    assert client.ui.texts("message") == ["guest agent: answers"]


def test_output_is_shown_while_the_command_runs(agent: Any, client: Any, tmp_path: Path) -> None:
    flag = tmp_path / "seen"
    guest = client.connect(agent)
    command = f"echo go; for i in $(seq 500); do [ -e {flag} ] && exit 0; sleep 0.02; done; exit 1"
    assert guest.run(command, lambda line, error: flag.touch()) == 0


def test_more_output_than_the_agent_would_keep(agent: Any, client: Any) -> None:
    status, out, _ = run(client.connect(agent), "yes 0123456789012345678901234567890 | head -c 20000000")
    assert (status, sum(len(line) + 1 for line in out)) == (0, 20_000_000)


def ends(pid: int) -> bool:
    """Whether a process is gone, or only waits to be collected: a signal takes a moment to work."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return True
        if state == "Z":
            return True
        time.sleep(0.01)
    return False


def test_a_time_limit_ends_the_command(agent: Any, client: Any, tmp_path: Path) -> None:
    guest = client.connect(agent)
    with pytest.raises(CommunicatorError, match=r"did not end within 0\.3 s"):
        guest.run(f"echo $$ > {tmp_path}/pid; exec sleep 60", timeout=0.3)
    assert ends(int((tmp_path / "pid").read_text()))


def test_the_build_ends_while_a_command_runs(agent: Any, client: Any) -> None:
    guest = client.connect(agent)
    with pytest.raises(Interrupted):
        guest.run("echo go; sleep 20", lambda line, error: client.context.cancellation.cancel())


def test_an_agent_that_goes_away_and_comes_back(agent: Any, client: Any) -> None:
    guest = client.connect(agent)
    with pytest.raises(CommunicatorError, match="the guest's agent does not answer"):
        guest.run("echo go; sleep 20", lambda line, error: agent.stop())
    threading.Timer(0.3, agent.start).start()
    guest.reconnect(20)
    assert guest.run("exit 4") == 4


def test_files(agent: Any, client: Any, tmp_path: Path) -> None:
    content = bytes(range(256)) * 12_000
    (tmp_path / "local").write_bytes(content)
    (tmp_path / "local").chmod(0o751)
    guest = client.connect(agent)
    guest.upload(tmp_path / "local", str(tmp_path / "there"))
    assert (tmp_path / "there").read_bytes() == content
    assert (tmp_path / "there").stat().st_mode & 0o777 == 0o751
    guest.upload(io.BytesIO(b"text"), str(tmp_path / "text"), mode=0o600)
    assert (tmp_path / "text").stat().st_mode & 0o777 == 0o600
    guest.download(str(tmp_path / "there"), tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == content
    assert "Uploading" in client.ui.texts("progress")[0]


def test_the_agents_own_words_when_it_refuses(agent: Any, client: Any, tmp_path: Path) -> None:
    guest = client.connect(agent)
    with pytest.raises(CommunicatorError, match=r"refused `guest-file-open`: .*No such file or directory"):
        guest.upload(io.BytesIO(b"x"), f"{tmp_path}/none/file")
    with pytest.raises(CommunicatorError, match="refused `guest-file-open`"):
        guest.download(f"{tmp_path}/none", tmp_path / "back")
    assert not (tmp_path / "back").exists()
    with pytest.raises(HostError, match="cannot read"):
        guest.upload(tmp_path / "none", "/tmp/x")


def test_folders(agent: Any, client: Any, tmp_path: Path) -> None:
    before = left()
    source = tmp_path / "source"
    (source / "deep").mkdir(parents=True)
    (source / "deep/file").write_text("deep")
    (source / "deep/file").chmod(0o755)
    (source / "link").symlink_to("deep/file")
    guest = client.connect(agent)
    guest.upload_directory(source, f"{tmp_path}/it's there")
    assert (tmp_path / "it's there/deep/file").stat().st_mode & 0o777 == 0o755
    assert (tmp_path / "it's there/link").readlink() == Path("deep/file")
    guest.download_directory(f"{tmp_path}/it's there", tmp_path / "back")
    assert (tmp_path / "back/link").read_text() == "deep"
    assert left() == before
    with pytest.raises(CommunicatorError, match="could not read"):
        guest.download_directory(f"{tmp_path}/none", tmp_path / "back")
    with pytest.raises(HostError, match="there is no folder"):
        guest.upload_directory(tmp_path / "none", "/tmp/x")


@pytest.mark.parametrize("name", ["../out", "/out", "link/out"])
def test_the_guest_is_not_trusted_with_paths(tmp_path: Path, name: str) -> None:
    with tarfile.open(tmp_path / "evil.tar", "w") as archive:
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, ".."
        archive.addfile(link)
        archive.addfile(tarfile.TarInfo(name))
    with pytest.raises(CommunicatorError, match="leads out of the folder"):
        tarfiles.unpack(tmp_path / "evil.tar", tmp_path / "inside")
    assert not (tmp_path / "out").exists()


def test_an_agent_that_may_not_run_commands(start_agent: Callable[..., Any], client: Any) -> None:
    agent = start_agent(blocked=("guest-exec", "guest-file-open"))
    with pytest.raises(CommunicatorError, match="may not do `guest-exec`, `guest-file-open`") as caught:
        client.connect(agent, agent_timeout="300ms")
    assert "qemu-ga.conf" in caught.value.hint


def test_no_agent_in_the_guest(start_agent: Callable[..., Any], client: Any) -> None:
    agent = start_agent()
    agent.stop()
    with pytest.raises(CommunicatorError, match="last seen: the guest's agent does not answer") as caught:
        client.connect(agent, agent_timeout="300ms")
    assert "`qemu-guest-agent`" in caught.value.hint


def test_a_machine_that_is_dead_ends_the_wait(agent: Any, client: Any) -> None:
    def endpoint() -> Endpoint:
        raise MachineError("it died")

    connector = configure(AgentConnector, {})
    assert isinstance(connector, AgentConnector)
    with pytest.raises(MachineError, match="it died"):
        connector.connect(replace(client.context, agent=agent), endpoint)


def test_a_builder_without_an_agent(client: Any) -> None:
    with pytest.raises(VmforgeError, match="gives no way to the guest's agent"):
        client.connect(None)


def test_what_templates_get_to_know(client: Any) -> None:
    connector = configure(AgentConnector, {})
    assert isinstance(connector, AgentConnector)
    assert connector.prepare(client.context) == {"ConnType": "agent", "User": "root"}
    assert (connector.needs_network, connector.reaches_guest, connector.port) == (False, True, 0)
    with pytest.raises(ValueError, match="leaves no time"):
        configure(AgentConnector, {"agent_timeout": "0s"})


def test_windows_runs_batch_files(windows: Any, client: Any) -> None:
    guest = client.connect(windows)
    command = 'printf "a b" && echo err >&2; exit 3'
    assert run(guest, command) == (3, ["a b"], ["err"])
    batch = windows.started[0][2]
    assert batch.startswith("C:\\Windows\\Temp\\vmforge-agent-")
    assert windows.started == [["cmd.exe", "/c", batch], ["cmd.exe", "/c", "del", batch]]
    assert run(guest, "echo much")[2] == ["", "(the agent kept 16 MiB of the output)"]
