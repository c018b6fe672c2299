"""Finds components by kind and name through entry points; loads nothing that is not asked for.

Whoever claims a name has to be alone with it. A name that two distributions claim, vmforge's own included,
belongs to neither: what asks for it is told of both.
"""

from __future__ import annotations

import inspect
import logging
import re
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final

from vmforge.diagnostics import did_you_mean
from vmforge.errors import VmforgeError
from vmforge.sdk.component import Component
from vmforge.sdk.version import SDK_VERSION, Fit, fit_of

_OWN: Final = "vmforge"
_log = logging.getLogger(__name__)


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

    @property
    def contract(self) -> type[Component[Any]]:
        """The class that components of this kind derive from."""
        from vmforge.sdk import Builder, Connector, DataSource, PostProcessor, Provisioner

        contracts: dict[Kind, type[Component[Any]]] = {
            Kind.BUILDER: Builder,
            Kind.COMMUNICATOR: Connector,
            Kind.PROVISIONER: Provisioner,
            Kind.POST_PROCESSOR: PostProcessor,
            Kind.DATA_SOURCE: DataSource,
        }
        return contracts[self]


class ComponentError(VmforgeError):
    """A component does not exist or cannot be loaded."""


@dataclass(frozen=True)
class Claim:
    """A distribution's word that it brings a component."""

    kind: Kind
    name: str
    entry: EntryPoint

    @property
    def distribution(self) -> str:
        """The name that pip knows; empty where the metadata has none."""
        return self.entry.dist.name if self.entry.dist is not None else ""

    @property
    def version(self) -> str:
        return self.entry.dist.version if self.entry.dist is not None else ""

    @property
    def built_in(self) -> bool:
        return re.sub(r"[-_.]+", "-", self.distribution).lower() == _OWN

    @property
    def origin(self) -> str:
        """Where it comes from, in a sentence: `vmforge-acme` 0.3."""
        return f"`{self.distribution}` {self.version}" if self.distribution else "an unknown package"

    def __str__(self) -> str:
        return f"{self.kind} `{self.name}`"


class Registry:
    """The installed components."""

    @cached_property
    def _claims(self) -> dict[Kind, dict[str, tuple[Claim, ...]]]:
        installed = entry_points()  # reads the metadata of every distribution
        claims: dict[Kind, dict[str, tuple[Claim, ...]]] = {}
        for kind in Kind:
            named = claims.setdefault(kind, {})
            for entry in installed.select(group=kind.group):
                named[entry.name] = (*named.get(entry.name, ()), Claim(kind, entry.name, entry))
        return claims

    def names(self, kind: Kind) -> list[str]:
        return sorted(self._claims[kind])

    def built_in(self, kind: Kind) -> list[str]:
        """The names of what comes with vmforge itself."""
        return [name for name in self.names(kind) if any(c.built_in for c in self._claims[kind][name])]

    def has(self, kind: Kind, name: str) -> bool:
        return name in self._claims[kind]

    def claims(self, kind: Kind | None = None, name: str | None = None) -> list[Claim]:
        """Who brings what, of one kind or of all, under one name or all; a name may have several."""
        return [
            claim
            for of in ([kind] if kind is not None else Kind)
            for called in self.names(of)
            if name in (None, called)
            for claim in self._claims[of][called]
        ]

    def claim_behind(self, error: BaseException) -> Claim | None:
        """A claim of the package of others whose code was at work when an error was raised; the innermost
        one's."""
        theirs = {
            claim.entry.module.partition(".")[0]: claim for claim in self.claims() if not claim.built_in
        }
        frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
        modules = [str(frame.f_globals.get("__name__", "")).partition(".")[0] for frame in reversed(frames)]
        return next((theirs[module] for module in modules if module in theirs), None)

    def load(self, kind: Kind, name: str) -> type[Component[Any]]:
        """The component's class. Raises `ComponentError` for an unknown name, with a suggestion, for one that
        several packages claim, and for a plugin that cannot be used, naming it and why."""
        claims = self._claims[kind].get(name, ())
        if not claims:
            hint = did_you_mean(name, self._claims[kind])
            known = ", ".join(f"`{known}`" for known in self.names(kind))
            raise ComponentError(f"there is no {kind} `{name}`", hint=hint or f"known are {known}")
        if len(claims) > 1:
            raise conflict(claims)
        return load_claim(claims[0])


def conflict(claims: Sequence[Claim]) -> ComponentError:
    """Why a name that several packages claim cannot be used."""
    rivals = sorted(claims, key=lambda claim: (not claim.built_in, claim.distribution))
    listed = " and ".join(claim.origin for claim in rivals)
    surplus = rivals[-1].distribution
    return ComponentError(
        f"{claims[0]} is brought by {listed}: it is not clear which is meant",
        hint=f"keep one of them, as with `pip uninstall {surplus}`",
    )


def load_claim(claim: Claim) -> type[Component[Any]]:
    """The class that a claim names, if it is what its kind demands. Raises `ComponentError`."""
    try:
        component = claim.entry.load()
    except (Exception, SystemExit) as error:  # whatever a plugin does, it breaks nothing but itself
        _log.debug("loading %s of %s failed", claim, claim.origin, exc_info=True)
        raise _unloadable(claim, error) from error
    contract = claim.kind.contract
    if not (isinstance(component, type) and issubclass(component, contract)):
        summary = f"`{claim.entry.value}` of {claim.origin} is no {claim.kind}"
        raise ComponentError(
            summary, hint=f"its author must derive it from `vmforge.sdk.{contract.__name__}`"
        )
    _check_version(claim, component)
    if inspect.isabstract(component):
        lacking = ", ".join(f"`{name}`" for name in sorted(getattr(component, "__abstractmethods__", ())))
        raise ComponentError(f"{claim} of {claim.origin} lacks {lacking}", hint=_newer(claim))
    return component


def _check_version(claim: Claim, component: type[Component[Any]]) -> None:
    written_for = component.sdk_version
    fit = fit_of(written_for) if written_for else Fit.FITS
    if fit is Fit.UNREADABLE:
        raise ComponentError(
            f"{claim} of {claim.origin} has the `sdk_version` `{written_for}`, which is no version",
            hint=f'its author must write it as in `sdk_version = "{SDK_VERSION}"`',
        )
    if fit is not Fit.FITS:
        raise ComponentError(
            f"{claim} of {claim.origin} is written for version {written_for} of vmforge's SDK, and this "
            f"vmforge has {SDK_VERSION}",
            hint="upgrade vmforge: `pip install --upgrade vmforge`" if fit is Fit.TOO_NEW else _newer(claim),
        )


def _unloadable(claim: Claim, error: BaseException) -> ComponentError:
    text = str(error) or "no reason given"
    reason = text if isinstance(error, ImportError) else f"{type(error).__name__}: {text}"
    hint = f"reinstall it: `pip install --force-reinstall {claim.distribution or 'it'}`"
    if isinstance(error, ImportError) and (error.name or "").split(".")[0] == _OWN and not claim.built_in:
        hint = f"it was made for another vmforge; {_newer(claim)}"
    failure = ComponentError(f"{claim} of {claim.origin} cannot be loaded: {reason}", hint=hint)
    failure.detail = _place(error)
    return failure


def _newer(claim: Claim) -> str:
    return f"upgrade the plugin: `pip install --upgrade {claim.distribution}`"


def _place(error: BaseException) -> str:
    """The line of the plugin at which loading it ended."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if "importlib" not in f.filename]
    frames = [f for f in frames if f.filename != __file__]
    return f"at line {frames[-1].lineno} of {frames[-1].filename}" if frames else ""
