"""What a disk image's file is, told by its contents, in Glance's words.

https://docs.openstack.org/glance/latest/user/formats.html; the signatures are those of the formats' own
specifications.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Final

from vmforge.errors import HostError

FORMATS: Final = ("raw", "qcow2", "vmdk", "vhd", "vhdx", "vdi", "iso", "ploop", "aki", "ari", "ami")

_COMPRESSED: Final = {
    b"\x1f\x8b": "gzip",
    b"\xfd7zXZ": "xz",
    b"BZh": "bzip2",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"\x04\x22\x4d\x18": "lz4",
}
_SECTOR = 512


def detect_format(path: Path) -> str:
    """The format of a disk image. Raises `HostError` for a file that Glance cannot use."""
    try:
        with path.open("rb") as file:
            head = file.read(0x9000)
            size = file.seek(0, 2)
            file.seek(max(0, size - _SECTOR))
            tail = file.read(_SECTOR)
    except OSError as error:
        raise HostError(f"cannot read `{path}`: {error.strerror}") from None
    for magic, name in _COMPRESSED.items():
        if head.startswith(magic):
            hint = "upload it before `compress`, or let `export` make a compressed qcow2"
            raise HostError(f"`{path}` is compressed with {name}, which Glance does not unpack", hint=hint)
    if head.startswith(b"QFI\xfb"):
        _refuse_overlay(path, head)
        return "qcow2"
    return _by_signature(head, tail) or _raw(path, size)


def _refuse_overlay(path: Path, head: bytes) -> None:
    """A qcow2 that lies on another file is nothing without it (docs/interop/qcow2.txt of QEMU, the header's
    bytes 8 to 15)."""
    if len(head) >= 16 and struct.unpack(">Q", head[8:16])[0]:
        hint = "let `export` write a whole one"
        raise HostError(f"`{path}` is an overlay: most of the disk is in another file", hint=hint)


def _by_signature(head: bytes, tail: bytes) -> str:
    if head.startswith((b"KDMV", b"COWD", b"# Disk DescriptorFile")):
        return "vmdk"
    if head.startswith(b"vhdxfile"):
        return "vhdx"
    if b"conectix" in (head[:8], tail[:8]):
        return "vhd"
    if head[0x40:0x44] == b"\x7f\x10\xda\xbe":
        return "vdi"
    if head[0x8001:0x8006] == b"CD001":
        return "iso"
    return ""


def _raw(path: Path, size: int) -> str:
    if not size or size % _SECTOR:
        hint = "set `image_disk_format` if it is one all the same"
        raise HostError(f"`{path}` does not look like a disk: it has {size} bytes", hint=hint)
    return "raw"
