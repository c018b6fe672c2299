"""What is promised to plugins stays."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from vmforge.sdk.version import SDK_VERSION, Fit, fit_of

PROMISED = Path(__file__).parents[2] / "golden" / "sdk" / "1.0.txt"


@pytest.mark.parametrize(
    ("written_for", "fit"),
    [
        ("2.3", Fit.FITS),
        ("2.0", Fit.FITS),
        ("2.4", Fit.TOO_NEW),
        ("3.0", Fit.TOO_NEW),
        ("1.9", Fit.TOO_OLD),
        ("2", Fit.UNREADABLE),
        ("new", Fit.UNREADABLE),
    ],
)
def test_how_versions_go_together(written_for: str, fit: Fit) -> None:
    assert fit_of(written_for, "2.3") is fit


def test_what_1_0_promised_is_there() -> None:
    assert SDK_VERSION.startswith("1."), "a new major version has a list of promises of its own"
    promised = (line.partition(" ") for line in PROMISED.read_text(encoding="utf-8").splitlines())
    assert [f"{module} {path}" for module, _, path in promised if not _is_there(module, path)] == []


def _is_there(module: str, path: str) -> bool:
    name, _, member = path.partition(".")
    found: object = getattr(importlib.import_module(module), name, None)
    if not member or found is None:
        return found is not None
    bases = found.__mro__ if isinstance(found, type) else ()
    return hasattr(found, member) or any(member in vars(base).get("__annotations__", {}) for base in bases)
