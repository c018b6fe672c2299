"""Libraries that only some components need: installed with an extra of a distribution, named when missing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from types import TracebackType
from typing import Final

from vmforge.errors import HostError
from vmforge.sdk.component import Problem

# `boto3>=1.34; extra == "aws"`
_REQUIREMENT: Final = re.compile(r"(?P<name>[\w.-]+).*;.*\bextra\s*==\s*['\"](?P<extra>[\w.-]+)['\"]")


def install_command(extra: str, distribution: str = "vmforge") -> str:
    """What the user types to get an extra: `pip install 'vmforge[aws]'`."""
    return f"pip install '{distribution}[{extra}]'"


def install_hint(extra: str, distribution: str = "vmforge") -> str:
    return f"install it: `{install_command(extra, distribution)}`"


def is_installed(library: str) -> bool:
    """Whether a library is there, found out without importing it."""
    try:
        return find_spec(library) is not None
    except ModuleNotFoundError:  # the package that it is a part of is missing
        return False


def missing_requirements(extra: str, distribution: str = "vmforge") -> list[str]:
    """The distributions that an extra is made of and that are not installed, as the metadata names them
    (https://packaging.python.org/en/latest/specifications/core-metadata/#requires-dist-multiple-use)."""
    try:
        required = metadata.requires(distribution) or []
    except metadata.PackageNotFoundError:
        return []
    found = (_REQUIREMENT.match(line) for line in required)
    names = (match["name"] for match in found if match is not None and match["extra"] == extra)
    return [name for name in names if not _has_distribution(name)]


def _has_distribution(name: str) -> bool:
    try:
        metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return False
    return True


def needs(extra: str, library: str, *, distribution: str = "vmforge") -> AbstractContextManager[None]:
    """Import a library that comes with an extra of `distribution`, the component's own:

        with needs("aws", "boto3"):
            import boto3

    Raises `HostError` that says what to install when it is missing, and why when it cannot be imported.
    """
    return _Needed(extra, library, distribution)


def missing_library(
    extra: str, library: str, *, option: str = "", distribution: str = "vmforge"
) -> Iterator[Problem]:
    """For a component's `check`: a warning when a library is not there, which imports nothing."""
    if not is_installed(library):
        summary = f"the library `{library}`, which a build needs, is not installed"
        yield Problem(summary, option=option, hint=install_hint(extra, distribution), warning=True)


@dataclass(frozen=True)
class _Needed(AbstractContextManager[None]):
    extra: str
    library: str
    distribution: str

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not isinstance(error, ImportError):
            return
        if isinstance(error, ModuleNotFoundError) and error.name in _packages_of(self.library):
            summary = f"the library `{self.library}` is not installed"
        else:
            summary = f"the library `{self.library}` cannot be imported: {error}"
        raise HostError(summary, hint=install_hint(self.extra, self.distribution)) from error


def _packages_of(library: str) -> set[str]:
    """`google.cloud.compute`, and what it lies in."""
    parts = library.split(".")
    return {".".join(parts[: count + 1]) for count in range(len(parts))}
