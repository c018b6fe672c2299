"""`vmforge init`: where the components of a template's `required_plugins` come from."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from vmforge.cli.template_options import ConfigType, TemplateArgument, Var, VarFile, load_template
from vmforge.cli.terminal import Terminal
from vmforge.errors import HostError
from vmforge.sdk.extras import install_command
from vmforge.sdk.network import is_offline

if TYPE_CHECKING:
    from vmforge.pipeline.plugins import Plugin
    from vmforge.sdk.registry import Registry
    from vmforge.template import RequiredPlugin

NAME = "init"


def command(
    context: typer.Context,
    template: TemplateArgument,
    var: Var = [],
    var_file: VarFile = [],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Install the packages with pip.")] = False,
    upgrade: Annotated[
        bool, typer.Option("--upgrade", help="Install the packages with pip, the newest versions.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", hidden=True, help="Accepted for Packer's sake.")] = False,
    config_type: ConfigType = "",
) -> None:
    """Say what a template's plugins are to vmforge.

    Most are built in. Packages that exist for others are named, and installed with `--yes` or `--upgrade`.
    """
    from vmforge.pipeline.plugins import find_plugin
    from vmforge.sdk.registry import Registry

    shown: Terminal = context.obj
    loaded = load_template(template, var, var_file, tolerant=True, config_type=config_type)
    if not loaded.required_plugins:
        shown.print("The template names no `required_plugins`: there is nothing to install.")
        return
    registry = Registry()
    found = [(required, find_plugin(required)) for required in loaded.required_plugins]
    for required, plugin in found:
        for line in describe(required, plugin, registry):
            shown.print(line)
    packages = missing_packages(
        (plugin for _, plugin in found if plugin is not None), registry, upgrade=upgrade
    )
    if packages and (yes or upgrade):
        install(packages, upgrade=upgrade)
    elif packages:
        shown.print("\nInstall what is missing with `vmforge init --yes`.")


def describe(required: RequiredPlugin, plugin: Plugin | None, registry: Registry) -> Iterator[str]:
    """What one entry of `required_plugins` is to vmforge: a line, perhaps two."""
    from vmforge.pipeline.plugins import unknown_plugin

    name = required.source or required.name
    plugin = plugin or unknown_plugin(required, registry)
    if plugin is None:
        yield f"{name}: not known to vmforge; no package exists for it"
        return
    installed, missing = plugin.installed(registry), plugin.missing(registry)
    origins = ", ".join(plugin.origins(registry))
    if installed:
        part = f" ({', '.join(installed)})" if missing else ""
        yield f"{name}: {'in part ' if missing else ''}{f'of {origins}' if origins else 'built in'}{part}"
    if plugin.lacks_libraries(registry):
        yield f"{name}: its libraries are missing; `{install_command(plugin.extra)}` brings them"
    if not missing:
        return
    source = f"`pip install '{plugin.package}'` brings" if plugin.package else "no package exists yet for"
    yield f"{name}: {source} {', '.join(missing)}"


def missing_packages(plugins: Iterable[Plugin], registry: Registry, *, upgrade: bool) -> list[str]:
    """The packages to install, each once; with `upgrade` those that are installed too."""
    wanted: list[str] = []
    for plugin in plugins:
        if plugin.package and (upgrade or plugin.missing(registry)):
            wanted.append(plugin.package)
        if plugin.lacks_libraries(registry) or (upgrade and plugin.extra and plugin.installed(registry)):
            wanted.append(f"vmforge[{plugin.extra}]")
    return list(dict.fromkeys(wanted))


def install(packages: Sequence[str], *, upgrade: bool) -> None:
    """Install packages beside vmforge. Raises `HostError`."""
    listed = ", ".join(f"`{package}`" for package in packages)
    if is_offline(os.environ):
        raise HostError(f"offline, and pip would have to fetch {listed}", hint="see `VMFORGE_OFFLINE`")
    flags = ["--upgrade"] if upgrade else []
    done = subprocess.run([sys.executable, "-m", "pip", "install", *flags, *packages], check=False)
    if done.returncode != 0:
        hint = "pip's own message stands above; does this Python have pip, and does it reach its index?"
        raise HostError(f"pip could not install {listed}", hint=hint)
