"""The chain of a build's steps, each with the key that its layer has: a function of values."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vmforge.sdk.values import Duration

INSTALL = "install"
# Layers of another format are never begun from.
_FORMAT = 1


@dataclass(frozen=True, slots=True)
class Step:
    """A step that changes the machine: the installation, or a provisioner. `inputs` are digests by the
    names that users know. A layer may stand in for it, for at most `ttl`, unless `uncached` says why not."""

    name: str
    type: str
    inputs: Mapping[str, str]
    uncached: str = ""
    ttl: Duration | None = None


@dataclass(frozen=True, slots=True)
class Link:
    """A step with its key, which covers the steps before it too; empty where no layer can be made."""

    step: Step
    key: str


def link(steps: Sequence[Step]) -> tuple[Link, ...]:
    """The chain. From the first step on that must run every time there are no keys."""
    links, key, cached = [], "", True
    for step in steps:
        cached = cached and not step.uncached
        key = _key(key, step) if cached else ""
        links.append(Link(step, key))
    return tuple(links)


def step_name(position: int, type: str, name: str) -> str:
    """What users call a provisioner's step: ``provisioner 2 `shell` ``."""
    named = f" `{name}`" if name not in ("", type) else ""
    return f"provisioner {position} `{type}`{named}"


def changes(before: Mapping[str, str], now: Mapping[str, str]) -> str:
    """What differs between two lists of inputs, in words; empty when nothing does."""
    parts = [f"{name} changed" for name in now if name in before and before[name] != now[name]]
    parts += [f"{name} is new" for name in now if name not in before]
    parts += [f"{name} is gone" for name in before if name not in now]
    return _few(parts)


def _few(parts: Sequence[str], limit: int = 3) -> str:
    shown = ", ".join(parts[:limit])
    more = len(parts) - limit
    return f"{shown} and {more} more" if more > 0 else shown


def _key(previous: str, step: Step) -> str:
    content = [_FORMAT, previous, step.type, dict(step.inputs)]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
