"""Files read block by block."""

from __future__ import annotations

from pathlib import Path

from vmforge.images.blocks import BLOCK_SIZE, ZEROS, read_blocks


def test_holes_are_not_read(tmp_path: Path) -> None:
    path = tmp_path / "sparse"
    with path.open("wb") as file:
        file.write(b"start")
        file.truncate(5 * BLOCK_SIZE)
        file.seek(5 * BLOCK_SIZE - 3)
        file.write(b"end")
    blocks = list(read_blocks(path))
    assert [block is ZEROS for block in blocks] == [False, True, True, True, False]
    assert b"".join(blocks) == path.read_bytes()
