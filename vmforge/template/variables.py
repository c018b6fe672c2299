"""Declared variables and their values.

Lowest to highest: the default, `PKR_VAR_name`, `*.auto.pkrvars.*`, each `-var-file` in order, `-var`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from vmforge.diagnostics import Diagnostic, SourceRange, did_you_mean
from vmforge.errors import UsageError
from vmforge.sdk.values import UNKNOWN
from vmforge.template.arguments import ArgumentReader, check_labels, check_names
from vmforge.template.blocks import value_or_unknown
from vmforge.template.expressions.conversion import ConversionError, convert
from vmforge.template.expressions.errors import EvaluationError
from vmforge.template.expressions.evaluation import evaluate
from vmforge.template.expressions.scope import Namespace, Scope
from vmforge.template.expressions.type_expressions import read_type
from vmforge.template.expressions.types import ANY, NUMBER, STRING, Primitive, Type
from vmforge.template.expressions.values import Value, strings_in, to_plain, type_of
from vmforge.template.hcl import SourceText, parse_expression
from vmforge.template.hcl.syntax import Argument, Attribute, Block, Expression, Reference
from vmforge.template.model import VariableInputs, VariableValue
from vmforge.template.variable_files import read_variable_file

_ENVIRONMENT_PREFIX = "PKR_VAR_"


@dataclass
class Variable:
    """A declared variable. `value` is what has the highest precedence so far."""

    name: str
    range: SourceRange
    type: Type | None = None
    default: Value = None
    has_default: bool = False
    description: str = ""
    sensitive: bool = False
    validations: list[Block] = field(default_factory=list)
    value: Value = UNKNOWN
    is_set: bool = False

    def public(self) -> VariableValue:
        of = str(self.type) if self.type is not None else "any"
        return VariableValue(
            self.name,
            to_plain(self.value),
            self.sensitive,
            self.description,
            not self.has_default,
            of,
            self.range,
        )


class Variables(Namespace):
    """All variables of a template; `var` in expressions."""

    def __init__(self, default_scope: Scope, constant_scope: Scope, diagnostics: list[Diagnostic]) -> None:
        self._default_scope = default_scope
        self._constant_scope = constant_scope
        self._diagnostics = diagnostics
        self._variables: dict[str, Variable] = {}

    def __iter__(self) -> Iterator[Variable]:
        return iter(self._variables.values())

    def names(self) -> Collection[str]:
        return self._variables.keys()

    def get(self, name: str) -> Value:
        return self._variables[name].value

    def secrets(self) -> set[str]:
        """The strings in all sensitive values."""
        return {text for v in self if v.sensitive for text in strings_in(v.value) if text}

    # declarations

    def declare(self, block: Block) -> None:
        """A `variable "name" { ... }` block."""
        if not check_labels(block, ("NAME",), self._diagnostics):
            return
        known = ("type", "default", "description", "sensitive")
        check_names(block.body, "a variable", self._diagnostics, arguments=known, blocks=("validation",))
        reader = ArgumentReader(block.body, self._constant_scope, self._diagnostics)
        variable = Variable(block.labels[0].value, block.range)
        variable.description = reader.text("description")
        variable.sensitive = bool(reader.flag("sensitive"))
        variable.validations = [inner for inner in block.body.blocks if inner.type == "validation"]
        if "type" in block.body.arguments:
            variable.type = self._type(block.body.arguments["type"])
        if "default" in block.body.arguments:
            self._set_default(variable, block.body.arguments["default"])
        self._add(variable)

    def declare_untyped(self, block: Block) -> None:
        """A `variables { name = default }` block."""
        check_names(block.body, "`variables`", self._diagnostics, arguments=block.body.arguments)
        for argument in block.body.arguments.values():
            variable = Variable(argument.name, argument.name_range)
            self._set_default(variable, argument)
            self._add(variable)

    def _add(self, variable: Variable) -> None:
        known = self._variables.setdefault(variable.name, variable)
        if known is not variable:
            summary = f"variable `{variable.name}` is declared twice"
            hint = f"it is first declared at {known.range}"
            self._diagnostics.append(Diagnostic.error(summary, range=variable.range, hint=hint))

    def _type(self, argument: Argument) -> Type | None:
        try:
            return read_type(argument.expression, self._constant_scope)
        except EvaluationError as error:
            self._diagnostics.append(error.diagnostic)
            return ANY

    def _set_default(self, variable: Variable, argument: Argument) -> None:
        value = value_or_unknown(argument.expression, self._default_scope, self._diagnostics)
        if variable.type is None and isinstance(type_of(value), Primitive):
            variable.type = type_of(value)
        try:
            variable.default = convert(value, variable.type or ANY)
        except ConversionError as error:
            summary = f"the default of `{variable.name}` does not fit its type: {error}"
            self._diagnostics.append(Diagnostic.error(summary, range=argument.expression.range))
            variable.default = UNKNOWN
        variable.has_default = True
        variable.value, variable.is_set = variable.default, True

    # values

    def assign(self, inputs: VariableInputs, auto_files: tuple[Path, ...]) -> None:
        """Give the variables the user's values, lowest precedence first. Raises `UsageError`."""
        for variable in self:
            text = inputs.environment.get(_ENVIRONMENT_PREFIX + variable.name)
            if text is not None:
                self._assign_text(
                    variable, text, f"environment variable {_ENVIRONMENT_PREFIX}{variable.name}"
                )
        for path in (*auto_files, *inputs.files):
            self._assign_file(path, inputs.warn_undeclared)
        for assignment in inputs.assignments:
            self._assign_argument(assignment)

    def _assign_argument(self, assignment: str) -> None:
        name, equals, text = assignment.partition("=")
        name = name.strip()
        if not equals or not name:
            raise UsageError(f"`-var {assignment}` is not an assignment", hint="write `-var name=value`")
        if name not in self._variables:
            hint = did_you_mean(name, self._variables) or f'declare it: `variable "{name}" {{}}`'
            self._diagnostics.append(Diagnostic.error(f"`-var`: there is no variable `{name}`", hint=hint))
            return
        self._assign_text(self._variables[name], text, f"-var {name}")

    def _assign_file(self, path: Path, warn_undeclared: bool) -> None:
        for name, value, place in read_variable_file(path, self._constant_scope, self._diagnostics):
            if name in self._variables:
                self._assign(self._variables[name], value, place)
            elif warn_undeclared:
                summary = f"there is no variable `{name}`; its value is ignored"
                hint = did_you_mean(name, self._variables)
                self._diagnostics.append(Diagnostic.warning(summary, range=place, hint=hint))

    def _assign_text(self, variable: Variable, text: str, origin: str) -> None:
        """A value from the command line or the environment: taken literally for a variable that is a
        string, a number or without type; any other type is written as an expression."""
        place = SourceRange.whole(f"<{origin}>")
        if variable.type in (None, STRING, NUMBER):
            self._assign(variable, text, place)
            return
        tree, diagnostics = parse_expression(SourceText(f"<{origin}>", text))
        if tree is None:
            hint = f"`{variable.name}` is a {variable.type}: write its value as in a template"
            summary = f"{origin}: {diagnostics[0].summary}"
            self._diagnostics.append(Diagnostic.error(summary, range=diagnostics[0].range, hint=hint))
            return
        self._assign(variable, value_or_unknown(tree, self._constant_scope, self._diagnostics), place)

    def _assign(self, variable: Variable, value: Value, place: SourceRange) -> None:
        variable.is_set = True
        try:
            variable.value = convert(value, variable.type or ANY)
        except ConversionError as error:
            summary = f"the value of `{variable.name}` does not fit its type: {error}"
            hint = f"it is declared at {variable.range}"
            self._diagnostics.append(Diagnostic.error(summary, range=place, hint=hint))
            variable.value = UNKNOWN

    # checks

    def check(self, scope_of: Callable[[Namespace], Scope]) -> None:
        """Report variables without a value, and values that a `validation` block refuses."""
        for variable in self:
            if not variable.is_set:
                summary = f"variable `{variable.name}` has no value"
                hint = (
                    f"give it one with `-var {variable.name}=...`, `{_ENVIRONMENT_PREFIX}{variable.name}`, "
                )
                hint += "a var file, or a default"
                self._diagnostics.append(Diagnostic.error(summary, range=variable.range, hint=hint))
            for block in variable.validations:
                self._validate(variable, block, scope_of)

    def _validate(self, variable: Variable, block: Block, scope_of: Callable[[Namespace], Scope]) -> None:
        known = ("condition", "error_message")
        check_names(block.body, "`validation`", self._diagnostics, arguments=known)
        condition = block.body.arguments.get("condition")
        if condition is None or "error_message" not in block.body.arguments:
            self._diagnostics.append(
                Diagnostic.error("`validation` needs `condition` and `error_message`", range=block.range)
            )
            return
        reader = ArgumentReader(block.body, self._constant_scope, self._diagnostics)
        message = reader.text("error_message")
        if not (message[:1].isupper() and message[-1:] in ".?!"):
            hint = "begin it with a capital letter and end it with a full stop"
            reader.error("error_message", "`error_message` must be a sentence", hint)
        if self._refers_elsewhere(condition.expression, variable.name) or not variable.is_set:
            return
        self._judge(variable, condition.expression, message, scope_of(self))

    def _refers_elsewhere(self, node: Expression, name: str) -> bool:
        """Whether a condition refers to anything but its own variable; reported."""
        if isinstance(node, Attribute) and isinstance(node.operand, Reference) and node.operand.name == "var":
            if node.name == name:
                return False
            summary = f"the condition of `{name}` can refer only to `var.{name}`"
            self._diagnostics.append(Diagnostic.error(summary, range=node.range))
            return True
        found = [self._refers_elsewhere(child, name) for child in node.children()]  # all are reported
        return any(found)

    def _judge(self, variable: Variable, condition: Expression, message: str, scope: Scope) -> None:
        try:
            result = evaluate(condition, scope)
        except EvaluationError as error:
            self._diagnostics.append(error.diagnostic)
            return
        if result is UNKNOWN:
            return
        if not isinstance(result, bool):
            summary = f"the condition of `{variable.name}` must be true or false"
            self._diagnostics.append(Diagnostic.error(summary, range=condition.range))
        elif not result:
            summary = f"the value of variable `{variable.name}` is not allowed"
            self._diagnostics.append(Diagnostic.error(summary, message, range=condition.range))
