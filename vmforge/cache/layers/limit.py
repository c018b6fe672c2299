"""How much of the disk layers may take up."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from vmforge.sdk.values import Size

_MOST: Final = 40 * 1000**3
_SHARE: Final = 5


def size_limit(root: Path, environment: Mapping[str, str]) -> int:
    """How many bytes layers may take up: `VMFORGE_LAYERS_LIMIT` (a size: `100G`), else 40 GB or a fifth of
    the disk, whichever is less. Raises ValueError for a size that is none."""
    if own := environment.get("VMFORGE_LAYERS_LIMIT"):
        return Size.parse(own).bytes
    return min(_MOST, shutil.disk_usage(root).total // _SHARE)
