"""What the console's tests share: recorded VNC connections."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest

GOLDEN = Path(__file__).parents[2] / "golden"


@pytest.fixture
def recorded() -> Callable[[str], bytes]:
    """Read a file that record_rfb.py wrote."""
    return lambda name: gzip.decompress((GOLDEN / "rfb" / f"{name}.gz").read_bytes())
