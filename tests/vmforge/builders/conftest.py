"""Configurations and contexts as the pipeline makes them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from vmforge.builders.qemu import QemuBuilder
from vmforge.builders.qemu.config import QemuConfig
from vmforge.diagnostics import has_errors
from vmforge.sdk import BuildContext, Problem
from vmforge.sdk.body import Body
from vmforge.sdk.decoding import decode
from vmforge.sdk.interpolate import interpolator
from vmforge.sdk.testing import fake_context

_LEAST: Mapping[str, Any] = {"iso_url": "installer.iso", "iso_checksum": "none"}

MakeConfig = Callable[..., QemuConfig]
Problems = Callable[..., list[Problem]]


@pytest.fixture
def qemu() -> MakeConfig:
    """What a `source "qemu"` with the least that it needs, and these options, is decoded into."""

    def configure(**options: Any) -> QemuConfig:
        body = Body.of({**_LEAST, **options})
        decoded = decode(body, [QemuConfig], interpolator())
        assert not has_errors(decoded.diagnostics), decoded.diagnostics
        return decoded.get(QemuConfig)

    return configure


@pytest.fixture
def problems(qemu: MakeConfig) -> Problems:
    """What the builder finds wrong with such a source."""
    return lambda **options: list(QemuBuilder.check(qemu(**options)))


@pytest.fixture
def context(tmp_path: Path) -> BuildContext:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    return fake_context(scratch)
