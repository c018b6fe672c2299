"""`vmforge doctor`: what this machine lacks for building, and the command that mends it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from vmforge.cli.terminal import Terminal

if TYPE_CHECKING:
    from vmforge.sdk.host import HostFinding
    from vmforge.sdk.registry import Registry

NAME = "doctor"


def command(context: typer.Context) -> None:
    """Say what this machine lacks.

    Looks at acceleration, QEMU, libvirt, permissions, disk space and firmware. Exits with 1 when
    something is missing that every build needs.
    """
    from vmforge.sdk.folders import state_dir
    from vmforge.sdk.host import Health
    from vmforge.sdk.registry import Kind, Registry

    shown: Terminal = context.obj
    registry = Registry()
    broken = False
    for name in registry.names(Kind.BUILDER):
        for finding in _examine(registry, name, state_dir(os.environ)):
            shown.finding(finding)
            broken |= finding.health is Health.BROKEN
    if broken:
        raise typer.Exit(1)


def _examine(registry: Registry, name: str, state_dir: Path) -> Iterator[HostFinding]:
    """What a builder needs here; only a warning where a plugin's cannot be asked."""
    from vmforge.sdk.builder import Builder
    from vmforge.sdk.host import Health, HostFinding
    from vmforge.sdk.registry import ComponentError, Kind

    try:
        component = registry.load(Kind.BUILDER, name)
    except ComponentError as error:
        yield HostFinding(f"builder {name}", Health.WARNING, error.message, error.hint)
        return
    assert issubclass(component, Builder)
    yield from component.examine_host(state_dir)
