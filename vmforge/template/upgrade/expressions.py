"""From pipelines of `{{ }}` to expressions of HCL, where HCL has the same to say.

What it has not (`clean_resource_name`, the fields of a running build) comes to None.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import vmforge.sdk.gotemplate.syntax as go
from vmforge.template.upgrade.names import Names
from vmforge.template.upgrade.tokens import Part, expression, is_identifier, quoted

_CONSTANTS: Final = {
    "template_dir": "abspath(path.root)",
    "pwd": "path.cwd",
    "packer_version": "packer.version",
}
# HCL has these by the same name
_SERVERS: Final = ("vault", "consul_key", "aws_secretsmanager", "aws_secretsmanager_raw")
_PLAIN_FORMAT: Final = re.compile(r"(?:[^%]|%[sv%])*")


@dataclass(frozen=True)
class Scope:
    """What a text can refer to where it stands. `build_name` is what ``{{build_name}}`` says there, when
    the engine cannot be left to say it. In a default (`default`) `env` can be called."""

    names: Names
    running: bool = False
    in_variables: bool = False
    default: bool = False
    build_name: tuple[Part, ...] = ()


@dataclass(frozen=True)
class _Value:
    """An expression; `constant` is its value where it is a literal."""

    source: str
    constant: str | int | None = None


@dataclass(frozen=True)
class Expressions:
    """Reads the pipelines of the texts of one scope."""

    scope: Scope

    def value(self, pipeline: go.Pipeline) -> str | None:
        """The expression for a pipeline whose value is a string."""
        found = self._pipeline(pipeline)
        return found.source if found is not None and found.constant is None else None

    def condition(self, pipeline: go.Pipeline) -> str | None:
        """The expression for a pipeline of which only matters whether it is true."""
        if pipeline.variables:
            return None
        match pipeline.commands:
            case (go.Command(_, (go.Identifier(_, "not"), only)),):
                inner = self._truth(only)
                return f"!({inner})" if inner else None
            case (go.Command(_, (go.Identifier(_, "and" | "or" as name), *operands)),):
                found = [self._truth(operand) for operand in operands]
                operator = " && " if name == "and" else " || "
                known = [f"({inner})" for inner in found if inner]
                return operator.join(known) if known and len(known) == len(found) else None
            case (go.Command(_, (go.Identifier(_, "eq" | "ne" as name), first, second)),):
                left, right = self._operand(first), self._operand(second)
                if left is None or right is None or isinstance(left.constant or right.constant, int):
                    return None
                return f"{left.source} {'==' if name == 'eq' else '!='} {right.source}"
        text = self._pipeline(pipeline)
        return f'{text.source} != ""' if text is not None and not isinstance(text.constant, int) else None

    def _truth(self, operand: go.Operand) -> str | None:
        if isinstance(operand, go.Pipeline):
            return self.condition(operand)
        return self.condition(go.Pipeline(0, (), False, (go.Command(0, (operand,)),)))

    def _pipeline(self, pipeline: go.Pipeline) -> _Value | None:
        value: _Value | None = None
        for number, command in enumerate(pipeline.commands):
            value = self._command(command, [value] if number > 0 and value is not None else [])
            if value is None or pipeline.variables:
                return None
        return value

    def _command(self, command: go.Command, piped: list[_Value]) -> _Value | None:
        first, *rest = command.operands
        if not isinstance(first, go.Identifier):
            return self._operand(first) if not piped else None
        given = [self._operand(operand) for operand in rest]
        arguments = [value for value in given if value is not None] + piped
        if len(arguments) < len(given) + len(piped):
            return None
        source = self._reference(first.name, arguments) or self._computed(first.name, arguments)
        return _Value(source) if source else None

    def _operand(self, operand: go.Operand) -> _Value | None:
        match operand:
            case go.Literal(_, str(text)):
                return _Value(quoted([text] if text else []), text)
            case go.Literal(_, int(number)) if not isinstance(number, bool):
                return _Value(str(number), number)
            case go.Identifier():
                return self._command(go.Command(0, (operand,)), [])
            case go.Pipeline():
                return self._pipeline(operand)
        return None

    def _reference(self, name: str, arguments: Sequence[_Value]) -> str | None:
        """Functions that tell something of the run."""
        names = self.scope.names
        match name, arguments:
            case "user", [_Value(constant=str(variable))]:
                return names.reference(variable, in_variables=self.scope.in_variables)
            case "env", [_Value(source, str(variable))] if self.scope.in_variables:
                return f"env({source})" if self.scope.default else names.read_environment(variable)
            case "build", [_Value(constant=str(value))] if self.scope.running and is_identifier(value):
                return f"build.{value}"
            case "build_name", [] if self.scope.build_name:
                return expression(self.scope.build_name)
            case "timestamp", []:
                return names.read_timestamp()
            case "isotime", [] | [_]:
                return f"legacy_isotime({''.join(a.source for a in arguments)})"
            case "strftime", [format_]:
                return f"legacy_strftime({format_.source})"
            case "uuid", [] if self.scope.in_variables:
                return "uuidv4()"
            case _, [] if name in _CONSTANTS:
                return _CONSTANTS[name]
            case _, [_, *_] if name in _SERVERS and self.scope.in_variables:
                return f"{name}({', '.join(a.source for a in arguments)})"
        return None

    def _computed(self, name: str, arguments: Sequence[_Value]) -> str | None:
        """Functions of texts."""
        match name, arguments:
            case "lower" | "upper", [text]:
                return f"{name}({text.source})"
            case "urlquery", [text]:
                return f"urlencode({text.source})"
            case "print", [text]:
                return text.source
            case "split", [text, _Value(separator, str(given)), _Value(constant=int(index))] if given:
                return f"split({separator}, {text.source})[{index}]"
            case "replace_all", [old, new, text] if old.constant:
                return f"replace({text.source}, {old.source}, {new.source})"
            case "replace", [old, new, _Value(constant=int(count)), text] if old.constant:
                if count < 0:
                    return f"replace({text.source}, {old.source}, {new.source})"
                return _replaced_once(text, old.constant, new.constant) if count == 1 else None
            case "printf", [_Value(format_, str(given)), *values] if _PLAIN_FORMAT.fullmatch(given):
                return f"format({', '.join([format_, *(v.source for v in values)])})"
        return None


def _replaced_once(text: _Value, old: str | int, new: str | int | None) -> str | None:
    """The first occurrence replaced: a pattern that begins with the text's start matches only once."""
    if not isinstance(old, str) or not isinstance(new, str):
        return None
    literal = re.sub(r"([\\.+*?()|\[\]{}^$])", r"\\\1", old)
    pattern = quoted([f"(?s)^(.*?){literal}"])
    return f"regex_replace({text.source}, {pattern}, {quoted(['${1}' + new.replace('$', '$$')])})"
