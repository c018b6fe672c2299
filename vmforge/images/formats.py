"""The formats that finished disks can be given, by the names that templates and commands use."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class ExportFormat(StrEnum):
    """`ova` and `ovf` describe a whole machine; every other format is one file per disk."""

    QCOW2 = "qcow2"
    RAW = "raw"
    RAW_ZST = "raw.zst"
    RAW_GZ = "raw.gz"
    RAW_XZ = "raw.xz"
    VMDK = "vmdk"
    VHD = "vhd"
    VHDX = "vhdx"
    VDI = "vdi"
    OVA = "ova"
    OVF = "ovf"
    GCE = "gce"
    AZURE = "azure"


class Compression(StrEnum):
    """How a qcow2 image's clusters are compressed."""

    ZLIB = "zlib"
    ZSTD = "zstd"
    NONE = "none"


APPLIANCE_FORMATS = (ExportFormat.OVA, ExportFormat.OVF)
# Disk images that QEMU reads as they are and knows at their beginning, as a fixed VHD is not.
QEMU_FORMATS = (
    ExportFormat.QCOW2,
    ExportFormat.RAW,
    ExportFormat.VMDK,
    ExportFormat.VHD,
    ExportFormat.VHDX,
    ExportFormat.VDI,
)


@dataclass(frozen=True, slots=True)
class _Naming:
    """What a file of a format is called. The first suffix is what a name without one gets."""

    suffixes: tuple[str, ...]
    aliases: tuple[str, ...] = ()


_NAMING = {
    ExportFormat.QCOW2: _Naming((".qcow2",), ("qcow",)),
    ExportFormat.RAW: _Naming((".raw", ".img"), ("img",)),
    ExportFormat.RAW_ZST: _Naming((".raw.zst", ".zst", ".zstd"), ("raw.zstd", "img.zst", "zst")),
    ExportFormat.RAW_GZ: _Naming((".raw.gz", ".gz"), ("img.gz", "gz")),
    ExportFormat.RAW_XZ: _Naming((".raw.xz", ".xz"), ("img.xz", "xz")),
    ExportFormat.VMDK: _Naming((".vmdk",)),
    ExportFormat.VHD: _Naming((".vhd", ".vpc"), ("vpc",)),
    ExportFormat.VHDX: _Naming((".vhdx",)),
    ExportFormat.VDI: _Naming((".vdi",)),
    ExportFormat.OVA: _Naming((".ova",)),
    ExportFormat.OVF: _Naming((".ovf",)),
    # other than what `compress` and `vhd` make, so that one template can have both
    ExportFormat.GCE: _Naming((".gce.tar.gz", ".tar.gz"), ("gcp",)),
    ExportFormat.AZURE: _Naming((".azure.vhd", ".vhd")),
}

_BY_NAME = {name: format for format, naming in _NAMING.items() for name in (format.value, *naming.aliases)}


def find_format(name: str) -> ExportFormat | None:
    """The format that a user means; None when there is none of that name."""
    return _BY_NAME.get(name.lower().removeprefix("."))


def names_of_formats() -> tuple[str, ...]:
    return tuple(_BY_NAME)


def target_path(output: Path, format: ExportFormat, disk: int = 0) -> Path:
    """The file for a disk: `output` with the format's suffix, unless it has one that fits; behind the
    stem of the second and later disks is their number (`web.qcow2`, `web-1.qcow2`)."""
    suffixes = _NAMING[format].suffixes
    given = next((s for s in suffixes if output.name.lower().endswith(s) and output.name.lower() != s), "")
    stem = output.name[: len(output.name) - len(given)]
    suffix = output.name[len(stem) :] or suffixes[0]
    return output.with_name(f"{stem}-{disk}{suffix}" if disk else f"{stem}{suffix}")
