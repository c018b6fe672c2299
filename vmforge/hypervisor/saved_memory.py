"""libvirt's file of a machine's memory: a small header with the domain in it, then QEMU's stream.

A clone needs another name and UUID, which libvirt refuses to change, and files of its own: so the
domain in the header is replaced. The stream is not touched.

The layout is that of `virQEMUSaveHeader` in libvirt's src/qemu/qemu_saveimage.h: 16 bytes of magic, five
integers in the writer's byte order (version, length of what follows the header, whether the guest ran,
compression, offset of the cookie in what follows), padding to 92 bytes; then the domain's XML, a zero
byte, the cookie, zeros up to the length.
"""

from __future__ import annotations

import struct
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass
from typing import BinaryIO

from vmforge.errors import VmforgeError
from vmforge.hypervisor.domain import QEMU_NAMESPACE

_MAGIC = b"LibvirtQemudSave"
_NUMBERS = struct.Struct("<5I")
_HEADER_SIZE = 92
_VERSION = 2
# A header is written with a lot of room for a longer domain; no machine of ours needs more.
_LONGEST = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Header:
    """What a file of memory says of its machine. `domain` is XML, `cookie` libvirt's own notes."""

    domain: str
    cookie: bytes
    was_running: int
    compression: int

    def write(self) -> bytes:
        """The header as bytes, right in front of the stream."""
        text = self.domain.encode() + b"\0"
        body = text + self.cookie
        offset = len(text) if self.cookie else 0
        numbers = _NUMBERS.pack(_VERSION, len(body), self.was_running, self.compression, offset)
        return (_MAGIC + numbers).ljust(_HEADER_SIZE, b"\0") + body


def read_header(file: BinaryIO) -> Header:
    """Read the header of a file of memory; `file` then stands at the stream. Raises `VmforgeError`."""
    head = file.read(_HEADER_SIZE)
    if len(head) < _HEADER_SIZE or not head.startswith(_MAGIC):
        raise VmforgeError("the saved memory is not a file of libvirt's")
    version, length, was_running, compression, cookie = _NUMBERS.unpack_from(head, len(_MAGIC))
    body = file.read(length) if version == _VERSION and length <= _LONGEST else b""
    if not body or len(body) < length or cookie > length:
        raise VmforgeError("the header of the saved memory is damaged, or of another version of libvirt")
    domain = body[: cookie or length].split(b"\0", 1)[0].decode()
    return Header(domain, body[cookie:].rstrip(b"\0") + b"\0" if cookie else b"", was_running, compression)


def clone_header(saved: Header, domain: str) -> Header:
    """The header for a clone: the saved machine with the name, the files and the console of `domain`,
    the XML of a machine of the same shape. What the guest knows by heart (addresses of devices, MAC
    addresses, the exact type of board) stays as it was saved. A kernel that it was booted with is in its
    memory, and its file may be gone."""
    old, new = ET.fromstring(saved.domain), ET.fromstring(domain)
    for tag in ("name", "uuid", "title", "description", "seclabel", f"{{{QEMU_NAMESPACE}}}commandline"):
        _replace(old, tag, new.findall(tag))
    for tag in ("kernel", "initrd", "cmdline"):
        _replace(_part(old, "os"), tag, [])
    _take_text(old, new, "os/loader")
    _take_text(old, new, "os/nvram")
    _take_text(old, new, "devices/emulator")
    _take_sources(old, new)
    for kind in ("serial", "console"):
        sources = new.findall("devices/serial/source")
        for source, device in zip(sources, old.findall(f"devices/{kind}"), strict=False):
            _replace(device, "source", [source])
    _replace(_part(old, "devices"), "graphics", new.findall("devices/graphics"))
    return Header(ET.tostring(old, encoding="unicode"), saved.cookie, saved.was_running, saved.compression)


def _take_sources(old: ET.Element, new: ET.Element) -> None:
    """The files of disks, discs and floppies, by the name that the device has in the domain."""
    given = {_target(disk): disk for disk in new.findall("devices/disk")}
    for disk in old.findall("devices/disk"):
        replacement = given.get(_target(disk))
        if replacement is None:
            raise VmforgeError(f"the saved machine has a disk `{_target(disk)}` that the template's has not")
        disk.set("type", replacement.get("type", "file"))
        _replace(disk, "source", replacement.findall("source"))
        _replace(disk, "backingStore", [])


def _target(disk: ET.Element) -> str:
    target = disk.find("target")
    return target.get("dev", "") if target is not None else ""


def _take_text(old: ET.Element, new: ET.Element, path: str) -> None:
    ours, theirs = old.find(path), new.find(path)
    if ours is not None and theirs is not None:
        ours.text = theirs.text


def _replace(parent: ET.Element, tag: str, elements: Sequence[ET.Element]) -> None:
    """Put elements where those with the tag were (at the end, if there were none)."""
    children = list(parent)
    positions = [index for index, child in enumerate(children) if child.tag == tag]
    at = positions[0] if positions else len(children)
    for child in children:
        if child.tag == tag:
            parent.remove(child)
    for offset, element in enumerate(elements):
        parent.insert(at + offset, element)


def _part(domain: ET.Element, tag: str) -> ET.Element:
    part = domain.find(tag)
    assert part is not None, f"every domain has <{tag}>"
    return part
