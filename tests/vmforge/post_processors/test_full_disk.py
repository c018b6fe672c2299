"""A disk that runs full under a post-processor: a real one, small, mounted for the test."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

TEMPLATE = """
source "null" "base" {{
  communicator = "none"
}}

build {{
  sources = ["null.base"]
  post-processors {{
    post-processor "artifice" {{
      files = ["image.raw"]
    }}
    {block}
  }}
  post-processor "shell-local" {{
    inline = ["echo the other chain runs"]
  }}
}}
"""


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB, with no block to spare."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "vmforge-test", str(folder)]
    if os.getuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode != 0:
        pytest.skip("needs to be root and allowed to mount")
    try:
        with (folder / "old").open("wb") as file:
            file.write(bytes(512 * 1024))
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def build(folder: Path, block: str) -> subprocess.CompletedProcess[str]:
    template = folder / "t.pkr.hcl"
    template.write_text(TEMPLATE.format(block=block))
    command = [sys.executable, "-m", "vmforge", "build", str(template)]
    environment = os.environ | {
        "VMFORGE_STATE_DIR": str(folder / "state"),
        "PYTHONPATH": str(Path(__file__).parents[3]),
    }
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("type", "options"),
    [
        ("compress", 'output = "small/o.gz"'),
        ("compress", 'output = "small/o.zip"'),
        ("compress", 'output = "small/o.zst"'),
        ("compress", 'output = "small/o.lz4"'),
        ("checksum", 'output = "small/sums"'),
        ("manifest", 'output = "small/m.json"'),
    ],
)
def test_the_image_stays_and_the_post_processor_is_named(
    tmp_path: Path, small_disk: Path, type: str, options: str
) -> None:
    image = tmp_path / "image.raw"
    image.write_bytes(os.urandom(2 * 1024 * 1024))
    if type != "compress":  # they write little: nothing at all is left for them
        with (small_disk / "rest").open("wb", buffering=0) as file, pytest.raises(OSError):
            while file.write(bytes(4096)):
                pass
    before = sorted(path.name for path in small_disk.iterdir())
    ended = build(tmp_path, f'post-processor "{type}" {{\n      {options}\n    }}')
    assert ended.returncode == 1
    assert f"post-processor `{type}`: no space left in `" in ended.stdout + ended.stderr
    assert f"run the post-processor `{type}` again" in ended.stderr
    assert "the other chain runs" in ended.stdout + ended.stderr
    assert "Created artifact from files: image.raw" in ended.stdout + ended.stderr
    assert image.stat().st_size == 2 * 1024 * 1024
    left = {path.name: path.stat().st_size for path in small_disk.iterdir() if path.name not in before}
    assert set(left) <= {"sums"} and not any(left.values())
