"""User variables: declared with defaults, given by the user, rendered in the order of their references.

Lowest to highest: the default, each `-var-file` in order, `-var`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final, NoReturn

from vmforge.diagnostics import Diagnostic, SourceRange, did_you_mean
from vmforge.errors import UsageError
from vmforge.sdk.decoding import UNKNOWN_TEXT
from vmforge.sdk.gotemplate import Function, fields_of
from vmforge.sdk.interpolate import Interpolator, interpolator
from vmforge.sdk.values import UNKNOWN
from vmforge.template.json.syntax import (
    JsonArray,
    JsonConstant,
    JsonNode,
    JsonNumber,
    JsonObject,
    JsonString,
    describe,
    is_null,
)
from vmforge.template.legacy_json.document import read_object
from vmforge.template.model import VariableInputs, VariableValue

# what a default cannot call: it says something of one build
_RUNNING: Final = ("build", "build_name", "build_type")
# functions that read from servers
_SERVERS: Final = ("vault", "consul_key", "aws_secretsmanager", "aws_secretsmanager_raw")


@dataclass(frozen=True)
class Declared:
    """An entry of `variables`. Without default it is required. `range` is its name's, `default_range` the
    default's."""

    name: str
    default: str | None
    range: SourceRange
    default_range: SourceRange


@dataclass(frozen=True)
class _Given:
    """A text that the user or a default gives a variable, and where it stands."""

    text: str
    range: SourceRange | None = None


def declare(section: JsonObject, diagnostics: list[Diagnostic]) -> dict[str, Declared]:
    """The entries of `variables`."""
    declared = {}
    for member in section.members:
        name, node = member.name.value, member.value
        default = None
        if not is_null(node):
            default = _scalar_text(node)
            if default is None or isinstance(node, JsonConstant):
                hint = f'write `"{str(node.value).lower()}"`' if isinstance(node, JsonConstant) else ""
                summary = f"the default of `{name}` must be a string, not {describe(node)}"
                diagnostics.append(Diagnostic.error(summary, range=node.range, hint=hint))
                default = ""
        declared[name] = Declared(name, default, member.name.range, node.range)
    return declared


class UserVariables:
    """The variables of one template with their values. What is wrong with them goes to `diagnostics`;
    `secrets` are what was read from servers that keep secrets; when `offline`, none is asked."""

    def __init__(
        self,
        declared: Mapping[str, Declared],
        inputs: VariableInputs,
        diagnostics: list[Diagnostic],
        *,
        started: datetime,
        root: Path,
        offline: bool,
    ) -> None:
        self._declared = declared
        self._diagnostics = diagnostics
        defaults = [(v.name, v.default, v.default_range) for v in declared.values()]
        self._given = {name: _Given(text, place) for name, text, place in defaults if text is not None}
        self._read_inputs(inputs)
        self.secrets: set[str] = set()
        engine = interpolator(started=started, template_dir=root, environment=inputs.environment)
        self._engine = engine.with_functions(self._functions(inputs, offline))
        self._values: dict[str, str] = {}
        self._report_missing()
        for name in self._given:
            self._resolve(name)

    def _functions(self, inputs: VariableInputs, offline: bool) -> dict[str, Function]:
        """What these texts can call beside, or instead of, what all can."""
        functions: dict[str, Function] = {"user": self._user, **dict.fromkeys(_RUNNING, _too_early)}
        if offline:
            functions |= dict.fromkeys(_SERVERS, lambda *arguments: UNKNOWN_TEXT)
        elif any(name in given.text for given in self._given.values() for name in _SERVERS):
            from vmforge.template.functions.secrets import engine_functions  # few templates read from servers

            functions |= engine_functions(inputs.environment, self.secrets, inputs.network)
        return functions

    @property
    def values(self) -> dict[str, str]:
        """Every variable that has a value, undeclared ones that the user gave included."""
        return dict(self._values)

    def names(self) -> set[str]:
        return self._declared.keys() | self._given.keys()

    def public(self, sensitive: set[str]) -> dict[str, VariableValue]:
        return {
            v.name: VariableValue(
                v.name,
                self._values[v.name] if v.name in self._given else UNKNOWN,
                v.name in sensitive,
                required=v.default is None,
                type="string",
                range=v.range,
            )
            for v in self._declared.values()
        }

    # what the user gives

    def _read_inputs(self, inputs: VariableInputs) -> None:
        for path in inputs.files:
            self._read_file(path)
        for assignment in inputs.assignments:
            name, equals, text = assignment.partition("=")
            if not equals or not name.strip():
                raise UsageError(f"`-var {assignment}` is not an assignment", hint="write `-var name=value`")
            self._given[name.strip()] = _Given(text)

    def _read_file(self, path: Path) -> None:
        content, found = read_object(path, "a var file")
        self._diagnostics += found
        for member in content.members if content is not None else ():
            name, node = member.name.value, member.value
            text = _variable_text(node)
            if text is None and not is_null(node):
                summary = f"the value of `{name}` must be a string, not {describe(node)}"
                self._diagnostics.append(Diagnostic.error(summary, range=node.range))
            elif text is not None:
                self._given[name] = _Given(text, node.range)

    def _report_missing(self) -> None:
        for variable in self._declared.values():
            if variable.name not in self._given:
                summary = f"variable `{variable.name}` has no value"
                hint = f"give it one with `-var {variable.name}=...`, a var file, or a default"
                self._diagnostics.append(Diagnostic.error(summary, range=variable.range, hint=hint))

    # rendering

    def _resolve(self, wanted: str) -> None:
        """Render a variable, and before it those that it refers to."""
        waiting = [wanted]
        while waiting:
            name = waiting[-1]
            try:
                if name not in self._values:
                    self._render(name)
            except _Needed as needed:
                if needed.name in waiting:
                    self._report_cycle(waiting[waiting.index(needed.name) :])
                else:
                    waiting.append(needed.name)
                    continue
            waiting.pop()

    def _render(self, name: str) -> None:
        given = self._given.get(name)
        if given is None:  # it is reported as missing
            self._values[name] = ""
            return
        try:
            self._values[name] = render_default(given.text, self._engine)
        except ValueError as error:
            self._values[name] = ""
            summary = f"variable `{name}`: {error}"
            self._diagnostics.append(Diagnostic.error(summary, range=given.range))

    def _user(self, name: str) -> str:
        if name in self._values:
            return self._values[name]
        if name not in self.names():
            hint = did_you_mean(name, self.names())
            raise ValueError(f"there is no variable `{name}`" + (f"; {hint}" if hint else ""))
        raise _Needed(name)

    def _report_cycle(self, names: list[str]) -> None:
        for name in names:
            self._values[name] = ""
        given = self._given[names[0]]
        path = " -> ".join(f"`{name}`" for name in [*names, names[0]])
        summary = f"variables refer to each other in a circle: {path}"
        self._diagnostics.append(Diagnostic.error(summary, range=given.range))


class _Needed(Exception):
    """A variable refers to another that has not been rendered; it passes through the engine unchanged."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


def render_default(text: str, engine: Interpolator) -> str:
    """The text rendered, but for the fields of a running build (`{{ .Vars }}`), which stay as they are.
    Raises ValueError."""
    if "{{" not in text:
        return text
    fields = fields_of(text, engine.functions)
    return engine.with_fields({name: f"{{{{.{name}}}}}" for name in fields}).render(text)


def _too_early(*arguments: object) -> NoReturn:
    raise ValueError("is known only in builders, provisioners and post-processors")


def _scalar_text(node: JsonNode) -> str | None:
    if isinstance(node, JsonConstant):
        return None if node.value is None else str(node.value).lower()
    if isinstance(node, JsonNumber):
        return format(node.value, "f") if not isinstance(node.value, int) else str(node.value)
    return node.value if isinstance(node, JsonString) else None


def _variable_text(node: JsonNode) -> str | None:
    """A value of a var file as text; a list is joined with commas."""
    if isinstance(node, JsonArray):
        texts = [_scalar_text(item) for item in node.items]
        return None if None in texts else ",".join(text for text in texts if text is not None)
    return _scalar_text(node)
