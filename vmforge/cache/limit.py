"""How much of the disk one kind of what is kept may take up."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from vmforge.errors import UsageError
from vmforge.sdk.values import Size


@dataclass(frozen=True, slots=True)
class SizeLimit:
    """What the environment's `variable` says (a size: `50G`), else `most` bytes or one part in `share` of the
    disk, whichever is less."""

    variable: str
    most: int
    share: int

    def bytes(self, root: Path, environment: Mapping[str, str]) -> int:
        """The limit on the disk that `root` is on. Raises `UsageError` for a size that is none."""
        if own := environment.get(self.variable):
            try:
                return Size.parse(own).bytes
            except ValueError as error:
                raise UsageError(f"`{self.variable}`: {error}") from None
        return min(self.most, shutil.disk_usage(root).total // self.share)


LAYERS_LIMIT: Final = SizeLimit("VMFORGE_LAYERS_LIMIT", 40 * 1000**3, 5)
PACKAGES_LIMIT: Final = SizeLimit("VMFORGE_PACKAGES_LIMIT", 20 * 1000**3, 10)
