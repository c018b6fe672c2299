"""From a string with `{{ }}` to the parts of a string in HCL."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, Final

import vmforge.sdk.gotemplate.syntax as go
from vmforge.diagnostics import Diagnostic
from vmforge.sdk.gotemplate import TemplateError, names_given_to
from vmforge.sdk.gotemplate.execution import known_functions
from vmforge.sdk.gotemplate.parser import parse
from vmforge.sdk.interpolate import interpolator
from vmforge.template.json.syntax import JsonString
from vmforge.template.upgrade.engine_text import write_nodes
from vmforge.template.upgrade.expressions import Expressions, Scope
from vmforge.template.upgrade.tokens import Directive, Interpolation, Part, merged

_FUNCTIONS: Final = known_functions(interpolator().functions.keys())
# what says nothing, or something else, to the engine of an upgraded template
_GONE: Final = frozenset(
    {"user", "env", "vault", "consul_key", "aws_secretsmanager", "aws_secretsmanager_raw"}
)
_TRIMS: Final = re.compile(r"^-(?=\s)|(?<=\s)-$")


@dataclass(frozen=True)
class Texts:
    """Translates the strings that stand in one scope; what cannot be said is reported."""

    scope: Scope
    diagnostics: list[Diagnostic]

    def parts(self, node: JsonString) -> list[Part]:
        """The parts of a string of the template."""
        return self.parts_of(node.value, node)

    def parts_of(self, text: str, place: JsonString) -> list[Part]:
        if "{{" not in text:
            return [text]
        try:
            nodes = parse(text, _FUNCTIONS)
        except TemplateError as error:
            self._warn(place, f"this text is left as it is: {error}")
            return [text]
        return merged(_Reader(self, text, place).nodes(nodes))

    @cached_property
    def expressions(self) -> Expressions:
        return Expressions(self.scope)

    def _warn(self, place: JsonString, summary: str, hint: str = "") -> None:
        self.diagnostics.append(Diagnostic.warning(summary, range=place.range, hint=hint))

    def cannot_say(self, place: JsonString, functions: Iterable[str]) -> None:
        listed = ", ".join(f"`{name}`" for name in sorted(functions))
        hint = "write it with functions of HCL; `vmforge docs function` lists them"
        self._warn(place, f"{listed} in this `{{{{ }}}}` has no counterpart; it is left as it is", hint)


@dataclass(frozen=True)
class _Reader:
    """Reads one text."""

    texts: Texts
    source: str
    place: JsonString

    def nodes(self, nodes: Iterable[go.Node]) -> Iterator[Part]:
        for node in nodes:
            yield from self._node(node)

    def _node(self, node: go.Node) -> Iterator[Part]:
        if isinstance(node, go.Text):
            yield node.text
        elif isinstance(node, go.Action):
            value = self.texts.expressions.value(node.pipeline)
            yield from [Interpolation(value)] if value is not None else self._kept(node)
        elif isinstance(node, go.If):
            condition = self.texts.expressions.condition(node.condition)
            yield from self._kept(node) if condition is None else self._if(condition, node)
        else:
            yield from self._kept(node)

    def _if(self, condition: str, node: go.If) -> Iterator[Part]:
        yield Directive(f"if {condition}")
        yield from self.nodes(node.body)
        if node.otherwise:
            yield Directive("else")
            yield from self.nodes(node.otherwise)
        yield Directive("endif")

    def _kept(self, node: go.Node) -> Iterator[Part]:
        """What the engine has still to render, with the values of user variables put in."""
        calls = [*functions_in(node)]
        called = frozenset(calls)
        if isinstance(node, go.Action) and not called & _GONE and not self._is_lost(called):
            yield self._as_written(node.pipeline.position)
            return
        scope = self.texts.scope
        reference = partial(scope.names.reference, in_variables=scope.in_variables)
        parts = [*write_nodes([node], reference)]
        left = called & (_GONE - {"user"})
        if calls.count("user") > sum(isinstance(part, Interpolation) for part in parts):
            left |= {"user"}  # its argument is computed
        if left or self._is_lost(called):
            self.texts.cannot_say(self.place, left or called)
        yield from parts

    def _is_lost(self, called: frozenset[str]) -> bool:
        """Whether this computes the value of a variable, which the engine does not see itself."""
        return self.texts.scope.in_variables and bool(called)

    def _as_written(self, position: int) -> str:
        """The action around an offset, without markers that trim: what they trim is gone already."""
        start, end = self.source.rfind("{{", 0, position), self._end(position)
        return "{{" + _TRIMS.sub("", self.source[start + 2 : end]) + "}}"

    def _end(self, position: int) -> int:
        """Where the action's `}}` begins; those in its strings are none."""
        strings = re.compile(r'"(?:[^"\\]|\\.)*"|`[^`]*`|\'(?:[^\'\\]|\\.)+\'|(?P<end>\}\})', re.DOTALL)
        found = next(m for m in strings.finditer(self.source, position) if m["end"])
        return found.start()


def functions_in(node: Any) -> Iterator[str]:
    """The names of the functions that a part of the syntax tree calls."""
    if isinstance(node, go.Identifier):
        yield node.name
    elif isinstance(node, tuple):
        for item in node:
            yield from functions_in(item)
    elif dataclasses.is_dataclass(node):
        for field in dataclasses.fields(node):
            yield from functions_in(getattr(node, field.name))


def is_computed(text: str) -> bool:
    """Whether the default of a variable is more than text and environment variables: the default of a
    variable in HCL cannot be."""
    if "{{" not in text:
        return False
    try:
        nodes = parse(text, _FUNCTIONS)
    except TemplateError:
        return False
    branches = any(isinstance(node, go.If | go.With | go.Range) for node in nodes)
    return branches or bool(set(functions_in(nodes)) - {"env"})


def variables_in(text: str) -> frozenset[str]:
    """The user variables that a text reads."""
    try:
        return names_given_to("user", text, _FUNCTIONS) if "{{" in text else frozenset()
    except TemplateError:
        return frozenset()
