"""`vmforge doctor`: what this machine lacks for building, and the command that mends it."""

from __future__ import annotations

import os

import typer

from vmforge.cli.terminal import Terminal

NAME = "doctor"


def command(context: typer.Context) -> None:
    """Say what this machine lacks.

    Looks at acceleration, QEMU, libvirt, permissions, disk space and firmware. Exits with 1 when
    something is missing that every build needs.
    """
    from vmforge.sdk.builder import Builder
    from vmforge.sdk.folders import state_dir
    from vmforge.sdk.host import Health
    from vmforge.sdk.registry import Kind, Registry

    shown: Terminal = context.obj
    registry = Registry()
    broken = False
    for name in registry.names(Kind.BUILDER):
        component = registry.load(Kind.BUILDER, name)
        assert issubclass(component, Builder)
        for finding in component.examine_host(state_dir(os.environ)):
            shown.finding(finding)
            broken |= finding.health is Health.BROKEN
    if broken:
        raise typer.Exit(1)
