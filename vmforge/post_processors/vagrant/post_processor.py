"""Makes Vagrant boxes of the machine that a build left."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from vmforge.errors import VmforgeError
from vmforge.images.blocks import total_size
from vmforge.images.box.architectures import vagrant_architecture
from vmforge.images.box.archive import BoxContents, BoxFile, first_clash, write_box
from vmforge.images.staging import StagedFile, write_failed
from vmforge.post_processors.output import output_fields
from vmforge.post_processors.vagrant.boxes import BOXES, BUILDER_ID, Box
from vmforge.post_processors.vagrant.catalog import add_boxes
from vmforge.post_processors.vagrant.config import BoxSettings, Provider, VagrantConfig, check
from vmforge.post_processors.vagrant.contents import BoxMaker, default_provider, described_machine
from vmforge.sdk import (
    Artifact,
    BuildContext,
    FileArtifact,
    PostProcessor,
    Problem,
    Processed,
)
from vmforge.sdk.values import format_bytes

WRITER = "vagrant"


class VagrantPostProcessor(PostProcessor[VagrantConfig]):
    """Makes Vagrant boxes."""

    config_type = VagrantConfig
    summary = "makes Vagrant boxes for libvirt, VirtualBox, VMware and Hyper-V"

    @classmethod
    def check(cls, config: VagrantConfig) -> Iterable[Problem]:
        return check(config)

    @classmethod
    def local_inputs(cls, config: VagrantConfig) -> Iterable[Path]:
        for provider in config.providers or tuple(Provider):
            settings = config.settings(provider)
            generated = settings.vagrantfile_template_generated or not settings.vagrantfile_template
            yield from map(Path, [*settings.include, *([] if generated else [settings.vagrantfile_template])])

    def process(self, context: BuildContext, artifact: Artifact) -> Processed:
        override = self.config.provider_override
        providers = self.config.providers or (override or default_provider(artifact),)
        boxes = tuple(self._make(context, artifact, provider) for provider in providers)
        if self.config.catalog is not None:
            add_boxes(self.config.catalog, boxes, context)
        named = ", ".join(f"'{box.provider}' provider box: {box.path}" for box in boxes)
        files = tuple(box.path for box in boxes)
        made = FileArtifact(BUILDER_ID, ",".join(providers), files, named, state={BOXES: boxes})
        return Processed(made)

    def _make(self, context: BuildContext, artifact: Artifact, provider: Provider) -> Box:
        """Make the box of one provider."""
        settings = self.config.settings(provider)
        machine = described_machine(artifact, context.name)
        architecture = settings.architecture or vagrant_architecture(machine.architecture)
        fields = output_fields(context) | {
            "Provider": provider.value,
            "Architecture": architecture,
            "ArtifactId": artifact.id,
        }
        target = Path(context.render(settings.output, fields))
        if any(target.absolute() == path.absolute() for path in artifact.files):
            hint = "set `output` to another name"
            raise VmforgeError(f"`output` is the artifact's own file `{target}`", hint=hint)
        custom = _custom_vagrantfile(settings, fields, context)
        with _workspace(target) as workspace:
            maker = BoxMaker(artifact, machine, architecture, settings.level, Path(workspace), context)
            contents = _completed(maker.make(provider), settings, custom)
            self._write(contents, target, settings, context)
        return Box(target, str(contents.metadata["provider"]), architecture)

    def _write(
        self, contents: BoxContents, target: Path, settings: BoxSettings, context: BuildContext
    ) -> None:
        size = total_size(file.path for file in contents.files)
        with (
            context.ui.progress(f"Packing {target}", size) as progress,
            StagedFile(target, WRITER) as file,
        ):

            def tick(done: int) -> None:
                context.cancellation.check()
                progress.advance(done)

            write_box(file, contents, settings.algorithm(str(target)), settings.level, tick)
        packed = target.stat().st_size
        context.ui.message(f"`{target}`: {format_bytes(size)} became {format_bytes(packed)}")


def _completed(contents: BoxContents, settings: BoxSettings, custom: str) -> BoxContents:
    """The box with what the template adds to it: more files, and settings that win over ours, since
    Vagrant merges configurations in the order that it reads them."""
    files = (*contents.files, *(BoxFile(Path(name).name, Path(name)) for name in settings.include))
    clash = first_clash(files)
    if clash is not None:
        hint = "rename the file; what a `Vagrantfile` is to say goes into `vagrantfile_template`"
        message = f"`include` holds `{clash.path}`, but the box has a `{clash.name}` already"
        raise VmforgeError(message, hint=hint)
    text = f"{contents.vagrantfile}\n{custom.rstrip()}\n" if custom.strip() else contents.vagrantfile
    return replace(contents, vagrantfile=text, files=files)


def _custom_vagrantfile(settings: BoxSettings, fields: dict[str, object], context: BuildContext) -> str:
    path = settings.vagrantfile_template
    if not path:
        return ""
    try:
        return context.render(Path(path).read_text(encoding="utf-8"), fields)
    except OSError as error:
        raise VmforgeError(f"`vagrantfile_template` `{path}` cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise VmforgeError(f"`vagrantfile_template` `{path}`: {error}") from error


def _workspace(target: Path) -> tempfile.TemporaryDirectory[str]:
    """A folder for converted disks, on the file system of the box."""
    try:
        target.absolute().parent.mkdir(parents=True, exist_ok=True)
        return tempfile.TemporaryDirectory(prefix=f".{target.name}.", suffix=".partial", dir=target.parent)
    except OSError as error:
        raise write_failed(target, WRITER, error) from error
