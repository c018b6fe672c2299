"""Writes the variables and local values of an upgraded template."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace

import vmforge.template.upgrade.notes as notes
from vmforge.diagnostics import Diagnostic
from vmforge.template.json.syntax import JsonString
from vmforge.template.legacy_json.variables import Declared
from vmforge.template.upgrade.expressions import Scope
from vmforge.template.upgrade.texts import Texts, variables_in
from vmforge.template.upgrade.tokens import block, comment, expression, quoted


def find_circular(defaults: Mapping[str, JsonString]) -> set[str]:
    """The variables whose defaults lead back to themselves: a way in JSON to demand a value."""
    reads = {name: set(variables_in(node.value)) & defaults.keys() for name, node in defaults.items()}
    found = set()
    for name in reads:
        reached, waiting = set[str](), [name]
        while waiting:
            following = reads[waiting.pop()] - reached
            reached |= following
            waiting += following
        found |= {name} & reached
    return found


@dataclass(frozen=True)
class VariableWriter:
    """Writes `variable` and `local` blocks. `defaults` are the places of the defaults that are strings."""

    scope: Scope
    declared: Mapping[str, Declared]
    defaults: Mapping[str, JsonString]
    sensitive: Collection[str]
    diagnostics: list[Diagnostic]
    annotate: bool

    def local_values(self) -> str:
        """The computed defaults. To be written first: they may need more variables."""
        computed = [name for name in self.declared if name in self.scope.names.computed]
        hidden = [self._hidden_local(name) for name in computed if name in self.sensitive]
        plain = [self._local(name) for name in computed if name not in self.sensitive]
        blocks = [block("locals", (), "".join(plain))] if plain else []
        return (comment(notes.LOCALS) if self.annotate and computed else "") + "\n".join([*blocks, *hidden])

    def _local(self, name: str) -> str:
        return f"{self.scope.names.of(name)} = {self._computed(name)}\n"

    def _hidden_local(self, name: str) -> str:
        lines = f"expression = {self._computed(name)}\nsensitive = true\n"
        return block("local", [self.scope.names.of(name)], lines)

    def _computed(self, name: str) -> str:
        given = f"var.{self.scope.names.of(name)}"
        return f"{given} == null ? {self._default(name, self.scope)} : {given}"

    def _default(self, name: str, scope: Scope) -> str:
        node, text = self.defaults.get(name), self.declared[name].default or ""
        parts = Texts(scope, self.diagnostics).parts(node) if node is not None else [text]
        return expression(parts, heredocs=scope.default)

    def timestamp(self) -> str:
        names = self.scope.names
        if not names.uses_timestamp:
            return ""
        note = comment(notes.TIMESTAMP) if self.annotate else ""
        value = f'{names.timestamp} = format("%d", rfc3339_parse(timestamp()).unix)\n'
        return note + block("locals", (), value)

    def variables(self) -> Iterator[str]:
        """The `variable` blocks, each on its own. To be written last, when all that is used is known."""
        names = self.scope.names
        scope = replace(self.scope, default=True)
        for name, declared in self.declared.items():
            self._report_new_name(name)
            computed = name in names.computed
            default = (
                None if declared.default is None else self._default(name, scope) if not computed else "null"
            )
            yield self._variable(names.of(name), default, name in self.sensitive)
        for name in names.undeclared:
            self._report_new_name(name)
            yield self._noted(notes.UNDECLARED) + self._variable(
                names.of(name), None if name in names.required else '""', name in self.sensitive
            )
        for variable, identifier in names.environment.items():
            default = f"env({quoted([variable])})"
            yield self._noted(notes.ENVIRONMENT) + self._variable(identifier, default, False)

    def _variable(self, identifier: str, default: str | None, sensitive: bool) -> str:
        lines = ["type = string\n"]
        lines += [f"default = {default}\n"] if default is not None else []
        lines += ["sensitive = true\n"] if sensitive else []
        return block("variable", [identifier], "".join(lines))

    def _noted(self, note: str) -> str:
        return comment(note) if self.annotate else ""

    def _report_new_name(self, name: str) -> None:
        identifier = self.scope.names.of(name)
        if identifier != name:
            declared = self.declared.get(name)
            summary = (
                f"variable `{name}` is now `{identifier}`: names in HCL have letters, digits, `_` and `-`"
            )
            hint = "use the new name with `-var` and in var files"
            place = declared.range if declared is not None else None
            self.diagnostics.append(Diagnostic.warning(summary, range=place, hint=hint))
