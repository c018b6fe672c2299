"""How much of the disk kept packages may take up."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from vmforge.sdk.values import Size

_MOST: Final = 20 * 1000**3
_SHARE: Final = 10


def size_limit(root: Path, environment: Mapping[str, str]) -> int:
    """How many bytes packages may take up: `VMFORGE_PACKAGES_LIMIT` (a size: `50G`), else 20 GB or a tenth of
    the disk, whichever is less. Raises ValueError for a size that is none."""
    if own := environment.get("VMFORGE_PACKAGES_LIMIT"):
        return Size.parse(own).bytes
    return min(_MOST, shutil.disk_usage(root).total // _SHARE)
