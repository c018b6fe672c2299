"""`vmforge hcl2_upgrade`: a legacy JSON template in HCL2."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from vmforge.cli.replacing import replace_file
from vmforge.cli.terminal import Terminal

if TYPE_CHECKING:
    from vmforge.sdk.registry import Kind
    from vmforge.template.upgrade import PluginRequirement

NAME = "hcl2_upgrade"

_STANDARD_OUTPUT: Final = "-"
_ENDING: Final = ".pkr.hcl"
# All plugins of HashiCorp's are at version 1; of the others some have not come to 1.0.
_VERSIONS: Final = {"hashicorp": "~> 1"}
_ANY_VERSION: Final = ">= 0.0.1"


def command(
    context: typer.Context,
    template: Annotated[
        Path, typer.Argument(metavar="TEMPLATE", help="A template in JSON.", show_default=False)
    ],
    output_file: Annotated[
        str,
        typer.Option(
            "--output-file",
            metavar="FILE",
            help="Where to write it: `TEMPLATE.pkr.hcl` if not given, `-` for standard output.",
            show_default=False,
        ),
    ] = "",
    with_annotations: Annotated[
        bool, typer.Option("--with-annotations", help="Add comments that explain the parts.")
    ] = False,
) -> None:
    """Write a JSON template as HCL2 that means the same."""
    from vmforge.sdk.registry import Registry
    from vmforge.template.upgrade import upgrade

    shown: Terminal = context.obj
    upgraded = upgrade(template, Registry(), _requirement, annotate=with_annotations)
    content = upgraded.text.encode("utf-8", "surrogateescape")
    if output_file == _STANDARD_OUTPUT:
        shown.data(content)
    else:
        target = Path(output_file or f"{template}{_ENDING}")
        replace_file(target, content, hint="name another file with `-output-file`")
        shown.print(f"Wrote `{target}`.")
    shown.diagnostics(upgraded.warnings)


def _requirement(kind: Kind, component: str) -> PluginRequirement | None:
    from vmforge.pipeline.plugins import plugin_of
    from vmforge.template.upgrade import PluginRequirement

    plugin = plugin_of(kind, component)
    if plugin is None:
        return None
    return PluginRequirement(plugin.name, plugin.source, _VERSIONS.get(plugin.owner, _ANY_VERSION))
