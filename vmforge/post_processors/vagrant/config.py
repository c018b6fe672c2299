"""The options of the `vagrant` post-processor, and what they come to for one provider."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from vmforge.images.box.catalog import VERSION
from vmforge.images.compression.formats import Algorithm, Archive, detect_format
from vmforge.post_processors.output import check_output
from vmforge.sdk import Config, Problem, option
from vmforge.sdk.values import can_be_path

OUTPUT_FIELDS = ("Provider", "Architecture", "ArtifactId")
_DEFAULT_LEVEL, _BEST_LEVEL = 6, 9
_LEVEL_HELP = "From 0, not compressed, to 9, the smallest."
_TEMPLATE_HELP = "A Vagrantfile that goes into the box behind the provider's own settings, so that it wins. "
_GENERATED_HELP = "The build itself makes `vagrantfile_template`, so that it need not exist yet."
_ARCHITECTURE_HELP = "The box's architecture as Vagrant names it (`amd64`, `arm64`); else the machine's own."
_INCLUDE_HELP = "More files for the box; each comes to lie at its root."


class Provider(StrEnum):
    """What boxes can be made for. `vmware` is Packer's name of `vmware_desktop`, in file names."""

    LIBVIRT = "libvirt"
    VIRTUALBOX = "virtualbox"
    VMWARE_DESKTOP = "vmware_desktop"
    VMWARE = "vmware"
    HYPERV = "hyperv"


@dataclass(frozen=True, kw_only=True)
class OverrideConfig(Config):
    """Other values of options, for the boxes of one provider."""

    output: str | None = option(None, help="The box to make.", late=True)
    compression_level: int | None = option(None, help=_LEVEL_HELP)
    include: tuple[str, ...] | None = option(None, help=_INCLUDE_HELP)
    vagrantfile_template: str | None = option(None, help=_TEMPLATE_HELP)
    vagrantfile_template_generated: bool | None = option(None, help=_GENERATED_HELP)
    architecture: str | None = option(None, help=_ARCHITECTURE_HELP)


_FOREIGN = "Heeded by Packer only: vmforge makes no such boxes."


@dataclass(frozen=True, kw_only=True)
class OverridesConfig(Config):
    """Blocks named after providers."""

    libvirt: OverrideConfig | None = option(None, help="Other values for libvirt's box.")
    virtualbox: OverrideConfig | None = option(None, help="Other values for VirtualBox's box.")
    vmware_desktop: OverrideConfig | None = option(None, help="Other values for VMware's box.")
    vmware: OverrideConfig | None = option(None, help="The same as `vmware_desktop`.")
    aws: OverrideConfig | None = option(None, help=_FOREIGN)
    azure: OverrideConfig | None = option(None, help=_FOREIGN)
    digitalocean: OverrideConfig | None = option(None, help=_FOREIGN)
    docker: OverrideConfig | None = option(None, help=_FOREIGN)
    file: OverrideConfig | None = option(None, help=_FOREIGN)
    google: OverrideConfig | None = option(None, help=_FOREIGN)
    hyperv: OverrideConfig | None = option(None, help="Other values for Hyper-V's box.")
    lxc: OverrideConfig | None = option(None, help=_FOREIGN)
    parallels: OverrideConfig | None = option(None, help=_FOREIGN)
    scaleway: OverrideConfig | None = option(None, help=_FOREIGN)

    def of(self, provider: Provider) -> OverrideConfig | None:
        """The values for a provider, under either of its names."""
        if provider in (Provider.VMWARE, Provider.VMWARE_DESKTOP):
            return self.vmware_desktop or self.vmware
        if provider is Provider.HYPERV:
            return self.hyperv
        return self.libvirt if provider is Provider.LIBVIRT else self.virtualbox


@dataclass(frozen=True, kw_only=True)
class CatalogConfig(Config):
    """A catalogue that the boxes are added to."""

    path: Path = option(
        help="The catalogue's file, `boxes/metadata.json` say; made when it is not there.", written=True
    )
    box_tag: str = option(help="The box's name in it, `acme/debian` say.")
    version: str = option(help="The boxes' version, as in `1.2.0`.")
    description: str = option("", help="What the box is; shown by `vagrant box add`.")
    base_url: str = option(
        "",
        help="The URL that the catalogue's folder is served at; without it the catalogue names the files' "
        "places on this machine.",
    )


@dataclass(frozen=True, kw_only=True)
class VagrantConfig(Config):
    """The options of the `vagrant` post-processor."""

    output: str = option(
        "packer_{{.BuildName}}_{{.Provider}}_{{.Architecture}}.box",
        help="The box to make. Knows `{{ .BuildName }}`, `{{ .Provider }}`, `{{ .Architecture }}` and "
        "`{{ .ArtifactId }}`. With `.zst` or `.xz` at its end it is compressed so, else by gzip.",
        late=True,
    )
    providers: tuple[Provider, ...] = option(
        (), help="What to make boxes for, one each, all of the same disks.", default_text='`["libvirt"]`'
    )
    provider_override: Provider | None = option(
        None, help="Packer's way to name the one provider, where it cannot tell from the artifact."
    )
    compression_level: int = option(_DEFAULT_LEVEL, help=_LEVEL_HELP)
    include: tuple[str, ...] = option((), help=_INCLUDE_HELP)
    vagrantfile_template: str = option(
        "", help=_TEMPLATE_HELP + "Its `{{ }}` know what those of `output` know."
    )
    vagrantfile_template_generated: bool = option(False, help=_GENERATED_HELP)
    architecture: str = option("", help=_ARCHITECTURE_HELP)
    override: OverridesConfig | None = option(
        None, help="Other values for some providers: a block for each, named after it."
    )
    catalog: CatalogConfig | None = option(
        None, help="A catalogue of boxes to add these to, from which `vagrant box add` takes versions."
    )

    def settings(self, provider: Provider) -> BoxSettings:
        """What holds for the box of one provider."""
        found = BoxSettings(
            self.output,
            self.compression_level,
            self.include,
            self.vagrantfile_template,
            self.vagrantfile_template_generated,
            self.architecture,
        )
        other = self.override.of(provider) if self.override is not None else None
        if other is None:
            return found
        values = {name: getattr(other, name) for name in found.__dataclass_fields__}
        return replace(found, **{name: value for name, value in values.items() if value is not None})


@dataclass(frozen=True)
class BoxSettings:
    """The options of one box."""

    output: str
    compression_level: int
    include: tuple[str, ...]
    vagrantfile_template: str
    vagrantfile_template_generated: bool
    architecture: str

    @property
    def level(self) -> int:
        """The level from 1 to 9; Go's compressors take -1 for their default."""
        return max(1, self.compression_level) if self.compression_level >= 0 else _DEFAULT_LEVEL

    def algorithm(self, target: str) -> Algorithm:
        """How the box's archive is compressed."""
        return Algorithm.NONE if self.compression_level == 0 else detect_format(target).algorithm


def check(config: VagrantConfig) -> Iterator[Problem]:
    """All that is wrong with the options."""
    if config.providers and config.provider_override:
        hint = "leave out `provider_override`"
        yield Problem("`providers` and `provider_override` say the same thing", "provider_override", hint)
    named = config.providers or (config.provider_override or Provider.LIBVIRT,)
    if len(set(map(_same_client, named))) < len(named):
        yield Problem("`providers` names a provider twice", option="providers")
    problems = (problem for provider in named for problem in _check_box(config.settings(provider)))
    yield from dict.fromkeys(problems)
    texts = {config.settings(provider).output for provider in named}
    if len(named) > 1 and len(texts) == 1 and ".Provider" not in config.output:
        hint = "write `{{ .Provider }}` into it"
        yield Problem("`output` is the same for every provider", option="output", hint=hint)
    if config.catalog is not None:
        yield from _check_catalog(config.catalog)


def _same_client(provider: Provider) -> Provider:
    return Provider.VMWARE_DESKTOP if provider is Provider.VMWARE else provider


def _check_box(settings: BoxSettings) -> Iterable[Problem]:
    yield from check_output(settings.output, OUTPUT_FIELDS)
    if not -1 <= settings.compression_level <= _BEST_LEVEL:
        summary = f"`compression_level` is {settings.compression_level}"
        yield Problem(summary, option="compression_level", hint="levels go from 0 to 9")
    if detect_format(settings.output).archive is Archive.ZIP:
        yield Problem("a box is no zip archive", option="output", hint="let it end with `.box`")
    template = settings.vagrantfile_template
    is_there = can_be_path(template) and Path(template).is_file()
    if template and not settings.vagrantfile_template_generated and not is_there:
        hint = "set `vagrantfile_template_generated` if the build makes it"
        yield Problem(f"there is no file `{template}`", option="vagrantfile_template", hint=hint)


def _check_catalog(catalog: CatalogConfig) -> Iterable[Problem]:
    if not VERSION.fullmatch(catalog.version):
        summary = f"`{catalog.version}` is no version that Vagrant knows"
        yield Problem(summary, option="catalog", hint="write numbers with dots between them, as in `1.2.0`")
    if not catalog.box_tag:
        yield Problem("`box_tag` is empty", option="catalog")
