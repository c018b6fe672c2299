"""What user variables and the like are called in the upgraded template."""

from __future__ import annotations

from collections.abc import Iterable

from vmforge.template.upgrade.tokens import identifier, is_identifier


class Names:
    """The names of one template: its variables, those of them that are computed, and what the upgrade
    adds as it goes."""

    def __init__(self, declared: Iterable[str], computed: Iterable[str]) -> None:
        self.computed = set(computed)
        self.undeclared: list[str] = []
        self.required: set[str] = set()  # those of them that JSON does not take for empty
        self.environment: dict[str, str] = {}  # environment variable -> variable that holds it
        self.uses_timestamp = False
        self._identifiers: dict[str, str] = {}
        for name in sorted(declared, key=is_identifier, reverse=True):  # names that are fine stay
            self._add(name)

    def of(self, name: str) -> str:
        """The identifier of a user variable; one that is not declared is from now on."""
        if name not in self._identifiers:
            self.undeclared.append(name)
            self._add(name)
        return self._identifiers[name]

    def reference(self, name: str, *, in_variables: bool = False) -> str:
        """The expression that reads a user variable. One that is not declared is empty in components,
        but must have a value where another variable is computed from it."""
        identifier = self.of(name)
        if in_variables and name in self.undeclared:
            self.required.add(name)
        return f"{'local' if name in self.computed else 'var'}.{identifier}"

    def read_environment(self, name: str) -> str:
        """The expression that reads an environment variable where `env` cannot be called."""
        if name not in self.environment:
            self.environment[name] = self._free(identifier(f"env_{name}"))
            self._identifiers[f"env {name}"] = self.environment[name]
        return f"var.{self.environment[name]}"

    @property
    def timestamp(self) -> str:
        """The local value that holds the start of the run in seconds."""
        return "unix_timestamp" if "timestamp" in self.computed else "timestamp"

    def read_timestamp(self) -> str:
        self.uses_timestamp = True
        return f"local.{self.timestamp}"

    def _add(self, name: str) -> None:
        self._identifiers[name] = self._free(identifier(name))

    def _free(self, wanted: str) -> str:
        taken, found, number = set(self._identifiers.values()), wanted, 2
        while found in taken:
            found, number = f"{wanted}_{number}", number + 1
        return found
