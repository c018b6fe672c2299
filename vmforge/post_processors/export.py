"""The `export` post-processor: writes a machine's disks, or the whole machine, in other formats."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from vmforge.images.disk import DEFAULT_LEVEL
from vmforge.images.export import Exported, ExportOptions, export
from vmforge.images.formats import (
    APPLIANCE_FORMATS,
    QEMU_FORMATS,
    Compression,
    ExportFormat,
)
from vmforge.images.guests import Guest
from vmforge.images.hardware import DiskController, Hypervisor, NetworkCard
from vmforge.images.ova import PackageOptions
from vmforge.images.ovf import OvfOptions, OvfVersion
from vmforge.images.signature import Digest, SigningFiles
from vmforge.images.staging import StagedFile
from vmforge.post_processors.output import check_output, output_fields
from vmforge.sdk import (
    APPLIANCE,
    Appliance,
    Artifact,
    BuildContext,
    Config,
    FileArtifact,
    FirmwareKind,
    PostProcessor,
    Problem,
    Processed,
    Size,
    appliance_of,
    option,
)

BUILDER_ID = "vmforge.post-processor.export"


@dataclass(frozen=True, kw_only=True)
class FormatOptions(Config):
    """Which files to write."""

    formats: tuple[ExportFormat, ...] = option(
        (), help="The formats to write, one after the other. `ova` and `ovf` are the whole machine."
    )
    format: ExportFormat | None = option(None, help="The format, when it is only one.")
    output: str = option(
        "vmforge_{{.BuildName}}_{{.BuilderType}}",
        help="The file to write; it gets the format's extension unless it has one that fits. A second disk "
        "gets `-1` behind its name, a third `-2`. Knows `{{ .BuildName }}` and `{{ .BuilderType }}`.",
        late=True,
    )
    compression: Compression = option(
        Compression.ZLIB, help="How qcow2 images are compressed; `zstd` needs QEMU 5.1 where they are used."
    )
    compression_level: int = option(
        DEFAULT_LEVEL,
        help="From 1, the fastest, to 9, the smallest; qcow2 with `zstd` knows no levels.",
    )


@dataclass(frozen=True, kw_only=True)
class ExportConfig(FormatOptions):
    """The options of the `export` post-processor; those of the machine are for `ova` and `ovf`."""

    cpus: int | None = option(None, help="The machine's CPUs.", default_text="as built")
    memory: Size | None = option(None, help="The machine's memory.", unit="m", default_text="as built")
    firmware: FirmwareKind | None = option(None, help="The machine's firmware.", default_text="as built")
    secure_boot: bool = option(False, help="Have UEFI verify what it boots.")
    hypervisor: Hypervisor = option(Hypervisor.VMWARE, help="Whose names for hardware to use.")
    guest_os: Guest = option(Guest.LINUX, help="What is installed.")
    hardware_version: int = option(
        OvfOptions.hardware_version, help="VMware's version of virtual hardware; 13 means ESXi 6.5 and later."
    )
    disk_controller: DiskController | None = option(
        None, help="What the disks hang on.", default_text="what the machine was built with, if it can be had"
    )
    network_adapter: NetworkCard | None = option(
        None, help="The network card.", default_text="what the machine was built with, if it can be had"
    )
    networks: tuple[str, ...] = option(
        (), help="The networks to connect to, a card for each.", default_text="one, as the importer names it"
    )
    ovf_version: OvfVersion = option(OvfVersion.V1, help="The version of OVF; most importers read 1.1 only.")
    product: str = option("", help="The name of the product inside.")
    product_version: str = option("", help="The product's version.")
    product_url: str = option("", help="Where the product is described.")
    vendor: str = option("", help="Who made the product.")
    vendor_url: str = option("", help="Where the vendor is found.")
    annotation: str = option("", help="A description of the machine.")
    eula: str = option("", help="The licence's text, which importers ask to accept.")
    manifest_algorithm: Digest = option(Digest.SHA256, help="How files are summed in the manifest.")
    signing_key: Path | None = option(
        None, help="An RSA key without a password, as a PEM file, to sign the manifest with."
    )
    signing_certificate: Path | None = option(None, help="The key's X.509 certificate, as a PEM file.")
    include_nvram: bool = option(True, help="Put the UEFI variables, as QEMU keeps them, into the package.")
    include: tuple[Path, ...] = option((), help="More files to put into the package.")


class ExportPostProcessor(PostProcessor[ExportConfig]):
    """Writes a machine's disks, or the whole machine, in other formats."""

    config_type = ExportConfig
    summary = "writes a machine's disks, or the whole machine, in other formats"

    @classmethod
    def check(cls, config: ExportConfig) -> Iterable[Problem]:
        yield from check_output(config.output)
        yield from _check_formats(config)
        if not 1 <= config.compression_level <= 9:
            yield Problem(
                f"`compression_level` is {config.compression_level}",
                option="compression_level",
                hint="levels go from 1 to 9",
            )
        if (config.signing_key is None) != (config.signing_certificate is None):
            missing = "signing_key" if config.signing_key is None else "signing_certificate"
            given = "signing_certificate" if config.signing_key is None else "signing_key"
            yield Problem(f"`{given}` is of no use without `{missing}`", option=given)

    def process(self, context: BuildContext, artifact: Artifact) -> Processed:
        output = Path(context.render(self.config.output, output_fields(context)))
        appliance = self._appliance(artifact, context.name)
        options = self._options()
        made: list[Exported] = []
        nvram: Path | None = None
        try:
            for format in _formats(self.config):
                made.append(export(appliance, output, format, options, context.ui, context.cancellation))
                context.ui.message(str(made[-1]))
            if appliance.nvram is not None and any(one.format not in APPLIANCE_FORMATS for one in made):
                nvram = _copy_nvram(appliance.nvram, output)
        except BaseException:
            for path in (path for one in made for path in one.files):
                path.unlink(missing_ok=True)
            raise
        return Processed(_artifact(artifact, appliance, made, nvram))

    def _appliance(self, artifact: Artifact, name: str) -> Appliance:
        """The machine with the hardware that the template asks for."""
        config = self.config
        found = appliance_of(artifact, name)
        return replace(
            found,
            cpus=config.cpus or found.cpus,
            memory=config.memory or found.memory,
            firmware=config.firmware or found.firmware,
        )

    def _options(self) -> ExportOptions:
        config = self.config
        signing = None
        if config.signing_key is not None and config.signing_certificate is not None:
            signing = SigningFiles(config.signing_key, config.signing_certificate)
        package = PackageOptions(
            ovf=_ovf_options(config),
            digest=config.manifest_algorithm,
            signing=signing,
            level=config.compression_level,
            nvram=config.include_nvram,
            files=config.include,
        )
        return ExportOptions(compression=config.compression, level=config.compression_level, package=package)


def _ovf_options(config: ExportConfig) -> OvfOptions:
    return OvfOptions(
        version=config.ovf_version,
        target=config.hypervisor,
        guest=config.guest_os,
        hardware_version=config.hardware_version,
        disk_controller=config.disk_controller,
        network_card=config.network_adapter,
        networks=config.networks,
        secure_boot=config.secure_boot,
        product=config.product,
        product_version=config.product_version,
        product_url=config.product_url,
        vendor=config.vendor,
        vendor_url=config.vendor_url,
        annotation=config.annotation,
        eula=config.eula,
    )


def _formats(config: ExportConfig) -> tuple[ExportFormat, ...]:
    named = (*config.formats, config.format) if config.format is not None else config.formats
    return tuple(dict.fromkeys(named))


def _check_formats(config: ExportConfig) -> Iterator[Problem]:
    formats = _formats(config)
    if not formats:
        known = ", ".join(f"`{format}`" for format in ExportFormat)
        yield Problem("no format is named", hint=f"set `formats`; known are {known}")


def _copy_nvram(source: Path, output: Path) -> Path:
    """The UEFI variables beside the disks, for they go with the input artifact."""
    target = output.with_name(f"{output.name}-efivars.fd")
    with StagedFile(target, "export") as file, source.open("rb") as variables:
        shutil.copyfileobj(variables, file)
    return target


def _artifact(
    artifact: Artifact, appliance: Appliance, made: list[Exported], nvram: Path | None
) -> FileArtifact:
    files = tuple(path for one in made for path in one.files)
    shown = ", ".join(str(path) for path in files)
    if nvram is not None:
        files = (*files, nvram)
    return FileArtifact(
        BUILDER_ID, "", files, f"exported files: {shown}", state=_state(artifact, appliance, made, nvram)
    )


def _state(
    artifact: Artifact, appliance: Appliance, made: list[Exported], nvram: Path | None
) -> Mapping[str, object]:
    """What the next post-processor learns: the machine, on the first of its new disks that QEMU reads,
    because the old ones usually go."""
    for one in made:
        if one.format in QEMU_FORMATS:
            described = replace(appliance, disks=one.files, nvram=nvram)
            return {**artifact.state, APPLIANCE: described}
    return {**artifact.state, APPLIANCE: appliance}
