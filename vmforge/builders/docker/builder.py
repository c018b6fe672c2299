"""The builder `docker`: an image or a file from a container that was provisioned."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from vmforge.builders.docker import changes as dockerfile
from vmforge.builders.docker.artifact import BUILDER_ID
from vmforge.builders.docker.config import DockerConfig, check_login
from vmforge.builders.docker.run_command import parse
from vmforge.sdk import Artifact, BuildContext, Builder, Presets, Problem
from vmforge.sdk.body import Body
from vmforge.sdk.leftovers import Leftover
from vmforge.sdk.network import RemoteInput

if TYPE_CHECKING:
    from vmforge.sdk.interpolate import Interpolator

_WAYS = "`commit`, `export_path` and `discard`"


class DockerBuilder(Builder[DockerConfig]):
    """Provisions a container of Docker or podman, and makes an image or a tar file of it."""

    config_type = DockerConfig
    builder_id = BUILDER_ID
    summary = "provisions a container of Docker or podman, and makes an image or a file of it"

    @classmethod
    def presets(cls, body: Body, engine: Interpolator) -> Presets:
        """The communicator is `docker`, unless the source names another."""
        return Presets({"communicator": "docker"})

    @classmethod
    def check(cls, config: DockerConfig) -> Iterable[Problem]:
        yield from _check_source(config)
        yield from _check_result(config)
        yield from check_login(config)
        if config.run_command:
            try:
                parse(config.run_command)
            except ValueError as error:
                yield Problem(f"`run_command`: {error}", "run_command", hint="see docs/docker.md")
        for change in dockerfile.unknown(config.changes):
            summary = f"`{change}` is no instruction that a commit can make"
            yield Problem(summary, "changes", hint="write `CMD`, `ENV`, `USER` and the like first")

    @classmethod
    def remote_inputs(cls, config: DockerConfig) -> Iterable[RemoteInput]:
        from vmforge.builders.docker.images import input_of

        if config.image and config.pull:
            yield input_of(config.image)

    def build(self, context: BuildContext) -> Artifact | None:
        from vmforge.builders.docker.recipe import Recipe

        return Recipe(self.config, context).run()

    def leftovers(self, context: BuildContext) -> Iterable[Leftover]:
        from vmforge.builders.docker.engine import open_engine
        from vmforge.builders.docker.recipe import leftovers

        engine = open_engine(self.config.engine, context.cancellation)
        return leftovers(engine)


def _check_source(config: DockerConfig) -> Iterable[Problem]:
    if config.image and config.build is not None:
        yield Problem("`image` and `build` are both set", "build", hint="keep one of them")
    if not config.image and config.build is None:
        yield Problem("there is no image to start from", hint="set `image`, or write a block `build`")
    if config.build_only and (config.build is None or not config.commit):
        hint = "write a block `build`, and set `commit = true`"
        yield Problem("`build_only` has nothing to build, or nothing to keep it for", "build_only", hint=hint)


def _check_result(config: DockerConfig) -> Iterable[Problem]:
    chosen = [
        name for name in ("commit", "export_path", "discard") if getattr(config, name) not in (False, None)
    ]
    if not chosen:
        yield Problem("nothing is said about what to do with the container", hint=f"set one of {_WAYS}")
    if len(chosen) > 1:
        listed = " and ".join(f"`{name}`" for name in chosen)
        yield Problem(f"{listed} are both set", chosen[1], hint=f"keep one of {_WAYS}")
    if config.export_path is not None and config.export_path.is_dir():
        yield Problem(f"`{config.export_path}` is a folder", "export_path", hint="write the name of a file")
    for name in ("changes", "author", "message"):
        if getattr(config, name) and not config.commit:
            yield Problem(f"`{name}` has no effect without `commit`", name, hint="set `commit`", warning=True)
