"""The build of a container, start to end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from types import TracebackType

from vmforge.builders.docker import changes as dockerfile
from vmforge.builders.docker.artifact import BUILDER_ID, ENGINE, IMPORT_ID, ImageArtifact
from vmforge.builders.docker.config import DockerConfig
from vmforge.builders.docker.connector import DockerConnector
from vmforge.builders.docker.container import Container, RunningContainer, named
from vmforge.builders.docker.engine import Engine, open_engine
from vmforge.builders.docker.errors import EngineError
from vmforge.builders.docker.images import Image, Images
from vmforge.builders.docker.login import Login, login_of
from vmforge.builders.docker.transfers import image_id
from vmforge.errors import VmforgeError
from vmforge.sdk import Artifact, BuildContext, Communicator, FileArtifact
from vmforge.sdk.cloud import note_build
from vmforge.sdk.connection import Connection
from vmforge.sdk.leftovers import Leftover
from vmforge.sdk.mark import RunMark

_BEGINNING = "vmforge-"
# What `build.ImageSha256` and `build.SourceImageDigest` say while there is none, as in Packer.
_NO_IMAGE, _NO_DIGEST = "ERR_IMAGE_SHA256_NOT_FOUND", "ERR_SOURCE_IMAGE_DIGEST_NOT_FOUND"


class Recipe:
    """One build."""

    def __init__(self, config: DockerConfig, context: BuildContext) -> None:
        self.config, self.context, self.steps = config, context, context.steps

    def run(self) -> Artifact | None:
        """The recipe."""
        context, config = self.context, self.config
        context.data.update(context.connector.prepare(context))
        context.data.setdefault("ImageSha256", _NO_IMAGE)
        context.data.setdefault("SourceImageDigest", _NO_DIGEST)
        engine = self.steps.enter("Reaching the engine", _Opened(config, context), quiet=True)
        images = Images(engine, context)
        name, image = self._source(images)
        if config.build_only:
            return self._image(engine, image.id)
        mark = self._note(engine)
        running = RunningContainer(engine, context, config, name, image, mark.name)
        container = self.steps.enter(f"Starting a container of {name}", running)
        context.ui.message(f"container `{container.name}` ({container.id[:12]}), {engine}")
        context.data["ID"] = container.id
        communicator = self._connect(container)
        context.provision(_Machine(communicator))
        context.connector.finish(context, communicator)
        return self._keep(images, container, image)

    def _source(self, images: Images) -> tuple[str, Image]:
        """The image to start from, pulled or built."""
        config = self.config
        if config.build is not None:
            dockerfile_config = config.build
            name = self.steps.run(
                f"Building {dockerfile_config.path}", lambda: images.build(dockerfile_config)
            )
        else:
            name = config.image
            if config.pull:
                self.steps.run(f"Pulling {name}", lambda: images.pull(name, config.platform, self._login()))
        image = self._look(images, name)
        self.context.data["SourceImageDigest"] = image.digest or _NO_DIGEST
        return name, image

    def _look(self, images: Images, name: str) -> Image:
        try:
            return images.look(name)
        except EngineError as error:
            if not error.is_absence:
                raise
            hint = "set `pull = true`" if not self.config.pull else ""
            raise VmforgeError(f"the engine has no image `{name}`", hint=hint) from None

    def _login(self) -> Login | None:
        return login_of(self.config, self.context)

    def _note(self, engine: Engine) -> RunMark:
        """Write down that there will be a container, having removed those of builds that were killed."""
        mark = RunMark.of(self.context)
        note_build(self.context, mark, f"containers of {engine.url}", lambda: leftovers(engine))
        return mark

    def _connect(self, container: Container) -> Communicator:
        context, connector = self.context, self.context.connector
        if isinstance(connector, DockerConnector):
            return connector.attach(context, container, self.config)
        if not connector.needs_network:
            return connector.connect(context, lambda: container.endpoint(0))
        communicator = self.steps.enter(
            f"Waiting for {context.data.get('ConnType', 'the container').upper()}",
            Connection(context, lambda: container.endpoint(connector.port)),
        )
        where = container.endpoint(connector.port)
        context.data["Host"], context.data["Port"] = connector.host or where.host, str(where.port)
        return communicator

    def _keep(self, images: Images, container: Container, image: Image) -> Artifact:
        config, target = self.config, self.config.export_path
        if config.commit:
            made = self.steps.run("Committing the container", lambda: self._commit(container, image))
            return self._image(container.engine, made)
        if target is None:
            self.context.cancellation.check()  # no other step will
            return FileArtifact(BUILDER_ID, "Container", (), "Discarded the container")
        chunks = container.engine.stream("export the container", lambda api: api.export(container.id))
        self.steps.run(
            f"Exporting the container to {target}", lambda: images.write(target, f"Writing {target}", chunks)
        )
        state = {ENGINE: container.engine.url}
        return FileArtifact(
            BUILDER_ID, "Container", (target,), f"Exported Docker file: {target}", state=state
        )

    def _commit(self, container: Container, image: Image) -> str:
        config, engine = self.config, container.engine
        made = dockerfile.restored(config.changes, image.entrypoint, image.command)
        if engine.is_podman:
            made = dockerfile.for_podman(made)
        answer = engine.call(
            "commit the container",
            lambda api: api.commit(container.id, author=config.author, message=config.message, changes=made),
        )
        return image_id(str(answer["Id"]))

    def _image(self, engine: Engine, name: str) -> ImageArtifact:
        self.context.data["ImageSha256"] = name
        self.context.ui.message(f"image `{name}`")
        return ImageArtifact(IMPORT_ID, name, engine.url, values={"ImageSha256": name})


def leftovers(engine: Engine) -> Iterator[Leftover]:
    """The containers of builds, whoever's."""
    for container in named(engine, _BEGINNING):
        mark = RunMark.read_name(container.name)
        if mark is not None:
            yield Leftover("container", container.name, mark, container.remove, engine.url)


@dataclass(frozen=True)
class _Machine:
    communicator: Communicator


@dataclass
class _Opened(AbstractContextManager[Engine]):
    """The engine, for as long as the build runs."""

    config: DockerConfig
    context: BuildContext
    _engine: Engine | None = None

    def __enter__(self) -> Engine:
        self._engine = open_engine(self.config.engine, self.context.cancellation)
        return self._engine

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._engine is not None:
            self._engine.close()
