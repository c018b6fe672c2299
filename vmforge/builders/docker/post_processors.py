"""The post-processors `docker-import`, `docker-tag`, `docker-push` and `docker-save`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from vmforge.builders.docker import changes as dockerfile
from vmforge.builders.docker.artifact import (
    ARTIFICE_ID,
    BUILDER_ID,
    IMPORT_ID,
    TAG_ID,
    ImageArtifact,
    choice_for,
    must_be,
    tags_of,
)
from vmforge.builders.docker.config import EngineConfig, LoginConfig, check_login
from vmforge.builders.docker.engine import open_engine
from vmforge.builders.docker.images import Images
from vmforge.builders.docker.login import login_of
from vmforge.errors import VmforgeError
from vmforge.sdk import Artifact, BuildContext, PostProcessor, Problem, Processed, option
from vmforge.sdk.network import RemoteInput, RemoteKind

_IMAGES = (IMPORT_ID, TAG_ID)
_NEEDS_IMAGE = "it takes what the builder `docker` with `commit`, `docker-import` or `docker-tag` made"


@contextmanager
def _images(config: EngineConfig, context: BuildContext, artifact: Artifact) -> Iterator[Images]:
    engine = open_engine(choice_for(artifact, config.engine), context.cancellation)
    try:
        yield Images(engine, context)
    finally:
        engine.close()


@dataclass(frozen=True, kw_only=True)
class ImportConfig(EngineConfig):
    """The options of `docker-import`."""

    repository: str = option(help="The name of the image, with its registry if need be.")
    tag: str = option("", help="Its tag.")
    changes: tuple[str, ...] = option((), help="Dockerfile instructions for the image.")
    platform: str = option("", help="The platform that the image is said to be for, as in `linux/arm64`.")


class DockerImportPostProcessor(PostProcessor[ImportConfig]):
    """Makes an image of an exported container."""

    config_type = ImportConfig
    summary = "makes an image of a container that was exported to a tar file"

    @classmethod
    def check(cls, config: ImportConfig) -> Iterable[Problem]:
        for change in dockerfile.unknown(config.changes):
            summary = f"`{change}` is no instruction that an import can make"
            yield Problem(summary, "changes", hint="write `CMD`, `ENV`, `USER` and the like first")

    def process(self, context: BuildContext, artifact: Artifact) -> Processed:
        hint = "it takes what `export_path` of the builder `docker` made; `commit` makes an image already"
        must_be(artifact, (BUILDER_ID, ARTIFICE_ID), "import", hint)
        if not artifact.files:
            raise VmforgeError("the artifact has no file to import", hint="set `export_path`")
        config = self.config
        name = f"{config.repository}:{config.tag}" if config.tag else config.repository
        with _images(config, context, artifact) as images:
            made = images.load(artifact.files[0], config.changes, config.platform)
            images.tag(made, name)
            context.ui.message(f"`{name}` is {made}")
            values = {"ImageSha256": made}
            return Processed(ImageArtifact(IMPORT_ID, name, images.engine.url, values=values))


@dataclass(frozen=True, kw_only=True)
class TagConfig(EngineConfig):
    """The options of `docker-tag`."""

    repository: str = option(help="The name to give, with the registry if it is to be pushed.")
    tags: tuple[str, ...] = option((), help="The tags.", default_text='`["latest"]`', aliases=("tag",))
    force: bool = option(False, help="Accepted, without effect: a tag always moves, as since Docker 1.12.")


class DockerTagPostProcessor(PostProcessor[TagConfig]):
    """Gives an image names."""

    config_type = TagConfig
    summary = "gives an image a name and tags"

    def process(self, context: BuildContext, artifact: Artifact) -> Processed:
        must_be(artifact, _IMAGES, "tag", _NEEDS_IMAGE)
        config = self.config
        with _images(config, context, artifact) as images:
            names = []
            for tag in config.tags or ("",):
                names.append(f"{config.repository}:{tag}" if tag else config.repository)
                images.tag(artifact.id, names[-1])
                context.ui.message(f"`{names[-1]}` is {artifact.id}")
            tags = tuple(names) if config.tags else ()
            values = dict(artifact.state)
            made = ImageArtifact(TAG_ID, names[-1], images.engine.url, tags, values)
        return Processed(made, keep_input=True, must_keep=True)


@dataclass(frozen=True, kw_only=True)
class PushConfig(LoginConfig):
    """The options of `docker-push`."""

    platform: str = option("", help="The platform to push, of an image that has several (Docker 28).")


class DockerPushPostProcessor(PostProcessor[PushConfig]):
    """Brings an image into a registry."""

    config_type = PushConfig
    summary = "pushes an image, by all its tags, to a registry"

    @classmethod
    def check(cls, config: PushConfig) -> Iterable[Problem]:
        yield from check_login(config)

    @classmethod
    def remote_inputs(cls, config: PushConfig) -> Iterable[RemoteInput]:
        urls = (f"https://{config.login_server.rpartition('://')[2]}/",) if config.login_server else ()
        yield RemoteInput(RemoteKind.PROGRAM, "the push of the image", urls)

    def process(self, context: BuildContext, artifact: Artifact) -> Processed:
        must_be(artifact, _IMAGES, "push", _NEEDS_IMAGE)
        names = tuple(dict.fromkeys((artifact.id, *tags_of(artifact))))
        if any(name.startswith("sha256:") for name in names):
            raise VmforgeError("the image has no name to be pushed by", hint="put a `docker-tag` before it")
        with _images(self.config, context, artifact) as images:
            login, digest = login_of(self.config, context), ""
            for name in names:
                digest = images.push(name, login, self.config.platform) or digest
                context.ui.message(f"pushed `{name}`" + (f" ({digest})" if digest else ""))
            values = {**artifact.state, "Digest": digest}
            made = ImageArtifact(IMPORT_ID, artifact.id, images.engine.url, tags_of(artifact), values)
        return Processed(made, keep_input=True)


@dataclass(frozen=True, kw_only=True)
class SaveConfig(EngineConfig):
    """The options of `docker-save`."""

    path: Path = option(help="The tar file to write, as `docker load` reads it.", written=True)


class DockerSavePostProcessor(PostProcessor[SaveConfig]):
    """Writes an image to a file."""

    config_type = SaveConfig
    summary = "writes an image, with its tags, to a tar file"

    def process(self, context: BuildContext, artifact: Artifact) -> Processed:
        must_be(artifact, _IMAGES, "save", _NEEDS_IMAGE)
        with _images(self.config, context, artifact) as images:
            images.save(tuple(dict.fromkeys((artifact.id, *tags_of(artifact)))), self.config.path)
        context.ui.message(f"saved to `{self.config.path}`")
        return Processed(artifact, keep_input=True)


__all__ = [
    "DockerImportPostProcessor",
    "DockerPushPostProcessor",
    "DockerSavePostProcessor",
    "DockerTagPostProcessor",
]
