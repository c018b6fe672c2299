"""What is known of the installed plugins: who brings what, and whether that can be used."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vmforge.errors import VmforgeError
from vmforge.sdk.version import SDK_VERSION

if TYPE_CHECKING:
    from vmforge.sdk.component import Component
    from vmforge.sdk.registry import Claim, Registry


@dataclass(frozen=True)
class Report:
    """A component of a plugin: its class when it can be used, else why it cannot. `faults` are breaches of
    its contract, `remarks` what its author should know."""

    claim: Claim
    component: type[Component[Any]] | None = None
    reason: str = ""
    hint: str = ""
    detail: str = ""
    faults: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()

    @property
    def usable(self) -> bool:
        return self.component is not None

    @property
    def sdk_version(self) -> str:
        """What the component says; nothing when it says nothing or cannot be asked."""
        return self.component.sdk_version if self.component is not None else ""

    @property
    def summary(self) -> str:
        return self.component.summary if self.component is not None else ""


def examine(claim: Claim, registry: Registry, *, contracts: bool = False) -> Report:
    """Load a component, and hold it to its contract if that is wanted. Never raises."""
    from vmforge.sdk.registry import conflict, load_claim

    rivals = registry.claims(claim.kind, claim.name)
    try:
        if len(rivals) > 1:
            raise conflict(rivals)
        component = load_claim(claim)
    except VmforgeError as error:
        return Report(claim, None, error.message, error.hint, error.detail)
    if not contracts:
        return Report(claim, component)
    return Report(
        claim, component, faults=tuple(_faults(component)), remarks=tuple(_remarks(claim, component))
    )


def _faults(component: type[Component[Any]]) -> Sequence[str]:
    from vmforge.sdk.testing import faults_of

    try:
        return faults_of(component)
    except Exception as error:  # a plugin may do anything, and the others are to be looked at all the same
        return [f"cannot be checked: {type(error).__name__}: {error}"]


def _remarks(claim: Claim, component: type[Component[Any]]) -> Iterator[str]:
    if not claim.built_in and not component.sdk_version:
        yield f'does not say what it was written for: add `sdk_version = "{SDK_VERSION}"`'


def as_json(report: Report) -> dict[str, object]:
    return {
        "kind": report.claim.kind.value,
        "name": report.claim.name,
        "summary": report.summary,
        "class": report.claim.entry.value,
        "sdk_version": report.sdk_version,
        "usable": report.usable,
        "reason": report.reason,
        "hint": report.hint,
    }
