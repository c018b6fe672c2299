"""Whole builds against podman: what they start from, what they leave, and how they fail."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tarfile
import threading
from pathlib import Path
from typing import Any

import pytest

from vmforge.builders.docker.artifact import ImageArtifact
from vmforge.builders.docker.builder import DockerBuilder
from vmforge.builders.docker.connector import DockerConnector, DockerConnectorConfig
from vmforge.communicators.none import NoneConfig, NoneConnector
from vmforge.errors import CommunicatorError, HostError, Interrupted, VmforgeError
from vmforge.sdk import FileArtifact, Machine
from vmforge.sdk.mark import RunMark
from vmforge.sdk.network import Network
from vmforge.sdk.testing import FakeCommunicator, FakeConnector, configure

ROOT = Path(__file__).parents[4]


def test_a_commit(client: Any) -> None:
    def provision(machine: Machine) -> None:
        assert machine.communicator.run("echo hello >/greeting") == 0
        assert client.podman.containers == [RunMark.of(client.context).name]
        assert len(client.context.data["ID"]) == 64
        assert client.context.data["SourceImageDigest"].startswith("localhost/base@sha256:")

    changes = ["ENV HOSTNAME www.example.com", "EXPOSE 80 443", 'LABEL a=b c="d e"', "WORKDIR /srv"]
    made = client.image(provision, changes=changes, author="Me", message="it is made")
    assert made.builder_id == "packer.post-processor.docker-import"
    assert client.context.data["ImageSha256"] == made.id == f"sha256:{made.id[7:]}"
    assert str(made) == f"Imported Docker image: {made.id}"
    podman = client.podman
    assert podman("run", "--rm", made.id, "cat", "/greeting") == "hello"
    assert json.loads(podman.config(made.id, "ExposedPorts")) == {"80/tcp": {}, "443/tcp": {}}
    # nothing of the build is in the image
    assert json.loads(podman.config(made.id, "Labels")) == {"a": "b", "c": "d e"}
    assert "HOSTNAME=www.example.com" in json.loads(podman.config(made.id, "Env"))
    assert podman("image", "inspect", "--format", "{{.Author}} {{.Comment}}", made.id) == "Me it is made"
    assert podman.containers == []
    made.destroy()
    made.destroy()
    assert made.id[7:19] not in podman("images", "-aq")


@pytest.mark.parametrize(
    ("options", "user"),
    [({}, "root"), ({"image": "localhost/app:1"}, "app"), ({"exec_user": "app:0"}, "app")],
)
def test_whose_home_programs_look_for(client: Any, options: dict[str, str], user: str) -> None:
    seen: list[str] = []
    client.build(lambda machine: seen.append(client.context.data["User"]), discard=True, **options)
    assert seen == [user]


def test_entry_point_and_command_stay_those_of_the_image(client: Any) -> None:
    def config(image: str) -> tuple[Any, Any, Any]:
        parts = ("Entrypoint", "Cmd", "User")
        return tuple(json.loads(client.podman.config(image, part)) for part in parts)  # type: ignore[return-value]

    assert config(client.image(image="localhost/app:1").id) == (["/bin/echo"], ["hi"], "app")
    assert config(client.image().id) == (None, ["/bin/sh"], "")
    made = client.image(image="localhost/app:1", changes=["ENTRYPOINT /start.sh", 'CMD ["-v"]'])
    assert config(made.id)[:2] == (["/bin/sh", "-c", "/start.sh"], ["-v"])


def test_an_export(client: Any, tmp_path: Path) -> None:
    target = tmp_path / "made/system.tar"
    made = client.build(lambda m: m.communicator.run("echo x >/exported") and None, export_path=str(target))
    assert isinstance(made, FileArtifact)
    assert (made.builder_id, made.id, made.files) == ("packer.docker", "Container", (target,))
    with tarfile.open(target) as archive:
        assert "exported" in archive.getnames()
    assert [path.name for path in target.parent.iterdir()] == ["system.tar"]


def test_a_discarded_container(client: Any) -> None:
    made = client.build()
    assert (made.builder_id, made.id, made.files) == ("packer.docker", "Container", ())


def test_how_the_container_is_run(client: Any, tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()

    def provision(machine: Machine) -> None:
        guest = machine.communicator
        lines: list[str] = []
        command = (
            "echo $GREETING; hostname; grep -c ' /fast tmpfs ' /proc/mounts; echo x >/shared/file; ls /dev"
        )
        assert guest.run(command, lambda line, error: lines.append(line)) == 0
        assert lines[:3] == ["hello", "builder", "1"]
        assert "fuse" in lines or not Path("/dev/fuse").exists()
        raw = json.loads(client.podman("inspect", client.context.data["ID"]))[0]
        assert raw["HostConfig"]["CapAdd"] == ["CAP_NET_ADMIN"]
        assert raw["HostConfig"]["CapDrop"] == ["CAP_CHOWN"]
        assert raw["OCIRuntime"] == "runc"

    client.build(
        provision,
        run_command=[
            "-dit",
            "--net=host",
            "-eGREETING=hello",
            "--uts=private",
            "-hbuilder",
            "{{.Image}}",
            "sh",
        ],
        volumes={str(tmp_path / "shared"): "/shared"},
        tmpfs=["/fast"],
        device=["/dev/fuse"] if Path("/dev/fuse").exists() else [],
        cap_add=["NET_ADMIN"],
        cap_drop=["CHOWN"],
        runtime="runc",
        container_dir="/packer-files",
        docker_path="podman",
        platform="linux/amd64",
    )
    assert (tmp_path / "shared/file").read_text() == "x\n"


def test_other_communicators(client: Any) -> None:
    """The container is reached like a machine: by its address, which is the host's here."""
    guest = FakeCommunicator(client.folder)
    reached = {"connector": FakeConnector(guest)}
    client.build(lambda machine: machine.communicator.run("x") and None, context=reached)
    assert guest.commands == ["x"]
    assert (client.context.data["Host"], client.context.data["Port"]) == ("127.0.0.1", "22")
    client.build(context={"connector": NoneConnector(NoneConfig())})


def test_a_privileged_container(client: Any) -> None:
    def provision(machine: Machine) -> None:
        raw = json.loads(client.podman("inspect", client.context.data["ID"]))[0]
        assert raw["HostConfig"]["Privileged"] is True

    client.build(provision, privileged=True)


def test_a_container_that_ends_at_once(client: Any) -> None:
    def provision(machine: Machine) -> None:  # where the start was quick
        while machine.communicator.run("true") == 0:
            pass

    run_command = ["-d", "--net=host", "{{.Image}}", "/bin/sh", "-c", "echo cannot go on; exit 3"]
    with pytest.raises(CommunicatorError, match="the container ended with status 3") as caught:
        client.build(provision, run_command=run_command)
    assert caught.value.detail == "cannot go on"
    assert client.podman.containers == []


def test_a_dockerfile(client: Any, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text(
        "FROM localhost/base:1\nARG WHO=nobody\nCOPY file /file\nRUN echo $WHO >/who\n"
    )
    (tmp_path / "context").mkdir()
    (tmp_path / "context/file").write_text("copied")
    block = {
        "path": str(tmp_path / "Dockerfile"),
        "build_dir": str(tmp_path / "context"),
        "arguments": {"WHO": "me"},
        "pull": False,
        "compress": True,
        "platform": "linux/amd64",
    }

    def provision(machine: Machine) -> None:
        lines: list[str] = []
        machine.communicator.run("cat /who /file", lambda line, error: lines.append(line))
        assert lines == ["me", "copied"]

    client.build(provision, image=None, build=block)
    only = client.image(image=None, build=block, build_only=True)
    assert client.podman("run", "--rm", only.id, "cat", "/who") == "me"
    assert any("RUN echo" in line for line in client.ui.texts("stdout"))
    (tmp_path / "Dockerfile").write_text("FROM localhost/base:1\nRUN exit 9\n")
    with pytest.raises(VmforgeError, match=r"cannot build the Dockerfile: .*exit status 9"):
        client.build(image=None, build=block)


def test_an_image_that_is_pulled(client: Any, registry: Any) -> None:
    name = f"{registry.name}/some/base:7"
    client.podman("tag", "localhost/base:1", name)
    client.podman("push", "-q", name)
    client.podman("rmi", name)
    client.build(image=name, pull=True)
    assert client.context.data["SourceImageDigest"].startswith(f"{registry.name}/some/base@sha256:")
    client.podman("rmi", name)


def test_images_that_cannot_be_had(client: Any, registry: Any) -> None:
    with pytest.raises(VmforgeError, match="the engine has no image `localhost/none`") as caught:
        client.build(image="localhost/none")
    assert "pull = true" in caught.value.hint
    with pytest.raises(VmforgeError, match=r"cannot pull .*manifest unknown"):
        client.build(image=f"{registry.name}/none:1", pull=True)
    client.podman("tag", "localhost/base:1", f"{registry.name}/local:1")
    with pytest.raises(VmforgeError, match="cannot pull") as caught:
        client.build(image=f"{registry.name}/local:1", pull=True)
    assert "`pull = false`" in caught.value.hint
    client.podman("rmi", f"{registry.name}/local:1")


def test_a_registry_that_is_not_there(client: Any, registry_port: int) -> None:
    with pytest.raises(VmforgeError, match=r"cannot pull .*connection refused"):
        client.build(image=f"127.0.0.1:{registry_port}/x:1", pull=True)


def test_a_registry_that_wants_a_login(client: Any, locked_registry: Any) -> None:
    name = f"{locked_registry.name}/secret:1"
    client.podman("tag", "localhost/base:1", name)
    client.podman("push", "-q", "--creds", "me:sesame", name)
    client.podman("rmi", name)
    login = {"login_server": f"http://{locked_registry.name}/v2/", "login_username": "me"}
    with pytest.raises(VmforgeError, match=r"cannot pull .*unauthorized|authentication required"):
        client.build(image=name, pull=True)
    with pytest.raises(VmforgeError, match="cannot pull"):
        client.build(image=name, pull=True, login=True, login_password="wrong", **login)
    client.build(image=name, pull=True, login=True, login_password="sesame", **login)
    # the login is for one registry: no other one sees it
    with pytest.raises(VmforgeError, match="cannot pull"):
        client.podman("rmi", name)
        other = login | {"login_server": "registry.example.com"}
        client.build(image=name, pull=True, login=True, login_password="sesame", **other)
    assert any("the login is for `registry.example.com`" in text for text in client.ui.texts("warn"))


def test_offline_an_image_that_is_there_will_do(client: Any) -> None:
    offline = {"network": Network(offline=True)}
    client.podman("tag", "localhost/base:1", "registry.example.com/base:1")
    client.build(image="registry.example.com/base:1", pull=True, context=offline)
    assert "offline: `registry.example.com/base:1` is not asked for anew" in client.ui.texts("message")
    client.podman("rmi", "registry.example.com/base:1")
    with pytest.raises(VmforgeError, match="cannot look at the image"):
        client.build(image="registry.example.com/none:1", pull=True, context=offline)


def test_engines_that_are_not_there(client: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(HostError, match="no engine for containers answers") as caught:
        client.build(docker_host=f"unix://{tmp_path}/none.sock")
    assert caught.value.detail == f"unix://{tmp_path}/none.sock (`docker_host`): there is no socket"
    assert "systemctl start podman.socket" in caught.value.hint
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
    with pytest.raises(HostError) as caught:
        client.build(docker_host=None)
    assert caught.value.detail == "tcp://127.0.0.1:1 (`DOCKER_HOST`): cannot reach it: Connection refused"


def test_without_the_library(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "docker", None)
    with pytest.raises(HostError, match=r"`docker` is not installed|cannot be imported") as caught:
        client.build()
    assert "pip install 'vmforge[docker]'" in caught.value.hint


def test_another_builders_guest_is_no_container(client: Any) -> None:
    connector = DockerConnector(DockerConnectorConfig())
    context = client.make(lambda machine: None, builder_type="qemu")
    with pytest.raises(VmforgeError, match="the builder `qemu` runs no container"):
        connector.connect(context, lambda: pytest.fail("asked"))


def test_what_dead_builds_left(client: Any) -> None:
    """A build that was killed cannot tidy up; the next one at the same engine does."""
    template = {
        "source": {
            "docker": {
                "base": {
                    "image": "localhost/base:1",
                    "pull": False,
                    "discard": True,
                    "run_command": ["-dit", "--network=host", "{{ .Image }}", "/bin/sh"],
                    "docker_host": client.podman.url,
                }
            }
        },
        "build": {
            "sources": ["docker.base"],
            "provisioner": [{"shell": {"inline": ["echo it runs now", "sleep 600"]}}],
        },
    }
    (client.folder / "t.pkr.json").write_text(json.dumps(template))
    environment = os.environ | {"PYTHONPATH": str(ROOT), "VMFORGE_STATE_DIR": str(client.folder / "state")}
    command = [sys.executable, "-m", "vmforge", "build", "t.pkr.json"]
    with subprocess.Popen(
        command, cwd=client.folder, env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert any("it runs now" in line for line in process.stdout)
        process.send_signal(signal.SIGKILL)
        process.wait()
    (left,) = client.podman.containers
    builder = configure(DockerBuilder, {"image": "x", "discard": True, "docker_host": client.podman.url})
    assert isinstance(builder, DockerBuilder)
    (found,) = builder.leftovers(client.make(lambda machine: None))
    assert (found.kind, found.id) == ("container", left)
    client.build(context={"state_dir": client.folder / "state"})
    assert client.podman.containers == []
    assert any(left in text for text in client.ui.texts("message"))
    found.delete()


def test_a_kept_container(client: Any) -> None:
    """`-on-error=abort` says how to get in."""

    def provision(machine: Machine) -> None:
        lines = client.context.steps.abandon()
        (line,) = (line for line in lines if line)
        assert f"podman exec -it {client.podman.containers[0]} /bin/sh" in line

    client.build(provision)
    client.podman("rm", "-f", "--time=0", *client.podman.containers)


def test_an_image_artifact_of_nowhere(tmp_path: Path) -> None:
    with pytest.raises(HostError, match="no engine"):
        ImageArtifact("x", "y", f"unix://{tmp_path}/none").destroy()


def test_interrupting_a_pull_from_a_registry_that_is_silent(client: Any, registry_port: int) -> None:
    with socket.create_server(("127.0.0.1", registry_port)) as silent:

        def stop() -> None:
            with silent.accept()[0]:
                client.context.cancellation.cancel()
                done.wait(60)

        done = threading.Event()
        threading.Thread(target=stop).start()
        try:
            with pytest.raises(Interrupted):
                client.build(image=f"127.0.0.1:{registry_port}/x:1", pull=True)
        finally:
            done.set()
    assert client.podman.containers == []
