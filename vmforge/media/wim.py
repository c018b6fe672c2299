"""What a WIM file says of the Windows images in it: its XML, without the gigabytes before that.

Microsoft, "Windows Imaging File Format (WIM) White Paper": a header of 208 bytes, in which the entry at 0x48
(size and flags, offset, original size) leads to XML in UTF-16.
"""

from __future__ import annotations

import struct
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from typing import BinaryIO, Final

_MAGIC: Final = b"MSWIM\0\0\0"
_HEADER: Final = 208
_XML_ENTRY: Final = struct.Struct("<QQQ")
_XML_ENTRY_AT: Final = 0x48
# the upper byte of an entry's size holds flags
_SIZE_MASK: Final = (1 << 56) - 1
_LONGEST_XML: Final = 16 * 1024 * 1024
# PROCESSOR_ARCHITECTURE_* of winnt.h, in libvirt's names
_ARCHITECTURES: Final = {"0": "i686", "5": "armv7l", "9": "x86_64", "12": "aarch64"}


@dataclass(frozen=True, slots=True)
class WindowsImage:
    """One image of a WIM file: an edition of Windows, or the setup program's own.

    `kind` is `Client`, `Server`, `Server Core` or `WindowsPE`; what the file does not say is empty, or 0.
    """

    index: int
    name: str
    edition: str = ""
    kind: str = ""
    arch: str = ""
    build: int = 0
    revision: int = 0
    languages: tuple[str, ...] = ()


def read_images(file: BinaryIO) -> list[WindowsImage]:
    """The images of a WIM (or ESD) file that can be sought in. Raises ValueError for what is none."""
    header = file.read(_HEADER)
    if len(header) < _HEADER or not header.startswith(_MAGIC):
        raise ValueError("it is no WIM file")
    size, offset, _ = _XML_ENTRY.unpack_from(header, _XML_ENTRY_AT)
    size &= _SIZE_MASK
    if size > _LONGEST_XML:
        raise ValueError("its description is longer than it may be")
    file.seek(offset)
    try:
        # with the byte order mark that the paper asks for, or without
        text = file.read(size).decode("utf-16").rstrip("\0")
        if "<!DOCTYPE" in text:  # entities could make it as long as one likes
            raise ValueError("its description is not what Windows writes")
        root = ElementTree.fromstring(text)
    except (ElementTree.ParseError, UnicodeDecodeError) as error:
        raise ValueError(f"its description cannot be read: {error}") from error
    return [_image(element) for element in root.iter("IMAGE")]


def _image(element: ElementTree.Element) -> WindowsImage:
    def text(path: str) -> str:
        return (element.findtext(path) or "").strip()

    return WindowsImage(
        index=_number(element.get("INDEX", "")),
        name=text("NAME") or text("DISPLAYNAME"),
        edition=text("WINDOWS/EDITIONID"),
        kind=text("WINDOWS/INSTALLATIONTYPE"),
        arch=_ARCHITECTURES.get(text("WINDOWS/ARCH"), ""),
        build=_number(text("WINDOWS/VERSION/BUILD")),
        revision=_number(text("WINDOWS/VERSION/SPBUILD")),
        languages=tuple(
            language.text.strip()
            for language in element.findall("WINDOWS/LANGUAGES/LANGUAGE")
            if language.text
        ),
    )


def _number(text: str) -> int:
    return int(text) if text.isdecimal() else 0
