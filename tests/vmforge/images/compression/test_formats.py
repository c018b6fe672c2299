"""Which format a file's name asks for."""

from __future__ import annotations

import pytest

from vmforge.images.compression.formats import Algorithm, Archive, Format, detect_format


@pytest.mark.parametrize(
    ("name", "format", "expected"),
    [
        ("a.tar.gz", "", (Archive.TAR, Algorithm.GZIP)),
        ("a.gz", "", (Archive.NONE, Algorithm.GZIP)),
        ("a.b.xz", "", (Archive.NONE, Algorithm.XZ)),
        ("a.tar.zst", "", (Archive.TAR, Algorithm.ZSTD)),
        ("a.tar", "", (Archive.TAR, Algorithm.NONE)),
        ("a.zip", "", (Archive.ZIP, Algorithm.NONE)),
        ("debian-12.5", "", (Archive.TAR, Algorithm.GZIP)),
        ("a.txz", "", (Archive.TAR, Algorithm.XZ)),
        ("a.zip", "tar.lz4", (Archive.TAR, Algorithm.LZ4)),
        ("a", "bgzf", (Archive.NONE, Algorithm.BGZF)),
    ],
)
def test_formats_by_name(name: str, format: str, expected: tuple[Archive, Algorithm]) -> None:
    assert detect_format(name, format) == Format(*expected)
