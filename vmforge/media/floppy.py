"""The floppy of a machine: `floppy_files`, `floppy_dirs`, `floppy_content` and `floppy_label`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from vmforge.cache import space_checked
from vmforge.cache.durable import move_durably
from vmforge.errors import VmforgeError
from vmforge.media.contents import flat_files, named_trees, texts
from vmforge.media.fat12 import floppy_image
from vmforge.sdk.ui import Ui


def write_floppy(
    target: Path,
    *,
    files: Sequence[str],
    dirs: Sequence[str],
    content: Mapping[str, str | bytes],
    label: str,
    base_dir: Path,
    ui: Ui,
) -> None:
    """Write the image of a 1.44 MB floppy. Paths and patterns are relative to `base_dir`.

    `files` come to the root, also those inside folders that it names; each of `dirs` keeps its structure,
    under its name. `content` is by path, and wins over both. Raises VmforgeError for what is not there
    or does not fit.
    """
    contents = flat_files(files, base_dir, ui) | named_trees(dirs, base_dir, ui) | texts(content)
    staged = target.with_name(f"{target.name}.part")
    try:
        image = floppy_image(contents, label)
        with space_checked(target.parent, len(image)):
            staged.write_bytes(image)
            move_durably(staged, target)
    except OSError as error:
        raise VmforgeError(f"the floppy `{target}` cannot be written: {error}") from error
    finally:
        staged.unlink(missing_ok=True)
