"""`vmforge docs`: the reference of components and functions, printed from what they declare."""

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
_FUNCTION = "function"


def command(
    context: typer.Context,
    kind: Annotated[
        str, typer.Argument(help="builder, provisioner, post-processor, communicator, data-source, function.")
    ] = "",
    name: Annotated[str, typer.Argument(help="The component or function, as templates name it.")] = "",
) -> None:
    """Print a component's options, or what a function does.

    Without a name, list the components or all functions.
    """
    from vmforge.diagnostics import did_you_mean
    from vmforge.sdk.registry import Kind, Registry

    shown: Terminal = context.obj
    registry = Registry()
    if kind == _FUNCTION:
        for line in _function(name) if name else function_tables():
            shown.print(line)
        return
    if kind and kind not in list(Kind):
        known = [*Kind, _FUNCTION]
        hint = did_you_mean(kind, known) or "the kinds are " + ", ".join(f"`{k}`" for k in known)
        raise UsageError(f"there is no kind of component `{kind}`", hint=hint)
    kinds = [Kind(kind)] if kind else list(Kind)
    if not name:
        for one in kinds:
            shown.print(f"{one}: {', '.join(registry.names(one)) or '-'}")
        return
    component = registry.load(Kind(kind), name)
    shown.print(f"{kind} `{name}`" + (f": {component.summary}" if component.summary else ""))
    for line in reference(component.config_type):
        shown.print(line)


def function_tables() -> Iterator[str]:
    """All functions of the template language in Markdown, as docs/templates.md shows them."""
    from vmforge.template.functions import all_functions

    functions = all_functions().values()
    for group in dict.fromkeys(function.group for function in functions):
        yield from ("", f"### {group.capitalize()}", "", "| function | what it gives |", "|---|---|")
        for function in sorted((f for f in functions if f.group == group), key=lambda f: f.name):
            yield f"| `{function.signature}` | {function.help.replace('|', chr(92) + '|')} |"


def _function(name: str) -> Iterator[str]:
    from vmforge.template.functions import FUNCTIONS, FunctionError, all_functions

    if name not in all_functions():
        try:
            FUNCTIONS.find(name)
        except FunctionError as error:
            raise UsageError(str(error), hint=error.hint) from None
    function = all_functions()[name]
    yield function.signature
    yield from textwrap.wrap(function.help, _WIDTH, initial_indent="    ", subsequent_indent="    ")


def reference(config_type: type[Config], indent: str = "") -> Iterator[str]:
    """The options of a configuration, each with its type, default and help."""
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
            yield from reference(nested, indent + "    ")


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
