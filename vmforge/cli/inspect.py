"""`vmforge inspect`: what a template holds, as text, for programs, or as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from vmforge.cli.template_options import (
    ConfigType,
    Except,
    Only,
    TemplateArgument,
    Var,
    VarFile,
    load_template,
)
from vmforge.cli.terminal import Terminal

if TYPE_CHECKING:
    from vmforge.sdk.values import Value
    from vmforge.template import BuildBlock, Template

NAME = "inspect"


def command(
    context: typer.Context,
    template: TemplateArgument,
    var: Var = [],
    var_file: VarFile = [],
    only: Only = [],
    except_: Except = [],
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
    config_type: ConfigType = "",
) -> None:
    """Show a template's variables, locals and builds."""
    shown: Terminal = context.obj
    loaded = load_template(template, var, var_file, tolerant=True)
    shown.redactor.add(loaded.secrets)
    shown.diagnostics(loaded.warnings)
    if as_json:
        shown.print(json.dumps(_as_json(loaded), indent=2))
    elif shown.machine_readable:
        _machine(shown, loaded)
    else:
        for line in _text(loaded):
            shown.print(line)


def _text(template: Template) -> Iterator[str]:
    from vmforge.template import format_value, quote

    yield "Packer Inspect: HCL2 mode\n"
    yield "> input-variables:\n"
    for variable in sorted(template.variables.values(), key=lambda v: v.name):
        value = "<sensitive>" if variable.sensitive else format_value(variable.value)
        yield f"var.{variable.name}: {quote(value)}"
    yield "\n> local-variables:\n"
    for local in sorted(template.local_values.values(), key=lambda v: v.name):
        value = "<sensitive>" if local.sensitive else format_value(local.value)
        yield f"local.{local.name}: {quote(value)}"
    yield "\n> builds:\n"
    for number, block in enumerate(template.builds):
        yield from _build_text(block, number)


def _build_text(block: BuildBlock, number: int) -> Iterator[str]:
    yield f"  > {block.name or f'<unnamed build {number}>'}:\n"
    if block.description:
        yield f"  > Description: {block.description}\n"
    yield "    sources:\n"
    for use in block.sources:
        yield f"      {use.type}.{use.name}\n"
    yield "    provisioners:\n"
    yield "\n".join(f"      {p.type}" for p in block.provisioners) or "      <no provisioner>"
    yield "\n    post-processors:\n"
    if not block.chains:
        yield "      <no post-processor>"
    for index, chain in enumerate(block.chains):
        yield f"      {index}:"
        for post_processor in chain:
            yield f"        {post_processor.type}"
    yield ""


def _machine(shown: Terminal, template: Template) -> None:
    from vmforge.template import format_value

    for variable in template.variables.values():
        value = "<sensitive>" if variable.sensitive else format_value(variable.value)
        shown.machine("", "template-variable", variable.name, value, "1" if variable.required else "0")
    for block in template.builds:
        for use in block.sources:
            shown.machine("", "template-builder", use.name, use.type)
        for provisioner in block.provisioners:
            shown.machine("", "template-provisioner", provisioner.type)


def _as_json(template: Template) -> dict[str, object]:
    from vmforge.template import format_value

    def value_of(sensitive: bool, value: Value) -> str:
        return "<sensitive>" if sensitive else format_value(value)

    return {
        "variables": {
            v.name: {
                "value": value_of(v.sensitive, v.value),
                "sensitive": v.sensitive,
                "required": v.required,
            }
            for v in template.variables.values()
        },
        "locals": {v.name: value_of(v.sensitive, v.value) for v in template.local_values.values()},
        "builds": [
            {
                "name": block.name,
                "description": block.description,
                "sources": [f"{use.type}.{use.name}" for use in block.sources],
                "provisioners": [p.type for p in block.provisioners],
                "post-processors": [[p.type for p in chain] for chain in block.chains],
            }
            for block in template.builds
        ],
    }
