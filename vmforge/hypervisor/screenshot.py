"""The screen of a machine as a PNG file."""

from __future__ import annotations

import re
import struct
import zlib
from typing import Any

from vmforge.errors import MachineError

_PNG = b"\x89PNG\r\n\x1a\n"
_PPM = re.compile(rb"P6\s+(\d+)\s+(\d+)\s+255\s")


def take(connection: Any, domain: Any) -> bytes:
    """Ask libvirt for the screen. Raises libvirt's error."""
    stream = connection.newStream(0)
    domain.screenshot(stream, 0, 0)
    parts: list[bytes] = []
    stream.recvAll(lambda source, data, opaque: parts.append(data), None)
    stream.finish()
    return as_png(b"".join(parts))


def as_png(image: bytes) -> bytes:
    """A screenshot as PNG: QEMU before 7.1 writes PPM (http://netpbm.sourceforge.net/doc/ppm.html)."""
    if image.startswith(_PNG):
        return image
    header = _PPM.match(image)
    if header is None:
        raise MachineError(f"the screenshot is in an unknown format: {image[:8]!r}")
    width, height = int(header[1]), int(header[2])
    pixels, row = image[header.end() :], width * 3
    # each row is preceded by its filter: none
    rows = b"".join(b"\0" + pixels[y * row : (y + 1) * row] for y in range(height))
    size = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return _PNG + _chunk(b"IHDR", size) + _chunk(b"IDAT", zlib.compress(rows)) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
