"""The second CD of a machine: `cd_files`, `cd_content` and `cd_label`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from vmforge.media.contents import named_trees, texts
from vmforge.media.iso import write_iso
from vmforge.sdk.ui import Ui


def write_cdrom(
    target: Path,
    *,
    files: Sequence[str],
    content: Mapping[str, str | bytes],
    label: str,
    base_dir: Path,
    ui: Ui,
) -> None:
    """Write the CD. `files` holds paths and patterns relative to `base_dir`: files come to the root, a folder
    with all that is in it under its name. `content` is by path, and wins over files.

    Raises VmforgeError for what is not there or cannot be on a CD.
    """
    write_iso(target, named_trees(files, base_dir, ui) | texts(content), label)
