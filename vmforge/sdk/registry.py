"""Finds components by kind and name through entry points; loads nothing that is not asked for."""

from __future__ import annotations

from enum import StrEnum
from functools import cached_property
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from vmforge.diagnostics import did_you_mean
from vmforge.errors import VmforgeError
from vmforge.sdk.component import Component


class Kind(StrEnum):
    """The kinds of components; each value is what templates and the reference call it."""

    BUILDER = "builder"
    COMMUNICATOR = "communicator"
    PROVISIONER = "provisioner"
    POST_PROCESSOR = "post-processor"
    DATA_SOURCE = "data-source"

    @property
    def group(self) -> str:
        """Its entry point group: `vmforge.post_processors`."""
        return f"vmforge.{self.value.replace('-', '_')}s"


class ComponentError(VmforgeError):
    """A component does not exist or cannot be loaded."""


class Registry:
    """The installed components."""

    @cached_property
    def _groups(self) -> dict[Kind, dict[str, EntryPoint]]:
        installed = entry_points()  # reads the metadata of every distribution
        return {kind: {e.name: e for e in installed.select(group=kind.group)} for kind in Kind}

    def names(self, kind: Kind) -> list[str]:
        return sorted(self._groups[kind])

    def has(self, kind: Kind, name: str) -> bool:
        return name in self._groups[kind]

    def load(self, kind: Kind, name: str) -> type[Component[Any]]:
        """The component's class. Raises `ComponentError` for an unknown name, with a suggestion,
        and for a plugin that cannot be imported, naming it and why."""
        entry = self._groups[kind].get(name)
        if entry is None:
            hint = did_you_mean(name, self._groups[kind])
            known = ", ".join(f"`{known}`" for known in self.names(kind))
            raise ComponentError(f"there is no {kind} `{name}`", hint=hint or f"known are {known}")
        try:
            component = entry.load()
        except ImportError as error:
            origin = entry.dist.name if entry.dist is not None else "an unknown package"
            summary = f"{kind} `{name}` of `{origin}` cannot be loaded: {error}"
            raise ComponentError(
                summary, hint=f"reinstall it: `pip install --force-reinstall {origin}`"
            ) from error
        assert isinstance(component, type) and issubclass(component, Component)
        return component
