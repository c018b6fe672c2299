"""Which templates are legacy JSON. Loaded with every template, so it imports nothing of the rest."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from vmforge.errors import UsageError

STANDARD_INPUT: Final = Path("-")
_HCL2_ENDINGS: Final = (".pkr.hcl", ".pkr.json")
_LANGUAGES: Final = ("hcl2", "json")


def is_legacy_json(path: Path, config_type: str = "") -> bool:
    """Whether Packer reads this path as legacy JSON: every file whose name does not say HCL2, and
    standard input (`-`). `config_type` (`hcl2` or `json`) decides when it is given. Raises
    `UsageError` for another one."""
    if config_type:
        if config_type not in _LANGUAGES:
            raise UsageError(f"`-config-type={config_type}` is neither `hcl2` nor `json`")
        return config_type == "json"
    return not path.is_dir() and not path.name.endswith(_HCL2_ENDINGS)
