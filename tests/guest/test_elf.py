from __future__ import annotations

from pathlib import Path

import elf
import pytest


def test_the_libraries_of_a_program() -> None:
    assert any(name.startswith("libc.so") for name in elf.needed(Path("/bin/sh").resolve()))


def test_what_is_no_elf_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "script").write_text("#!/bin/sh\n")
    with pytest.raises(ValueError, match="no 64-bit little-endian ELF file"):
        elf.needed(tmp_path / "script")


def test_the_fields_of_a_module() -> None:
    data = b"\x7fELF\0junk\0license=GPL\0alias=virtio:d00000001v*\0alias=net-x\0depends=virtio,virtio_ring\0x"
    assert elf.module_field(data, "alias") == ["virtio:d00000001v*", "net-x"]
    assert elf.module_field(data, "depends") == ["virtio,virtio_ring"]
    assert elf.module_field(data, "softdep") == []
