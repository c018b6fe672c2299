"""`vmforge docs`: the reference of a component, printed from what it declares."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from vmforge.cli.terminal import Terminal
from vmforge.errors import UsageError

if TYPE_CHECKING:
    from vmforge.sdk.options import Config, Option

NAME = "docs"
_WIDTH = 100


def command(
    context: typer.Context,
    kind: Annotated[
        str, typer.Argument(help="builder, provisioner, post-processor, communicator, data-source.")
    ] = "",
    name: Annotated[str, typer.Argument(help="The component, as templates name it.")] = "",
) -> None:
    """Print a component's options.

    Without a name, list the components.
    """
    from vmforge.diagnostics import did_you_mean
    from vmforge.sdk.registry import Kind, Registry

    shown: Terminal = context.obj
    registry = Registry()
    if kind and kind not in list(Kind):
        hint = did_you_mean(kind, list(Kind)) or "the kinds are " + ", ".join(f"`{k}`" for k in Kind)
        raise UsageError(f"there is no kind of component `{kind}`", hint=hint)
    kinds = [Kind(kind)] if kind else list(Kind)
    if not name:
        for one in kinds:
            shown.print(f"{one}: {', '.join(registry.names(one)) or '-'}")
        return
    component = registry.load(Kind(kind), name)
    shown.print(f"{kind} `{name}`" + (f": {component.summary}" if component.summary else ""))
    for line in _reference(component.config_type):
        shown.print(line)


def _reference(config_type: type[Config], indent: str = "") -> Iterator[str]:
    from vmforge.sdk.options import options_of

    for option in options_of(config_type).values():
        yield ""
        yield f"{indent}{option.name} ({option.type_text}{_default(option)})"
        yield from textwrap.wrap(
            option.info.help, _WIDTH, initial_indent=indent + "    ", subsequent_indent=indent + "    "
        )
        if option.info.aliases:
            yield f"{indent}    Older name: {', '.join(option.info.aliases)}."
        if nested := _nested(option):
            yield from _reference(nested, indent + "    ")


def _default(option: Option) -> str:
    if option.required:
        return ", required"
    if option.info.default_text:
        return f", default {option.info.default_text}"
    if option.default in (None, "", (), False) or option.default == {}:
        return ", default false" if option.default is False else ""
    if isinstance(option.default, tuple):
        return f", default [{', '.join(str(item) for item in option.default)}]"
    return f", default {option.default}"


def _nested(option: Option) -> type[Config] | None:
    from vmforge.sdk.decoding import block_type

    return block_type(option.type)[0]
