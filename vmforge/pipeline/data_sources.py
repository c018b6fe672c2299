"""Reads a template's data sources, each when all that it depends on is known.

The template is loaded again with what has been read: once for each link of the longest chain of data
sources that use one another.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from vmforge.diagnostics import Diagnostic, DiagnosticError, has_errors, raise_errors
from vmforge.errors import Interrupted, VmforgeError
from vmforge.pipeline.answers import Answers
from vmforge.sdk.body import Body
from vmforge.sdk.data_source import DataSource
from vmforge.sdk.decoding import UNKNOWN_TEXT, check, decode, holds_unknown
from vmforge.sdk.interpolate import interpolator
from vmforge.sdk.network import Network, RemoteInput, RemoteKind
from vmforge.sdk.redaction import Redactor
from vmforge.sdk.registry import ComponentError, Kind, Registry
from vmforge.sdk.values import Value
from vmforge.template import DataBlock, DataValues, Template

Load = Callable[[DataValues], Template]


def read_data_sources(
    load: Load,
    registry: Registry,
    started: datetime,
    network: Network | None = None,
    answers: Answers | None = None,
) -> Template:
    """The template that `load` gives, with the values of its data sources.

    Those whose type is not installed stay unknown, with a warning. So do those that the `network` keeps from
    being asked, of which `answers` has none; it is told of these. Raises `DiagnosticError` when one is
    declared wrongly, cannot be read, or depends on itself.
    """
    reader = _Reader(network or Network(), answers or Answers(None))
    values = reader.values
    template = load(values)
    while waiting := reader.waiting(_unread(template, values, registry)):
        configured = [_configure(block, template, registry, started) for block in waiting]
        raise_errors([finding for one in configured for finding in one.diagnostics])
        ready = [one for one in configured if one.source is not None]
        if not ready:
            if reader.refused:  # what the others wait for is not here
                reader.give_up(waiting)
                break
            raise DiagnosticError([_circle(block, waiting) for block in waiting])
        reader.read(ready)
        template = load(values)
    template = dataclasses.replace(template, secrets=template.secrets | reader.secrets)
    return _with_warnings(template, _missing(template, registry))


def check_data_sources(template: Template, registry: Registry, started: datetime) -> list[Diagnostic]:
    """What is wrong with the declarations of data sources, none of them read."""
    found = _missing(template, registry)
    for block in template.data:
        if registry.has(Kind.DATA_SOURCE, block.type):
            found += _configure(block, template, registry, started).diagnostics
    return found


def _unread(template: Template, values: DataValues, registry: Registry) -> list[DataBlock]:
    return [
        block
        for block in template.data
        if block.name not in values.get(block.type, {}) and registry.has(Kind.DATA_SOURCE, block.type)
    ]


def _missing(template: Template, registry: Registry) -> list[Diagnostic]:
    """A warning for each type of data source that is not installed."""
    first = {block.type: block for block in reversed(template.data)}
    hint = "what does not need its value can be built; see `vmforge init`"
    return [
        Diagnostic.warning(
            f"there is no data source `{type_}`: its value stays unknown", range=block.range, hint=hint
        )
        for type_, block in first.items()
        if not registry.has(Kind.DATA_SOURCE, type_)
    ]


@dataclass(frozen=True)
class _Configured:
    """A data source with its options. `source` is None while it depends on something that is not known;
    `redact` hides the secrets that its options may hold."""

    block: DataBlock
    source: DataSource[Any] | None
    diagnostics: list[Diagnostic]
    redact: Redactor


def _configure(block: DataBlock, template: Template, registry: Registry, started: datetime) -> _Configured:
    try:
        component = registry.load(Kind.DATA_SOURCE, block.type)
    except ComponentError as error:
        unusable = Diagnostic.error(error.message, range=block.range, hint=error.hint)
        return _Configured(block, None, [unusable], Redactor())
    assert issubclass(component, DataSource)
    engine = interpolator(started=started, template_dir=template.root)
    evaluated = block.evaluate()
    redact = Redactor()
    redact.add(template.secrets | evaluated.secrets)
    decoded = decode(evaluated.body, [component.config_type], engine)
    found = [*evaluated.diagnostics, *decoded.diagnostics]
    config = decoded.configs.get(component.config_type)
    if config is not None:
        found += check(component, config, evaluated.body, decoded.unknown)
    usable = not decoded.unknown and not _holds_unknown(evaluated.body) and not has_errors(found)
    source = component(config) if config is not None and usable else None
    shown = [dataclasses.replace(f, summary=redact(f.summary), hint=redact(f.hint)) for f in found]
    return _Configured(block, source, shown, redact)


def _holds_unknown(body: Body) -> bool:
    return any(holds_unknown(setting.value) for setting in body.settings.values()) or any(
        _holds_unknown(block.body) for block in body.blocks
    )


@dataclass
class _Reader:
    """Reads data sources; `refused` are the names of those that may not be asked, `secrets` what of the
    answers must not be shown."""

    network: Network
    answers: Answers
    values: dict[str, dict[str, Mapping[str, Value]]] = dataclasses.field(default_factory=dict)
    refused: set[tuple[str, str]] = dataclasses.field(default_factory=set)
    secrets: set[str] = dataclasses.field(default_factory=set)

    def waiting(self, blocks: Sequence[DataBlock]) -> list[DataBlock]:
        return [block for block in blocks if (block.type, block.name) not in self.refused]

    def give_up(self, blocks: Sequence[DataBlock]) -> None:
        """Note those that wait for what was refused."""
        for block in blocks:
            what = f"its answer, for `data.{block.type}.{block.name}`"
            self.network.miss(RemoteInput(RemoteKind.DATA, what, (UNKNOWN_TEXT,)))

    def read(self, ready: Sequence[_Configured]) -> None:
        """Raises `DiagnosticError` with what every one of them failed with."""
        failures = []
        for one in ready:
            block = one.block
            assert one.source is not None
            try:
                self._read_one(block, one.source)
            except Interrupted:
                raise
            except VmforgeError as error:
                summary = one.redact(f"data source `{block.type}.{block.name}`: {error.message}")
                failures.append(Diagnostic.error(summary, range=block.range, hint=one.redact(error.hint)))
        raise_errors(failures)

    def _read_one(self, block: DataBlock, source: DataSource[Any]) -> None:
        wanted = tuple(source.remote_inputs(source.config))
        found = None
        if all(self.network.allows(url) for one in wanted for url in one.urls):
            source.network = self.network
            found = source.read()
            secrets = {secret for secret in source.secrets(found) if secret}
            self.secrets |= secrets
            if wanted and not secrets:
                self.answers.keep(block.type, source, found)
        else:
            found = self.answers.find(block.type, source.config)
        if found is not None:
            if wanted:
                self.answers.note(f"{block.type}.{block.name}", source.lasting(found))
            self.values.setdefault(block.type, {})[block.name] = found
            return
        self.refused.add((block.type, block.name))
        for one in wanted:
            what = f"{one.what}, for `data.{block.type}.{block.name}`"
            self.network.miss(dataclasses.replace(one, what=what))


def _circle(block: DataBlock, waiting: Sequence[DataBlock]) -> Diagnostic:
    name = f"{block.type}.{block.name}"
    others = ", ".join(f"`{other.type}.{other.name}`" for other in waiting if other is not block)
    return Diagnostic.error(
        f"data source `{name}` cannot be read: what it depends on is never known",
        f"Not read are also {others}." if others else "",
        range=block.range,
        hint="data sources may not depend on each other in a circle, nor on one that is not installed",
    )


def _with_warnings(template: Template, warnings: Sequence[Diagnostic]) -> Template:
    return dataclasses.replace(template, warnings=(*template.warnings, *warnings))
