"""What functions know of the run that they are called in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from vmforge.sdk.network import Network


@dataclass(frozen=True)
class FunctionContext:
    """`base` is the folder that relative paths of `file` and its like start from, `started` the
    moment (UTC) that `timestamp()` tells. `secrets` grows when something is made of a secret.
    `rendering` holds the templates that `templatefile` is at work on. `network` is asked before any server
    is, and `reads` grows by every file that is read."""

    base: Path
    started: datetime
    environment: Mapping[str, str] = field(default_factory=dict)
    secrets: set[str] = field(default_factory=set)
    rendering: tuple[Path, ...] = ()
    network: Network = field(default_factory=Network)
    reads: set[Path] = field(default_factory=set)
