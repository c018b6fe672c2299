"""The names that installers know (`known.toml`), and those that are nearly right."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from typing import Any


@cache
def known(kind: str) -> dict[str, Any]:
    """The table `[KIND]` of `known.toml`."""
    text = files("vmforge.builders.answer_checks").joinpath("known.toml").read_text("utf-8")
    table: dict[str, Any] = tomllib.loads(text)[kind]
    return table


def nearest(name: str, among: Iterable[str], cutoff: float = 0.6) -> str:
    """A hint naming the known name that is nearest; empty when none is as near as `cutoff` (0 to 1)."""
    near = difflib.get_close_matches(name, list(among), n=1, cutoff=cutoff)
    return f"did you mean `{near[0]}`?" if near else ""
