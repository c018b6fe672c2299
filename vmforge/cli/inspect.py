"""`vmforge inspect`: what a template holds, as text, for programs, or as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from vmforge.cli.inspect_legacy import show_outline
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
    from vmforge.template import BuildBlock, PostProcessorBlock, ProvisionerBlock, Template

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
    loaded = load_template(template, var, var_file, tolerant=True, config_type=config_type)
    shown.redactor.add(loaded.secrets)
    shown.diagnostics(loaded.warnings)
    if as_json:
        shown.print(json.dumps(_as_json(loaded), indent=2))
    elif loaded.outline is not None:
        hidden = {v.name for v in loaded.variables.values() if v.sensitive}
        show_outline(shown, loaded.outline, hidden)
    elif shown.machine_readable:
        _machine(shown, loaded)
    else:
        for line in _text(loaded):
            shown.print(line)


def variables_text(template: Template) -> Iterator[str]:
    """The variables and local values with their values, those that are secret hidden."""
    from vmforge.template import quote

    yield "> input-variables:\n"
    for variable in sorted(template.variables.values(), key=lambda v: v.name):
        value = _public(variable.sensitive, variable.value)
        yield f"var.{variable.name}: {quote(value)}"
    yield "\n> local-variables:\n"
    for local in sorted(template.local_values.values(), key=lambda v: v.name):
        value = _public(local.sensitive, local.value)
        yield f"local.{local.name}: {quote(value)}"


def _public(sensitive: bool, value: Value) -> str:
    """A value as text. That a secret is empty or has no value yet is no secret, and worth knowing."""
    from vmforge.template import format_value

    text = format_value(value)
    return "<sensitive>" if sensitive and text not in ("", "null", "<unknown>") else text


def _text(template: Template) -> Iterator[str]:
    yield "Packer Inspect: HCL2 mode\n"
    yield from variables_text(template)
    yield "\n> builds:\n"
    for number, block in enumerate(template.builds):
        yield from _build_text(block, number)


def _build_text(block: BuildBlock, number: int) -> Iterator[str]:
    yield f"  > {block.name or f'<unnamed build {number}>'}:\n"
    if block.description:
        yield f"  > Description: {block.description}\n"
    yield "    sources:\n"
    if not block.sources:
        yield "      <no source>\n"
    for use in block.sources:
        yield f"      {use.type}.{use.name}\n"
    yield "    provisioners:\n"
    yield "\n".join(f"      {_titled(p)}" for p in block.provisioners) or "      <no provisioner>"
    yield "\n    post-processors:\n"
    if not block.chains:
        yield "      <no post-processor>"
    for index, chain in enumerate(block.chains):
        yield f"      {index}:"
        for post_processor in chain:
            yield f"        {_titled(post_processor)}"
    yield ""


def _titled(block: ProvisionerBlock | PostProcessorBlock) -> str:
    """A component's type, and its name where the template gives it one."""
    return block.type if block.name in ("", block.type) else f"{block.type}.{block.name}"


def _machine(shown: Terminal, template: Template) -> None:
    for variable in template.variables.values():
        value = _public(variable.sensitive, variable.value)
        shown.machine("", "template-variable", variable.name, value, "1" if variable.required else "0")
    for block in template.builds:
        for use in block.sources:
            shown.machine("", "template-builder", use.name, use.type)
        for provisioner in block.provisioners:
            shown.machine("", "template-provisioner", provisioner.type)


def _as_json(template: Template) -> dict[str, object]:
    return {
        "variables": {
            v.name: {
                "value": _public(v.sensitive, v.value),
                "sensitive": v.sensitive,
                "required": v.required,
            }
            for v in template.variables.values()
        },
        "locals": {v.name: _public(v.sensitive, v.value) for v in template.local_values.values()},
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
