"""What functions know of the run that they are called in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path


@dataclass(frozen=True)
class FunctionContext:
    """`base` is the folder that relative paths of `file` and its like start from, `started` the
    moment (UTC) that `timestamp()` tells. `secrets` grows when something is made of a secret.
    `rendering` holds the templates that `templatefile` is at work on."""

    base: Path
    started: datetime
    environment: Mapping[str, str] = field(default_factory=dict)
    secrets: set[str] = field(default_factory=set)
    rendering: tuple[Path, ...] = ()
