"""The options of the builder `docker`, named as in Packer's plugin, and those that post-processors share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from vmforge.builders.docker.engine import Choice
from vmforge.sdk import Config, Problem, Secret, option

_LATE_IMAGE = "Knows `{{ .Image }}`."


@dataclass(frozen=True, kw_only=True)
class EngineConfig(Config):
    """Which engine."""

    docker_host: str = option(
        "",
        help="Where the engine listens: `unix:///run/podman/podman.sock`, `tcp://HOST:2376`, `ssh://HOST`.",
        default_text="`DOCKER_HOST`, the current Docker context, else the first of Docker's and podman's "
        "sockets that answers",
        affects_image=False,
    )
    docker_path: str = option(
        "docker",
        help="Whose sockets are tried first: `docker` or `podman`. (In Packer the program that is run; here "
        "none is.)",
        affects_image=False,
    )

    @property
    def engine(self) -> Choice:
        return Choice(self.docker_host, self.docker_path)


@dataclass(frozen=True, kw_only=True)
class LoginConfig(EngineConfig):
    """How to log in to a registry. Nothing is written to disk: the login goes with each request."""

    login: bool = option(False, help="Log in to the registry.", affects_image=False)
    login_server: str = option(
        "", help="The registry to log in to.", default_text="Docker Hub", affects_image=False
    )
    login_username: str = option("", help="The user's name there.", affects_image=False)
    login_password: Secret = option(Secret(""), help="The password, or a token.", affects_image=False)
    ecr_login: bool = option(
        False,
        help="Log in to Amazon's ECR at `login_server` with AWS credentials, in place of the other options.",
        affects_image=False,
    )
    aws_access_key: str = option("", help="The AWS access key.", affects_image=False)
    aws_secret_key: Secret = option(Secret(""), help="The AWS secret key.", affects_image=False)
    aws_token: Secret = option(Secret(""), help="The AWS session token.", affects_image=False)
    aws_profile: str = option("", help="The profile among the AWS credentials.", affects_image=False)
    aws_force_use_public_ecr: bool = option(
        False, help="Take `login_server` for a public ECR, whatever its name.", affects_image=False
    )


def check_login(config: LoginConfig) -> Iterator[Problem]:
    """What is wrong with a login."""
    if config.ecr_login and not config.login_server:
        yield Problem("`ecr_login` wants a `login_server`", "ecr_login", hint="set `login_server`")
    if config.login and not config.ecr_login and not (config.login_username and config.login_password):
        hint = "set `login_username` and `login_password`, or leave `login` out and use `docker login`"
        yield Problem("`login` without a name and a password", "login", hint=hint, warning=True)


@dataclass(frozen=True, kw_only=True)
class DockerfileConfig(Config):
    """The image to start from, built from a Dockerfile."""

    path: Path = option(help="The Dockerfile.")
    build_dir: Path = option(Path(), help="The folder that the Dockerfile's `COPY` sees.")
    arguments: Mapping[str, str] = option({}, help="Values of the Dockerfile's `ARG`.")
    pull: bool = option(True, help="Ask the registry for newer images than those that are there.")
    platform: str = option("", help="The platform to build for, as in `linux/arm64`.")
    compress: bool = option(False, help="Send the folder compressed.", affects_image=False)


@dataclass(frozen=True, kw_only=True)
class DockerConfig(LoginConfig):
    """All options of the builder but its communicator's."""

    image: str = option("", help="The image to start from, as `docker pull` takes it.")
    build: DockerfileConfig | None = option(None, help="A Dockerfile whose image to start from.")
    build_only: bool = option(False, help="Stop once the Dockerfile is built: no container, no provisioners.")
    pull: bool = option(True, help="Pull `image` first; else it must be there.", affects_image=False)
    platform: str = option("", help="The platform of the image, as in `linux/arm64`.")
    commit: bool = option(False, help="Make an image of the container.")
    export_path: Path | None = option(
        None, help="Write the container's files to this tar file.", written=True, affects_image=False
    )
    discard: bool = option(False, help="Keep nothing of the container.", affects_image=False)
    changes: tuple[str, ...] = option(
        (), help='Dockerfile instructions for the image: `["USER app", "EXPOSE 8080"]`.'
    )
    author: str = option("", help="The author of the image.")
    message: str = option("", help="What the image's history says of it.")
    run_command: tuple[str, ...] = option(
        (),
        help=f"The arguments of `docker run`. {_LATE_IMAGE}",
        default_text='`["-d", "-i", "-t", "--entrypoint=/bin/sh", "--", "{{ .Image }}"]`',
        late=True,
    )
    volumes: Mapping[str, str] = option({}, help="Folders of this machine, and where the container has them.")
    tmpfs: tuple[str, ...] = option((), help="Folders of the container that are kept in memory.")
    device: tuple[str, ...] = option((), help="Devices of this machine that the container may use.")
    cap_add: tuple[str, ...] = option((), help="Capabilities that the container gets.")
    cap_drop: tuple[str, ...] = option((), help="Capabilities that are taken from the container.")
    privileged: bool = option(False, help="Let the container do all that the engine may.")
    runtime: str = option("", help="The engine's runtime to use (`runsc`, `kata-runtime`).")
    exec_user: str = option("", help="Who runs the commands: a name or number, with `:GROUP` if need be.")
    pty: bool = option(False, help="Give commands a terminal, which mixes standard error into their output.")
    fix_upload_owner: bool = option(
        True, help="Uploads belong to the container's user; else to the number of the user here."
    )
    windows_container: bool = option(False, help="The container runs Windows: commands go to PowerShell.")
    container_dir: str = option(
        "",
        help="Accepted, without effect: Packer's folder for uploads, which go through the engine here.",
        default_text="none",
    )
