"""What every component must keep, found out from its class without a build."""

from __future__ import annotations

import dataclasses
import inspect
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from vmforge.sdk.body import Body
from vmforge.sdk.builder import Builder
from vmforge.sdk.communicator import Connector
from vmforge.sdk.component import Component, Problem
from vmforge.sdk.data_source import DataSource
from vmforge.sdk.decoding import decode
from vmforge.sdk.host import HostFinding
from vmforge.sdk.interpolate import interpolator
from vmforge.sdk.network import Network, RemoteInput
from vmforge.sdk.options import Config, options_of
from vmforge.sdk.post_processor import PostProcessor
from vmforge.sdk.presets import Presets
from vmforge.sdk.provisioner import Provisioner
from vmforge.sdk.testing.declarations import declaration_faults, odd_values, sample
from vmforge.sdk.testing.watching import Watch
from vmforge.sdk.values import Secret
from vmforge.sdk.version import SDK_VERSION, Fit, fit_of

_CONTRACTS: Final = (Builder, Connector, DataSource, PostProcessor, Provisioner)
_SECRET: Final = "s3cret-of-the-check"


class ContractViolation(AssertionError):
    """A component does not keep its contract; the text says in what."""


def check_component(component: type[Component[Any]]) -> None:
    """Check what can be told of a class without a build: that its options are declared so that users can
    set and read about them, that making and judging it touches nothing, prints nothing and raises nothing.

    Raises `ContractViolation` with everything that is wrong.
    """
    complain(component, faults_of(component))


def complain(component: object, faults: Iterable[str]) -> None:
    """Raise `ContractViolation` if there are any faults."""
    found = list(dict.fromkeys(faults))
    if found:
        name = getattr(component, "__name__", str(component))
        raise ContractViolation("\n".join([f"{name}:", *(f"  - {fault}" for fault in found)]))


def faults_of(component: type[Component[Any]]) -> list[str]:
    """What `check_component` complains of, a sentence each."""
    faults = [*_class_faults(component)]
    if not faults:
        faults += declaration_faults(component.config_type)
    if not faults:  # what follows needs options that work
        faults += _judging_faults(component)
    return list(dict.fromkeys(faults))


def _class_faults(component: type[Component[Any]]) -> Iterator[str]:
    kinds = [contract for contract in _CONTRACTS if issubclass(component, contract)]
    if len(kinds) != 1:
        names = ", ".join(f"`{contract.__name__}`" for contract in _CONTRACTS)
        yield f"derives from {len(kinds)} of {names}, not from one"
    if inspect.isabstract(component):
        lacking = ", ".join(sorted(f"`{name}`" for name in getattr(component, "__abstractmethods__", ())))
        yield f"lacks {lacking}"
    if not component.summary or "\n" in component.summary:
        yield "has no `summary` of one line"
    if component.sdk_version and fit_of(component.sdk_version) is not Fit.FITS:
        yield f"`sdk_version` is `{component.sdk_version}`, and vmforge has {SDK_VERSION}"
    if issubclass(component, Builder) and not component.builder_id:
        yield "has no `builder_id`"


def _judging_faults(component: type[Component[Any]]) -> Iterator[str]:
    base, faults = _least_config(component.config_type)
    yield from faults
    if base is None:
        return
    seen = set(_faults_with(component, base))
    yield from sorted(seen)
    for option in options_of(component.config_type).values():
        for value in odd_values(option.type):
            # one value that shows a fault is enough
            found = [
                fault for fault in _faults_of_value(component, base, option.name, value) if fault not in seen
            ]
            seen.update(found)
            shown = repr(value) if len(repr(value)) <= 60 else f"{repr(value)[:50]}..."
            yield from (f"{fault} when `{option.name}` is {shown}" for fault in found)
        if option.type in (Secret, Secret | None):
            telling = dataclasses.replace(base, **{option.name: Secret(_SECRET)})
            if _SECRET in repr([*_problems(component, telling)]):
                yield f"`check` tells the value of `{option.name}`, a secret"
    with tempfile.TemporaryDirectory() as folder:
        yield from _kind_faults(component, base, Path(folder))


def _faults_of_value(
    component: type[Component[Any]], base: Config, name: str, value: object
) -> Iterator[str]:
    try:
        config = dataclasses.replace(base, **{name: value})
    except Exception as error:
        yield f"the configuration itself raises {_named(error)}"
        return
    yield from _faults_with(component, config)


def _least_config(config_type: type[Config]) -> tuple[Config | None, list[str]]:
    """The configuration of a template that sets what it must and nothing else."""
    required = {name: o for name, o in options_of(config_type).items() if o.required}
    empty = decode(Body.of({}), [config_type], interpolator())
    said = " ".join(diagnostic.summary for diagnostic in empty.diagnostics)
    faults = [f"`{name}` is required, and not asked for" for name in required if f"`{name}`" not in said]
    values = {name: sample(option.type) for name, option in required.items()}
    decoded = decode(Body.of(values), [config_type], interpolator())
    faults += [f"the least that can be set is refused: {d.summary}" for d in decoded.diagnostics]
    return decoded.configs.get(config_type), faults


def _problems(component: type[Component[Any]], config: Config) -> list[Problem]:
    try:
        return list(component.check(config))
    except Exception:  # reported where all values are tried
        return []


def _faults_with(component: type[Component[Any]], config: Config) -> Iterator[str]:
    """What making a component of a configuration and judging that does which it may not."""
    deeds: dict[str, Callable[[], Iterable[object]]] = {
        "the constructor": lambda: (component(config),),
        "`check`": lambda: component.check(config),
        "`remote_inputs`": lambda: component.remote_inputs(config),
        "`local_inputs`": lambda: component.local_inputs(config),
    }
    kinds = {"`check`": Problem, "`remote_inputs`": RemoteInput, "`local_inputs`": Path}
    for name, deed in deeds.items():
        watch, found = Watch(), list[object]()
        try:
            with watch:
                found = list(deed())
        except Exception as error:
            yield f"{name} raises {_named(error)}"
        yield from (f"{name} {touched}" for touched in watch.touched)
        if name == "the constructor":
            yield from (f"{name} opens `{path}`" for path in watch.read)
        elif any(not isinstance(one, kinds[name]) for one in found):
            yield f"{name} gives something other than `{kinds[name].__name__}`"
        for problem in found:
            if isinstance(problem, Problem):
                yield from _problem_faults(problem, type(config))


def _problem_faults(problem: Problem, config_type: type[Config]) -> Iterator[str]:
    if not problem.summary.strip():
        yield "`check` gives a problem that says nothing"
    if problem.option and problem.option not in options_of(config_type):
        yield f"`check` points at `{problem.option}`, which is no option"


def _kind_faults(component: type[Component[Any]], config: Config, folder: Path) -> Iterator[str]:
    """What is wrong with that which only components of one kind have."""
    try:
        for name, value, wanted in _answers_of_kind(component, config, folder):
            if not isinstance(value, wanted):
                yield f"`{name}` gives {value!r}, no `{wanted.__name__}`"
    except Exception as error:
        yield f"asking what its kind has raises {_named(error)}"


def _answers_of_kind(
    component: type[Component[Any]], config: Config, folder: Path
) -> Iterator[tuple[str, object, type[object]]]:
    """What is asked, the answer, and what that must be."""
    if issubclass(component, Builder):
        yield "presets", component.presets(Body(), interpolator()), Presets
        for finding in component.examine_host(folder):
            yield "examine_host", finding, HostFinding
    if issubclass(component, Connector):
        connector = component(config)
        yield "port", connector.port, int
        yield "host", connector.host, str
    if issubclass(component, Provisioner):
        provisioner = component(config)
        yield "cacheable", provisioner.cacheable, bool
        yield "for_artifact", provisioner.for_artifact, bool
    if issubclass(component, DataSource):
        yield "network", component.network, Network


def _named(error: Exception) -> str:
    return f"`{type(error).__name__}: {error}`" if str(error) else f"`{type(error).__name__}`"
