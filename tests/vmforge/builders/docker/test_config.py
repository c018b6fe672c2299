"""What is wrong with a source, how to log in, and where engines are looked for."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from vmforge.builders.docker import engine, post_processors
from vmforge.builders.docker.builder import DockerBuilder
from vmforge.builders.docker.config import LoginConfig
from vmforge.builders.docker.login import Login, login_of
from vmforge.builders.docker.places import places
from vmforge.errors import VmforgeError
from vmforge.sdk import Secret
from vmforge.sdk.testing import configure, fake_context

ROOT = Path(__file__).parents[4]
GOOD: dict[str, Any] = {"image": "debian:12", "commit": True}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"image": None}, "there is no image to start from"),
        ({"build": {"path": "Dockerfile"}}, "`image` and `build` are both set"),
        ({"commit": False}, "nothing is said about what to do with the container"),
        ({"discard": True}, "`commit` and `discard` are both set"),
        ({"commit": False, "export_path": "."}, "`.` is a folder"),
        ({"commit": False, "discard": True, "author": "me"}, "`author` has no effect without `commit`"),
        ({"build_only": True}, "`build_only` has nothing to build"),
        ({"ecr_login": True}, "`ecr_login` wants a `login_server`"),
        ({"login": True, "login_username": "me"}, "`login` without a name and a password"),
        ({"run_command": ["--gpus=all", "{{.Image}}"]}, "`run_command`: `--gpus` is no flag"),
        ({"changes": ["RUN date"]}, "`RUN date` is no instruction that a commit can make"),
    ],
)
def test_what_is_wrong_with_a_source(changes: dict[str, Any], message: str) -> None:
    values = {name: value for name, value in (GOOD | changes).items() if value is not None}
    with pytest.raises(ValueError) as caught:
        configure(DockerBuilder, values)
    assert message in str(caught.value)


def test_what_is_wrong_with_an_import() -> None:
    with pytest.raises(ValueError, match="`RUN x` is no instruction"):
        configure(post_processors.DockerImportPostProcessor, {"repository": "x", "changes": ["RUN x"]})


def test_templates_of_packer_are_valid(tmp_path: Path) -> None:
    """Every option, under the names that Packer's plugin has; and no library is loaded for it."""
    source = GOOD | {
        "communicator": "dockerWindowsContainer",
        "windows_container": True,
        "docker_path": "docker",
        "container_dir": "c:/packer-files",
        "login": True,
        "login_username": "me",
        "login_password": "sesame",
        "login_server": "registry.example.com",
    }
    push = {"ecr_login": True, "aws_force_use_public_ecr": True, "login_server": "public.ecr.aws/x"}
    aws = {"aws_access_key": "A", "aws_secret_key": "secret", "aws_token": "token", "aws_profile": "default"}
    chain = [
        {"type": "docker-tag", "repository": "a/b", "tags": ["1"], "force": True},
        {"type": "docker-push", **push, **aws},
        {"type": "docker-save", "path": "saved.tar"},
    ]
    imported = {"type": "docker-import", "repository": "a/b", "tag": "1", "platform": "linux/amd64"}
    template = {
        "builders": [
            {"type": "docker", "name": "windows", **source},
            {"type": "docker", "name": "ssh", "communicator": "ssh", "ssh_username": "root", **GOOD},
            {"type": "docker", "name": "built", "build": {"path": "Dockerfile"}, "export_path": "x.tar"},
        ],
        "provisioners": [{"type": "shell", "inline": ["date"]}],
        "post-processors": [chain, [imported, chain[0], {"type": "docker-push"}]],
    }
    (tmp_path / "t.json").write_text(json.dumps(template))
    script = "import sys; from vmforge.cli import main; sys.argv[1:] = ['validate', 't.json']\n" + (
        "try:\n    main()\nfinally:\n    print({m.split('.')[0] for m in sys.modules} & {'docker', 'boto3'})"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT), "VMFORGE_STATE_DIR": str(tmp_path)}
    ended = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert "set()" in ended.stdout
    assert "sesame" not in ended.stdout + ended.stderr


def urls(wanted: str = "", program: str = "docker", **environment: str) -> list[str]:
    return [place.url for place in places(wanted, program, environment)]


def test_where_engines_are_looked_for() -> None:
    assert urls("/x.sock", DOCKER_HOST="tcp://h") == ["unix:///x.sock"]
    assert urls(DOCKER_HOST="tcp://h", CONTAINER_HOST="unix:///c") == ["tcp://h"]
    assert urls(program="/usr/bin/podman", DOCKER_HOST="tcp://h", CONTAINER_HOST="unix:///c") == ["unix:///c"]
    runtime = {"XDG_RUNTIME_DIR": "/run/user/7", "HOME": "/h"}
    assert urls(**runtime)[:3] == [
        "unix:///var/run/docker.sock",
        "unix:///run/user/7/docker.sock",
        "unix:///h/.docker/run/docker.sock",
    ]
    assert urls(program="podman", **runtime)[0] == "unix:///run/user/7/podman/podman.sock"
    assert "unix:///run/podman/podman.sock" in urls()


def test_a_docker_context(client: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As `docker context create` writes it."""
    from docker.context import Context

    monkeypatch.setattr("docker.context.config.get_context_dir", lambda: str(tmp_path / "contexts"))
    Context("elsewhere", endpoints={"docker": {"Host": client.podman.url, "SkipTLSVerify": False}}).save()
    context = client.make(lambda machine: None)
    (tmp_path / "config.json").write_text('{"currentContext": "elsewhere"}')
    assert engine.open_engine(engine.Choice(), context.cancellation).url == client.podman.url
    monkeypatch.setenv("DOCKER_CONTEXT", "none")
    with pytest.raises(VmforgeError, match="there is no Docker context `none`"):
        engine.open_engine(engine.Choice(), context.cancellation)


@pytest.mark.parametrize(
    ("image", "server", "goes_along"),
    [
        ("debian", "docker.io", True),
        ("me/app:1", "docker.io", True),
        ("registry.example.com:5000/app@sha256:00", "registry.example.com:5000", True),
        ("registry.example.com/app", "docker.io", False),
        ("debian", "registry.example.com", False),
    ],
)
def test_a_login_goes_to_its_registry_alone(image: str, server: str, goes_along: bool) -> None:
    login = Login(server, "me", "sesame").auth_config(image)
    assert (login is not None) == goes_along
    assert login in (None, {"username": "me", "password": "sesame", "serveraddress": server})


@pytest.mark.parametrize("server", ["", "https://index.docker.io/v1/", "docker.io"])
def test_names_of_the_hub(server: str, tmp_path: Path) -> None:
    config = LoginConfig(login=True, login_server=server, login_username="me", login_password=Secret("x"))
    login = login_of(config, fake_context(tmp_path))
    assert login is not None and login.server == "docker.io"


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Any:
    moto = pytest.importorskip("moto")
    for name in ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    with moto.mock_aws():
        yield


def ecr(server: str, **more: Any) -> LoginConfig:
    keys = {"aws_access_key": "A", "aws_secret_key": Secret("secret"), "aws_token": Secret("t")}
    return LoginConfig(ecr_login=True, login_server=server, **keys, **more)


def test_a_login_to_ecr(aws: Any, tmp_path: Path) -> None:
    hidden: list[str] = []
    context = fake_context(tmp_path, redact=hidden.extend)
    config = ecr("https://123456789012.dkr.ecr.eu-west-1.amazonaws.com/app")
    login = login_of(config, context)
    assert login is not None
    assert (login.server, login.username) == ("123456789012.dkr.ecr.eu-west-1.amazonaws.com", "AWS")
    assert login.password and hidden == [login.password]


def test_logins_to_ecr_that_fail(aws: Any, tmp_path: Path) -> None:
    context = fake_context(tmp_path)
    with pytest.raises(VmforgeError, match=r"`registry.example.com` is no address of ECR"):
        login_of(ecr("registry.example.com"), context)
    config = LoginConfig(
        ecr_login=True, login_server="1" * 12 + ".dkr.ecr.eu-west-1.amazonaws.com", aws_profile="none"
    )
    with pytest.raises(VmforgeError, match=r"ECR gives no login: .*none"):
        login_of(config, context)
