"""Built-in components in rehearsals, and rehearsals that find what is wrong."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar

import pytest

from vmforge.builders.file import FileBuilder
from vmforge.builders.null import NullBuilder
from vmforge.communicators.ssh import SshConnector
from vmforge.communicators.winrm import WinRmConnector
from vmforge.data_sources.null import NullDataSource
from vmforge.errors import CommunicatorError, Interrupted, VmforgeError
from vmforge.post_processors.checksum import ChecksumPostProcessor
from vmforge.post_processors.compress import CompressPostProcessor
from vmforge.post_processors.manifest import ManifestPostProcessor
from vmforge.provisioners.file import FileProvisioner
from vmforge.provisioners.shell import ShellProvisioner
from vmforge.sdk import (
    Artifact,
    BuildContext,
    Builder,
    Communicator,
    Config,
    Connector,
    DataSource,
    Endpoint,
    FileArtifact,
    Machine,
    PostProcessor,
    Processed,
    Provisioner,
)
from vmforge.sdk.testing import (
    ContractViolation,
    FakeCommunicator,
    FakeConnector,
    check_artifact,
    check_builder,
    check_communicator,
    check_connector,
    check_data_source,
    check_post_processor,
    check_provisioner,
)


def violation(check: Callable[[], None]) -> str:
    with pytest.raises(ContractViolation) as found:
        check()
    return str(found.value)


def test_builders(tmp_path: Path) -> None:
    class Host(FakeConnector):
        host = "guest.example"

    guest = FakeCommunicator(tmp_path)
    check_builder(FileBuilder, {"target": "out/file", "content": "text"}, tmp_path / "file")
    check_builder(NullBuilder, {}, tmp_path / "null", connector=Host(guest))


def test_provisioners(tmp_path: Path) -> None:
    def guest(root: Path) -> None:
        (root / "tmp").mkdir()

    (tmp_path / "file").write_text("text")
    check_provisioner(ShellProvisioner, {"inline": ["true"]}, tmp_path / "shell", guest=guest)
    upload = {"source": str(tmp_path / "file"), "destination": "/tmp/file"}
    check_provisioner(FileProvisioner, upload, tmp_path / "upload", guest=guest)


@pytest.mark.parametrize("component", [ChecksumPostProcessor, CompressPostProcessor, ManifestPostProcessor])
def test_post_processors(component: type[PostProcessor[Any]], tmp_path: Path) -> None:
    check_post_processor(component, {}, tmp_path)


def test_data_sources() -> None:
    check_data_source(NullDataSource, {"input": "text"})


@pytest.mark.parametrize("component", [SshConnector, WinRmConnector])
def test_connectors(component: type[Connector[Any]], tmp_path: Path) -> None:
    kind = "winrm" if component is WinRmConnector else "ssh"
    check_connector(component, {f"{kind}_username": "root", f"{kind}_password": "x"}, tmp_path)


class _Thing:
    """Something that a builder acquires, by name."""

    held: ClassVar[set[str]] = set()

    def __init__(self, name: str) -> None:
        self.name = name

    def __enter__(self) -> str:
        self.held.add(self.name)
        return self.name

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.held.discard(self.name)


class Careful(Builder[Config]):
    builder_id = "test"
    summary = "builds from things that it gives back"

    def build(self, context: BuildContext) -> Artifact | None:
        context.steps.enter("Taking a thing", _Thing("thing"))
        machine = context.steps.enter("Taking a machine", _Machine(context))
        context.provision(machine)
        context.steps.run("Making the image", self.finish)
        return FileArtifact(self.builder_id, "image", (Path("image"),), "an image")

    def finish(self) -> None:
        Path("image").write_text("image")


@dataclass
class _Machine:
    context: BuildContext

    def __enter__(self) -> _Machine:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    @property
    def communicator(self) -> Communicator:
        return FakeCommunicator(self.context.scratch)


class Forgetful(Careful):
    """Acquires beside the steps."""

    def build(self, context: BuildContext) -> Artifact | None:
        _Thing("forgotten").__enter__()
        artifact = super().build(context)
        _Thing.held.clear()
        return artifact


class Hasty(Careful):
    """Writes the image before it is provisioned."""

    def build(self, context: BuildContext) -> Artifact | None:
        self.finish()
        return super().build(context)


class Deaf(Careful):
    """Goes on whatever happens."""

    def build(self, context: BuildContext) -> Artifact | None:
        try:
            return super().build(context)
        except Interrupted:
            raise VmforgeError("it did not work") from None


class Crashing(Careful):
    def build(self, context: BuildContext) -> Artifact | None:
        try:
            return super().build(context)
        except VmforgeError:
            raise KeyError("image") from None


class Spawning(Careful):
    """Leaves a process to itself."""

    processes: ClassVar[list[subprocess.Popen[bytes]]] = []

    def build(self, context: BuildContext) -> Artifact | None:
        self.processes.append(subprocess.Popen(["sleep", "60"]))
        return super().build(context)


class Vague(Careful):
    def build(self, context: BuildContext) -> Artifact | None:
        super().build(context)
        return FileArtifact("", "image", (Path("nowhere"),), "two\nlines")


@pytest.fixture(autouse=True)
def nothing_held() -> Iterator[None]:
    yield
    _Thing.held.clear()
    for process in Spawning.processes:
        process.kill()
        process.wait()
    Spawning.processes.clear()


def check_with_things(component: type[Builder[Any]], folder: Path) -> None:
    check_builder(component, {}, folder, left_behind=lambda: [f"the thing `{name}`" for name in _Thing.held])


def test_a_careful_builder_passes(tmp_path: Path) -> None:
    check_with_things(Careful, tmp_path)


@pytest.mark.parametrize(
    ("component", "fault"),
    [
        (Forgetful, "leaves the thing `forgotten` when `Taking a machine` fails before its work"),
        (Hasty, "leaves the file `image` when `context.provision` fails before its work"),
        (Deaf, "raises `it did not work` in place of `Interrupted` when `Taking a thing` is followed by"),
        (
            Crashing,
            "raises `KeyError: 'image'`, no `VmforgeError`, when `Taking a thing` fails before its work",
        ),
        (Spawning, "leaves the process"),
        (Vague, "the artifact's file `nowhere` is not there"),
    ],
)
def test_a_builder_that_is_not(
    component: type[Builder[Any]], fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vmforge.sdk.testing.surroundings._GRACE", 0.0)
    assert fault in violation(lambda: check_with_things(component, tmp_path))


def test_artifacts(tmp_path: Path) -> None:
    file = tmp_path / "image"
    file.write_text("image")
    check_artifact(FileArtifact("test", "image", (file,), "an image"))

    class Stuck(FileArtifact):
        def destroy(self) -> None:
            raise OSError("busy")

    file.write_text("image")
    told = violation(lambda: check_artifact(Stuck("test", "image", (file,), "an image")))
    assert "`destroy`, called twice, raises `OSError: busy`" in told
    assert "`destroy` leaves the artifact's file `image`" in told


class Polite(Provisioner[Config]):
    summary = "says hello in the guest"

    def provision(self, context: BuildContext, machine: Machine) -> None:
        machine.communicator.run("echo hello")


class Credulous(Polite):
    def provision(self, context: BuildContext, machine: Machine) -> None:
        try:
            super().provision(context, machine)
        except CommunicatorError:
            print("gone")


class Brittle(Polite):
    def provision(self, context: BuildContext, machine: Machine) -> None:
        try:
            super().provision(context, machine)
        except CommunicatorError as error:
            raise RuntimeError("gone") from error


@pytest.mark.parametrize(
    ("component", "fault"),
    [
        (Credulous, "takes a guest that never answers for provisioned"),
        (Credulous, "prints `gone`"),
        (Brittle, "raises `RuntimeError: gone`, no `VmforgeError`, when the guest goes at call 1"),
    ],
)
def test_a_provisioner_that_misjudges_its_guest(
    component: type[Provisioner[Any]], fault: str, tmp_path: Path
) -> None:
    check_provisioner(Polite, {}, tmp_path / "polite")
    assert fault in violation(lambda: check_provisioner(component, {}, tmp_path / "other"))


class Moving(PostProcessor[Config]):
    summary = "moves the image"

    def process(self, context: BuildContext, artifact: Artifact) -> Processed:
        target = Path("moved")
        context.steps.run("Moving", lambda: artifact.files[0].rename(target))
        return Processed(FileArtifact("test", "", (target,), "moved"))


def test_a_post_processor_that_takes_its_input(tmp_path: Path) -> None:
    told = violation(lambda: check_post_processor(Moving, {}, tmp_path))
    assert "changes its input when nothing disturbs it" in told


class Odd(DataSource[Config]):
    summary = "gives what no template can hold"

    def read(self) -> dict[str, Any]:
        return {"good": ["text", {"n": 1}], "bad": object()}


class Broken(Odd):
    def read(self) -> dict[str, Any]:
        raise KeyError("x")


def test_data_sources_that_are_wrong() -> None:
    assert "`bad` is <object" in violation(lambda: check_data_source(Odd, {}))
    assert "`read` raises `KeyError: 'x'`" in violation(lambda: check_data_source(Broken, {}))


class Patient(Connector[Config]):
    """Waits for its guest whatever the user does."""

    summary = "waits"
    port = 22
    host = ""
    enough = threading.Event()

    def connect(
        self, context: BuildContext, endpoint: Callable[[], Endpoint], *, time_scale: float = 1.0
    ) -> Communicator:
        try:
            endpoint()
        except CommunicatorError:
            self.enough.wait()
        raise CommunicatorError("enough")


def test_a_connector_that_does_not_hear(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vmforge.sdk.testing.communicators._PATIENCE", 0.2)
    told = violation(lambda: check_connector(Patient, {}, tmp_path))
    Patient.enough.set()
    assert "goes on waiting for a guest when the build is cancelled" in told


def test_a_guest_that_only_pretends(tmp_path: Path) -> None:
    local = tmp_path / "local"
    local.mkdir()
    told = violation(lambda: check_communicator(FakeCommunicator(tmp_path), local, "/"))
    assert "`run` gives 0 for a command that ends with 3" in told
    assert "in place of `deep/file`" not in told
