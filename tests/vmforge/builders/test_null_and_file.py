"""The builders without a machine: `null` provisions a host that exists, `file` writes a file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vmforge.builders.file import FileBuilder
from vmforge.builders.null import NullBuilder
from vmforge.communicators.none import NoneConfig, NoneConnector
from vmforge.errors import CommunicatorError, HostError, VmforgeError
from vmforge.sdk import BuildContext, Communicator, Endpoint
from vmforge.sdk.component import Problem
from vmforge.sdk.testing import FakeCommunicator, FakeConnector, configure, fake_context

# -- null -------------------------------------------------------------------------------------------


class HostConnector(FakeConnector):
    """Connects to a host with a fixed address; remembers what it was asked."""

    def __init__(self, communicator: Communicator, host: str = "198.51.100.7") -> None:
        super().__init__(communicator)
        self._host = host
        self.log: list[str] = []

    @property
    def host(self) -> str:
        return self._host

    def prepare(self, context: BuildContext) -> dict[str, str]:
        return {"ConnType": "ssh", "User": "root"}

    def connect(
        self, context: BuildContext, endpoint: Callable[[], Endpoint], *, time_scale: float = 1.0
    ) -> Communicator:
        self.log.append(f"connect {endpoint()}")
        return super().connect(context, endpoint, time_scale=time_scale)

    def finish(self, context: BuildContext, communicator: Communicator) -> None:
        self.log.append("finish")


def build_null(context: BuildContext) -> Any:
    return configure(NullBuilder, {}).build(context)  # type: ignore[attr-defined]


def test_null_provisions_a_host_and_leaves_nothing(tmp_path: Path) -> None:
    guest = FakeCommunicator(tmp_path)
    connector = HostConnector(guest)

    def provision(machine: Any) -> None:
        connector.log.append(machine.communicator.kind)

    context = fake_context(tmp_path, connector=connector, provision=provision)
    artifact = build_null(context)
    assert connector.log == ["connect 198.51.100.7:22", "ssh", "finish"]
    assert context.data == {"ConnType": "ssh", "User": "root", "Host": "198.51.100.7", "Port": "22"}
    assert (artifact.builder_id, artifact.id, artifact.files) == ("fnoeding.null", "Null", ())
    assert str(artifact) == "Did not export anything. This is the null builder"


def test_null_needs_a_host(tmp_path: Path) -> None:
    context = fake_context(tmp_path, connector=HostConnector(FakeCommunicator(tmp_path), host=""))
    with pytest.raises(VmforgeError, match="the host to provision is not known") as caught:
        build_null(context)
    assert caught.value.hint == "set `ssh_host`"


def test_null_without_a_communicator_runs_what_runs_here(tmp_path: Path) -> None:
    seen: list[str] = []

    def provision(machine: Any) -> None:
        seen.append(machine.communicator.kind)
        with pytest.raises(CommunicatorError):
            machine.communicator.run("true")

    build_null(fake_context(tmp_path, connector=NoneConnector(NoneConfig()), provision=provision))
    assert seen == ["none"]


# -- file -------------------------------------------------------------------------------------------


def build_file(tmp_path: Path, **options: Any) -> Any:
    return configure(FileBuilder, options).build(fake_context(tmp_path))  # type: ignore[attr-defined]


def file_problems(**options: Any) -> list[Problem]:
    return list(FileBuilder.check(FileBuilder.config_type(**options)))


def test_file_writes_a_text(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "motd"
    artifact = build_file(tmp_path, target=str(target), content="hello\n")
    assert target.read_text() == "hello\n"
    assert [path.name for path in target.parent.iterdir()] == ["motd"]
    assert (artifact.builder_id, artifact.id, artifact.files) == ("packer.file", "File", (target,))
    assert str(artifact) == f"Stored file: {target}"
    artifact.destroy()
    assert not target.exists()


def test_file_copies(tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(b"\0\1\2")
    build_file(tmp_path, target=str(tmp_path / "copy"), source=str(tmp_path / "source"))
    assert (tmp_path / "copy").read_bytes() == b"\0\1\2"


def test_file_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("as it was")
    with pytest.raises(HostError) as caught:
        build_file(tmp_path, target=str(tmp_path / "target"), source=str(tmp_path / "missing"))
    assert caught.value.message == f"cannot read `{tmp_path}/missing`: No such file or directory"
    assert (tmp_path / "target").read_text() == "as it was"
    assert [path.name for path in tmp_path.iterdir()] == ["target"]


def test_file_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "folder").write_text("is a file")
    with pytest.raises(HostError, match=r"cannot write `.*/folder/target`: (Not a directory|File exists)"):
        build_file(tmp_path, target=str(tmp_path / "folder" / "target"), content="x")


def test_what_is_wrong_with_a_file(tmp_path: Path) -> None:
    target = tmp_path / "target"
    (both,) = file_problems(target=target, source=Path("a"), content="b")
    assert (both.summary, both.option, both.warning) == (
        "`source` and `content` are both set",
        "content",
        False,
    )
    # Packer writes an empty file, and says so
    (neither,) = file_problems(target=target)
    assert (neither.summary, neither.warning) == (
        "the file will be empty: there is nothing to write",
        True,
    )
    assert file_problems(target=target, content="x") == []
