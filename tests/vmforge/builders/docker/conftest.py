"""Real counterparts: podman's API on a socket of its own, with an image made of busybox, and a registry."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.guest_system import write_base
from vmforge.builders.docker import container
from vmforge.builders.docker.artifact import ImageArtifact
from vmforge.builders.docker.builder import DockerBuilder
from vmforge.builders.docker.connector import DockerConnector, DockerConnectorConfig
from vmforge.sdk import Artifact, BuildContext, Machine
from vmforge.sdk.testing import RecordingUi, configure, fake_context

BASE = "localhost/base:1"

# What runs containers on machines with hybrid cgroups and little rights too.
_CONTAINERS = """
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
netns = "host"
[engine]
runtime = "runc"
"""


@dataclass(frozen=True)
class Podman:
    """A service of podman: where it listens, and the environment to ask the same podman directly."""

    url: str
    environment: dict[str, str]

    def __call__(self, *arguments: str) -> str:
        done = subprocess.run(
            ["podman", *arguments], env=self.environment, check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    @property
    def containers(self) -> list[str]:
        return self("ps", "-a", "--format", "{{.Names}}").split()

    def config(self, image: str, part: str) -> str:
        return self("image", "inspect", "--format", "{{json .Config." + part + "}}", image)


@pytest.fixture(scope="session")
def podman(tmp_path_factory: pytest.TempPathFactory, registry_port: int) -> Iterator[Podman]:
    if shutil.which("podman") is None or os.getuid():
        pytest.skip("`podman` is not installed, or not for root")
    folder = tmp_path_factory.mktemp("podman")
    environment = _settings(folder, registry_port)
    place = folder / "podman.sock"
    service = subprocess.Popen(
        ["podman", "system", "service", "--time=0", f"unix://{place}"],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _await_socket(place, service)
        found = Podman(f"unix://{place}", environment)
        _load(found, folder / "base.tar")
        yield found
        found("rm", "--all", "--force", "--time=0")
    finally:
        service.send_signal(signal.SIGTERM)
        service.wait(20)
        _end_monitors(folder)
    assert str(folder) not in Path("/proc/mounts").read_text()


def _end_monitors(folder: Path) -> None:
    """Podman watches over each `exec` for five minutes more, for who asks how it ended."""
    for place in Path("/proc").glob("[0-9]*"):
        try:
            is_ours = str(folder).encode() in (place / "cmdline").read_bytes()
        except OSError:
            continue  # it has ended
        if is_ours:
            os.kill(int(place.name), signal.SIGKILL)


def _settings(folder: Path, registry: int) -> dict[str, str]:
    (folder / "containers.conf").write_text(_CONTAINERS)
    (folder / "storage.conf").write_text(
        f'[storage]\ndriver = "vfs"\nrunroot = "{folder}/run"\ngraphroot = "{folder}/graph"\n'
    )
    (folder / "registries.conf").write_text(
        f'[[registry]]\nlocation = "127.0.0.1:{registry}"\ninsecure = true\n'
    )
    names = {"CONTAINERS_CONF": "containers", "CONTAINERS_STORAGE_CONF": "storage"}
    names["CONTAINERS_REGISTRIES_CONF"] = "registries"
    return {**os.environ, **{name: str(folder / f"{file}.conf") for name, file in names.items()}}


def _await_socket(place: Path, service: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and service.poll() is None:
        with socket.socket(socket.AF_UNIX) as client:
            try:
                client.connect(str(place))
                return
            except OSError:
                time.sleep(0.05)
    raise RuntimeError("podman's service does not listen")


def _load(podman: Podman, archive: Path) -> None:
    write_base(archive)
    podman("import", "--change", 'CMD ["/bin/sh"]', str(archive), BASE)
    # the same as somebody else, with an entry point
    user = ["--change", "USER app", "--change", "WORKDIR /tmp", "--change", 'ENTRYPOINT ["/bin/echo"]']
    podman("import", *user, "--change", 'CMD ["hi"]', str(archive), "localhost/app:1")


@pytest.fixture(scope="session")
def registry_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@dataclass
class Registry:
    name: str
    folder: Path

    def has(self, repository: str, tag: str) -> bool:
        tags = self.folder / f"docker/registry/v2/repositories/{repository}/_manifests/tags"
        return (tags / tag).is_dir()


@contextmanager
def serving(folder: Path, port: int, more: str = "") -> Iterator[Registry]:
    """Debian's registry; `more` is added to its configuration."""
    program = shutil.which("docker-registry")
    if program is None:
        pytest.skip("`docker-registry` is not installed")
    folder.mkdir()
    config = folder / "registry.yml"
    config.write_text(
        "version: 0.1\nlog: {level: error}\n"
        f"storage: {{filesystem: {{rootdirectory: {folder}}}}}\nhttp: {{addr: '127.0.0.1:{port}'}}\n{more}"
    )
    process = subprocess.Popen([program, "serve", str(config)], stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                assert time.monotonic() < deadline and process.poll() is None
                time.sleep(0.05)
        yield Registry(f"127.0.0.1:{port}", folder)
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture
def registry(tmp_path: Path, registry_port: int) -> Iterator[Registry]:
    with serving(tmp_path / "registry", registry_port) as found:
        yield found


@pytest.fixture
def locked_registry(tmp_path: Path, registry_port: int) -> Iterator[Registry]:
    """One that wants the user `me` with the password `sesame`."""
    import bcrypt

    passwords = tmp_path / "htpasswd"
    passwords.write_text(f"me:{bcrypt.hashpw(b'sesame', bcrypt.gensalt(4)).decode()}\n")
    more = f"auth: {{htpasswd: {{realm: test, path: {passwords}}}}}\n"
    with serving(tmp_path / "registry", registry_port, more) as found:
        yield found


@pytest.fixture(autouse=True)
def no_surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nobody's engines and logins."""
    for name in ("DOCKER_HOST", "CONTAINER_HOST", "DOCKER_CONTEXT", "XDG_RUNTIME_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    # the host's network: a bridge would be left behind
    monkeypatch.setattr(container, "LINUX", ("--network=host", *container.LINUX))


Provision = Callable[[Machine], None]


@dataclass
class Client:
    """Builds as the pipeline does."""

    podman: Podman
    folder: Path
    ui: RecordingUi = field(default_factory=RecordingUi)
    context: BuildContext | None = None

    def make(self, provision: Provision, **changes: Any) -> BuildContext:
        values: dict[str, Any] = {
            "builder_type": "docker",
            "full_name": "docker.base",
            "connector": DockerConnector(DockerConnectorConfig()),
            "run_uuid": str(uuid.uuid4()),
            "started": time.time(),
            "provision": provision,
            "ui": self.ui,
        }
        self.context = fake_context(self.folder, **(values | changes))
        return self.context

    def build(
        self, provision: Provision = lambda machine: None, *, context: Any = None, **options: Any
    ) -> Artifact:
        """Build with these options from the base image, which is not pulled; returns the artifact."""
        values: dict[str, Any] = {"image": BASE, "pull": False, "docker_host": self.podman.url} | options
        if not {"commit", "export_path"} & values.keys():
            values["discard"] = True
        builder = configure(DockerBuilder, {name: v for name, v in values.items() if v is not None})
        assert isinstance(builder, DockerBuilder)
        made = self.make(provision, **(context or {}))
        try:
            artifact = builder.build(made)
        except BaseException as error:
            made.steps.release(error)
            raise
        made.steps.release()
        assert artifact is not None
        return artifact

    def image(self, provision: Provision = lambda machine: None, **options: Any) -> ImageArtifact:
        made = self.build(provision, commit=True, **options)
        assert isinstance(made, ImageArtifact)
        return made


@pytest.fixture
def client(podman: Podman, tmp_path: Path) -> Client:
    return Client(podman, tmp_path)
