"""Reads what the mastering must know of ELF files: needed libraries, and a kernel module's own description.

Format: System V ABI, chapters 4 (object files) and 5 (dynamic section); 64-bit little-endian only.
"""

from __future__ import annotations

import re
import struct
from pathlib import Path

_PT_LOAD, _PT_DYNAMIC = 1, 2
_DT_NULL, _DT_NEEDED, _DT_STRTAB = 0, 1, 5


def needed(path: Path) -> list[str]:
    """The sonames in a program's or library's dynamic section; none for a static program."""
    data = path.read_bytes()
    if data[:6] != b"\x7fELF\x02\x01":
        raise ValueError(f"{path} is no 64-bit little-endian ELF file")
    (headers_at,) = struct.unpack_from("<Q", data, 32)
    size, count = struct.unpack_from("<HH", data, 54)
    segments = [struct.unpack_from("<IIQQQQ", data, headers_at + size * index) for index in range(count)]
    dynamic = next((segment for segment in segments if segment[0] == _PT_DYNAMIC), None)
    if dynamic is None:
        return []
    entries = []
    for at in range(dynamic[2], dynamic[2] + dynamic[5], 16):
        tag, value = struct.unpack_from("<QQ", data, at)
        if tag == _DT_NULL:
            break
        entries.append((tag, value))
    address = next(value for tag, value in entries if tag == _DT_STRTAB)
    strings = next(
        address - start + offset
        for kind, _, offset, start, _, length in segments
        if kind == _PT_LOAD and start <= address < start + length
    )
    return [_string(data, strings + value) for tag, value in entries if tag == _DT_NEEDED]


def module_field(data: bytes, field: str) -> list[str]:
    """All values of one field of a kernel module's .modinfo section (`depends`, `alias`)."""
    # The section is a run of zero-terminated `key=value` strings, which are found without its header.
    pattern = rb"(?:^|\0)" + field.encode() + rb"=([ -~]*)(?=\0)"
    return [value.decode() for value in re.findall(pattern, data)]


def _string(data: bytes, at: int) -> str:
    return data[at : data.index(b"\0", at)].decode()
