"""A legacy JSON template as Packer's `inspect` shows it: as written, nothing rendered."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING

from vmforge.cli.terminal import Terminal

if TYPE_CHECKING:
    from vmforge.template import LegacyOutline

_NOTE = """
Note: If your build names contain user variables or template
functions such as 'timestamp', these are processed at build time,
and therefore only show in their raw form here."""


def show_outline(shown: Terminal, outline: LegacyOutline, sensitive: Collection[str]) -> None:
    """Print it as text, or as lines for programs; the defaults of `sensitive` variables stay hidden."""
    defaults = {n: "<sensitive>" if n in sensitive else text for n, text in outline.defaults.items()}
    if shown.machine_readable:
        _machine(shown, outline, defaults)
        return
    for line in _text(outline, sorted(defaults.items())):
        shown.print(line)


def _text(outline: LegacyOutline, defaults: Sequence[tuple[str, str]]) -> Iterator[str]:
    yield "Packer Inspect: JSON mode"
    if outline.description:
        yield f"Description:\n\n{outline.description}\n"
    if not outline.required_variables and not defaults:
        yield "Variables:\n\n  <No variables>\n"
    if outline.required_variables:
        yield "Required variables:\n"
        yield from (f"  {name}" for name in sorted(outline.required_variables))
        yield ""
    if defaults:
        width = max(map(len, [*outline.required_variables, *outline.defaults]))
        yield "Optional variables and their defaults:\n"
        yield from (f"  {name:{width}} = {text}" for name, text in defaults)
        yield ""
    yield "Builders:\n"
    yield from _builders(outline.builders)
    yield "\nProvisioners:\n"
    yield "\n".join(f"  {type_}" for type_ in outline.provisioners) or "  <No provisioners>"
    yield _NOTE


def _builders(builders: Sequence[tuple[str, str]]) -> Iterator[str]:
    if not builders:
        yield "  <No builders>"
    width = max((len(name) for name, _ in builders), default=0)
    for name, type_ in sorted(builders):
        yield f"  {name:{width}}" + (f" ({type_})" if type_ != name else "")


def _machine(shown: Terminal, outline: LegacyOutline, defaults: dict[str, str]) -> None:
    for name in sorted(outline.required_variables):
        shown.machine("", "template-variable", name, "", "1")
    for name, text in sorted(defaults.items()):
        shown.machine("", "template-variable", name, text, "0")
    for name, type_ in sorted(outline.builders):
        shown.machine("", "template-builder", name, type_)
    for type_ in outline.provisioners:
        shown.machine("", "template-provisioner", type_)
