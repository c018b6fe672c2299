"""`vmforge convert`: disk images in other formats, or made into an appliance."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar

import typer

from vmforge.cli.terminal import Terminal
from vmforge.errors import Interrupted, UsageError, VmforgeError

if TYPE_CHECKING:
    from vmforge.images.export import Exported, ExportOptions
    from vmforge.images.formats import ExportFormat
    from vmforge.images.ova import PackageOptions
    from vmforge.sdk import Appliance, Cancellation

NAME = "convert"

_SUFFIXES: Final = (".qcow2", ".qcow", ".raw", ".img", ".vmdk", ".vdi", ".vhd", ".vhdx", ".vpc")
# what qemu-img would take for the bytes of a raw disk
_PACKED: Final = (".gz", ".xz", ".zst", ".bz2", ".lz4", ".zip", ".tar", ".ova", ".ovf", ".box")

E = TypeVar("E", bound=StrEnum)


# long, because typer reads the flags off the parameters
def command(
    context: typer.Context,
    images: Annotated[
        list[Path],
        typer.Argument(
            metavar="IMAGE...",
            help="Disk images that qemu-img reads; for `ova` and `ovf` the disks of one machine.",
            show_default=False,
        ),
    ],
    to: Annotated[str, typer.Option("--to", metavar="FORMAT", help="What to make of them.")],
    output: Annotated[
        str,
        typer.Option(
            metavar="PATH",
            help="The file to write; a folder for several images.",
            show_default="beside the image",
        ),
    ] = "",
    force: Annotated[bool, typer.Option("--force", help="Replace files that are there.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Say as JSON what was written.")] = False,
    compression: Annotated[
        str, typer.Option(metavar="zlib|zstd|none", help="How qcow2 is compressed.")
    ] = "zlib",
    compression_level: Annotated[
        int, typer.Option(metavar="1..9", min=1, max=9, help="For what is compressed otherwise.")
    ] = 6,
    name: Annotated[
        str, typer.Option(metavar="NAME", help="The machine's name (ova, ovf).", show_default="image")
    ] = "",
    cpus: Annotated[int, typer.Option(metavar="N", min=0, help="CPUs (ova, ovf).", show_default="1")] = 0,
    memory: Annotated[
        str, typer.Option(metavar="SIZE", help="Memory (ova, ovf), as in `2G`.", show_default="1G")
    ] = "",
    firmware: Annotated[str, typer.Option(metavar="bios|uefi", help="Firmware (ova, ovf).")] = "",
    nvram: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The UEFI variables to put in (ova, ovf).")
    ] = None,
    architecture: Annotated[
        str, typer.Option(metavar="NAME", help="The guest's architecture (ova, ovf).", show_default="x86_64")
    ] = "",
    hypervisor: Annotated[
        str, typer.Option(metavar="vmware|virtualbox", help="Whose names for hardware to use (ova, ovf).")
    ] = "",
    guest_os: Annotated[
        str, typer.Option(metavar="NAME", help="What is installed (ova, ovf).", show_default="linux")
    ] = "",
    disk_controller: Annotated[
        str, typer.Option(metavar="NAME", help="What the disks hang on (ova, ovf).")
    ] = "",
    network_adapter: Annotated[str, typer.Option(metavar="NAME", help="The network card (ova, ovf).")] = "",
    ovf_version: Annotated[
        str, typer.Option(metavar="1.1|2.0", help="The version of OVF (ova, ovf).", show_default="1.1")
    ] = "",
    manifest_algorithm: Annotated[
        str, typer.Option(metavar="NAME", help="How files are summed (ova, ovf).", show_default="sha256")
    ] = "",
    signing_key: Annotated[
        Path | None, typer.Option(metavar="PEM", help="The key to sign the package with (ova, ovf).")
    ] = None,
    signing_certificate: Annotated[
        Path | None, typer.Option(metavar="PEM", help="The key's certificate (ova, ovf).")
    ] = None,
) -> None:
    """Write disk images in another format.

    Formats: qcow2, raw, raw.zst, raw.gz, raw.xz, vmdk, vhd, vhdx, vdi, ova, ovf, gce (`disk.raw` in a
    tar.gz), azure (fixed VHD). The new file is written beside the image.
    """
    flags = {
        "name": name,
        "cpus": cpus,
        "memory": memory,
        "firmware": firmware,
        "nvram": nvram,
        "architecture": architecture,
        "hypervisor": hypervisor,
        "guest_os": guest_os,
        "disk_controller": disk_controller,
        "network_adapter": network_adapter,
        "ovf_version": ovf_version,
        "manifest_algorithm": manifest_algorithm,
        "signing_key": signing_key,
        "signing_certificate": signing_certificate,
    }
    given = {flag: value for flag, value in flags.items() if value}
    format = _format(to)
    _check_images(images)
    jobs = list(_jobs(images, format, output, given))
    options = _options(compression, compression_level, given)
    _refuse_existing(jobs, format, force)
    _run(context.obj, jobs, format, options, as_json)


def _format(text: str) -> ExportFormat:
    from vmforge.diagnostics import did_you_mean
    from vmforge.images.formats import ExportFormat, find_format, names_of_formats

    found = find_format(text)
    if found is None:
        known = "the formats are " + ", ".join(f"`{format}`" for format in ExportFormat)
        raise UsageError(
            f"`{text}` is no format", hint=did_you_mean(text.lower(), names_of_formats()) or known
        )
    return found


def _check_images(images: Sequence[Path]) -> None:
    for image in images:
        if not image.is_file():
            what = "is no file" if image.exists() else "does not exist"
            raise VmforgeError(f"the image `{image}` {what}")
        if image.suffix.lower() in _PACKED:
            hint = "unpack it first, and name the image that is in it"
            raise VmforgeError(f"`{image}` is an archive or compressed, not a disk image", hint=hint)


_Job = tuple["Appliance", Path]


def _jobs(
    images: Sequence[Path], format: ExportFormat, output: str, given: Mapping[str, Any]
) -> Iterator[_Job]:
    """What to write, and where to: one package of all disks, or a file for each."""
    from vmforge.images.formats import APPLIANCE_FORMATS
    from vmforge.sdk import Appliance

    if format in APPLIANCE_FORMATS:
        yield _appliance(images, given), _output(images[0], output, several=False)
        return
    if given:
        flags = ", ".join(f"`--{flag.replace('_', '-')}`" for flag in given)
        raise UsageError(
            f"a `{format}` holds a disk and knows nothing of {flags}", hint="a machine is `ova` or `ovf`"
        )
    for image in images:
        yield Appliance(name=_stem(image), disks=(image,)), _output(image, output, several=len(images) > 1)


def _appliance(images: Sequence[Path], given: Mapping[str, Any]) -> Appliance:
    from vmforge.sdk import Appliance, FirmwareKind, Size

    try:
        memory = Size.parse(given.get("memory", "1G"), default_unit="m")
    except ValueError as error:
        raise UsageError(f"`--memory`: {error}") from None
    firmware = _choice(FirmwareKind, given, "firmware") or FirmwareKind.BIOS
    if "nvram" in given and firmware is not FirmwareKind.UEFI:
        raise UsageError("`--nvram` is of no use without `--firmware uefi`")
    return Appliance(
        name=given.get("name") or _stem(images[0]),
        disks=tuple(images),
        architecture=given.get("architecture", "x86_64"),
        cpus=given.get("cpus", 1),
        memory=memory,
        firmware=firmware,
        nvram=given.get("nvram"),
    )


def _options(compression: str, level: int, given: Mapping[str, Any]) -> ExportOptions:
    from vmforge.images.export import ExportOptions
    from vmforge.images.formats import Compression

    return ExportOptions(
        compression=_choice(Compression, {"compression": compression}, "compression") or Compression.ZLIB,
        level=level,
        package=_package(level, given),
        writer="",
    )


def _package(level: int, given: Mapping[str, Any]) -> PackageOptions:
    from vmforge.images.guests import Guest
    from vmforge.images.hardware import DiskController, Hypervisor, NetworkCard
    from vmforge.images.ova import PackageOptions
    from vmforge.images.ovf import OvfOptions, OvfVersion
    from vmforge.images.signature import Digest, SigningFiles

    key, certificate = given.get("signing_key"), given.get("signing_certificate")
    if (key is None) != (certificate is None):
        raise UsageError("`--signing-key` and `--signing-certificate` go together")
    ovf = OvfOptions(
        version=_choice(OvfVersion, given, "ovf_version") or OvfVersion.V1,
        target=_choice(Hypervisor, given, "hypervisor") or Hypervisor.VMWARE,
        guest=_choice(Guest, given, "guest_os") or Guest.LINUX,
        disk_controller=_choice(DiskController, given, "disk_controller"),
        network_card=_choice(NetworkCard, given, "network_adapter"),
    )
    return PackageOptions(
        ovf=ovf,
        digest=_choice(Digest, given, "manifest_algorithm") or Digest.SHA256,
        signing=SigningFiles(key, certificate) if key is not None and certificate is not None else None,
        level=level,
        writer="",
    )


def _choice(choices: type[E], given: Mapping[str, Any], flag: str) -> E | None:
    """The choice that a flag names; None without the flag."""
    from vmforge.diagnostics import did_you_mean

    text = given.get(flag)
    if text is None:
        return None
    if text not in list(choices):
        known = "the choices are " + ", ".join(f"`{choice}`" for choice in choices)
        raise UsageError(
            f"`--{flag.replace('_', '-')} {text}` is no choice", hint=did_you_mean(text, choices) or known
        )
    return choices(text)


def _stem(image: Path) -> str:
    """The name without the extension of an image; other dots belong to the name (`debian-12.8`)."""
    return image.stem if image.suffix.lower() in _SUFFIXES else image.name


def _output(image: Path, output: str, *, several: bool) -> Path:
    if not output:
        return image.with_name(_stem(image))
    if Path(output).is_dir() or output.endswith(os.sep):
        return Path(output, _stem(image))
    if several:
        hint = f"make the folder first, or write `{output}{os.sep}`"
        raise UsageError(f"`--output {output}` is no folder, but there are several images", hint=hint)
    return Path(output)


def _refuse_existing(jobs: Sequence[_Job], format: ExportFormat, force: bool) -> None:
    """Before any work is done."""
    from vmforge.images.export import refuse_own_files, target_files

    seen: set[Path] = set()
    for appliance, output in jobs:
        for target in target_files(appliance, output, format):
            for other, _ in jobs:
                refuse_own_files([target], other)
            if target in seen:
                raise UsageError(f"two images would be written to `{target}`", hint="convert them one by one")
            seen.add(target)
            if target.exists() and not force:
                raise VmforgeError(f"`{target}` exists already", hint="replace it with `--force`")


def _run(
    shown: Terminal, jobs: Sequence[_Job], format: ExportFormat, options: ExportOptions, as_json: bool
) -> None:
    from vmforge.cli.signals import Signals
    from vmforge.sdk import Cancellation

    cancellation = Cancellation()
    rows = []
    with Signals(cancellation, lambda: None):
        for appliance, output in jobs:
            started = time.monotonic()
            exported = _export(shown, appliance, output, format, options, cancellation)
            rows.append(_row(exported, time.monotonic() - started))
            if not as_json:
                shown.print(str(exported))
    if as_json:
        shown.print(json.dumps(rows, indent=2))


def _export(
    shown: Terminal,
    appliance: Appliance,
    output: Path,
    format: ExportFormat,
    options: ExportOptions,
    cancellation: Cancellation,
) -> Exported:
    from vmforge.images.export import export

    try:
        return export(appliance, output, format, options, shown.ui(appliance.name), cancellation)
    except VmforgeError as error:
        # what a signal broke is no failure of its own
        if cancellation.cancelled:
            raise Interrupted("interrupted; nothing unfinished was left") from error
        raise


def _row(exported: Exported, seconds: float) -> dict[str, object]:
    return {
        "format": str(exported.format),
        "files": [str(path) for path in exported.files],
        "virtual_size": exported.virtual.bytes,
        "size_before": exported.before.bytes,
        "size_after": exported.after.bytes,
        "seconds": round(seconds, 3),
    }
