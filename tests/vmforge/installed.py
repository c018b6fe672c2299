"""Distributions for tests: their metadata as pip leaves it, and their modules, in a folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path


def distribution(
    folder: Path, name: str, entries: Mapping[str, str], modules: Mapping[str, str], version: str = "1.0"
) -> None:
    """Install one below `folder`, which has to be on `sys.path`. `entries` are components (`builders.acme`)
    and the classes that they name, `modules` texts by the names of modules."""
    info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    lines: list[str] = []
    for component, target in entries.items():
        group, _, called = component.partition(".")
        lines += [f"[vmforge.{group}]", f"{called} = {target}"]
    (info / "entry_points.txt").write_text("\n".join([*lines, ""]))
    for module, text in modules.items():
        (folder / f"{module}.py").write_text(text)


# A provisioner that works.
GREETER = """\
from vmforge.sdk import Config, Provisioner


class Greeter(Provisioner[Config]):
    summary = "says hello"
    sdk_version = "1.0"

    def provision(self, context, machine):
        context.ui.message("hello")
"""
