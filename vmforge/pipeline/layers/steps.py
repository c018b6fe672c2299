"""The steps of a planned build as the chain sees them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from vmforge.pipeline.layers.chain import INSTALL, Step, step_name
from vmforge.pipeline.layers.fingerprints import Fingerprints
from vmforge.pipeline.plan import PlannedBuild, PlannedProvisioner, configure
from vmforge.sdk.interpolate import BUILD_VALUES
from vmforge.sdk.layers import HostTrait, Inputs
from vmforge.sdk.provisioner import Provisioner
from vmforge.template import RuntimeScope

_BUILD_NAME = "the build's name"


def install_step(planned: PlannedBuild, inputs: Inputs, fingerprints: Fingerprints) -> Step:
    """The installation: the builder's options, the communicator's (provisioners run as the user that logs
    in), and what the builder says it depends on besides."""
    paths = [value for value in inputs.values() if isinstance(value, Path)]
    found = _together(
        fingerprints.of_config(planned.builder.config, paths),
        fingerprints.of_config(planned.connector.config),
        {name: fingerprints.of_text(text) for name, text in inputs.items() if isinstance(text, str)},
        {name: fingerprints.of_text(trait.text) for name, trait in host_traits(inputs).items()},
        fingerprints.of_files(paths),
        _release(type(planned.builder)),
    )
    return Step(INSTALL, planned.type, found)


def host_traits(inputs: Inputs) -> dict[str, HostTrait]:
    """What of the inputs the machine that builds is."""
    return {name: trait for name, trait in inputs.items() if isinstance(trait, HostTrait)}


def provisioner_steps(planned: PlannedBuild, fingerprints: Fingerprints) -> Iterator[Step]:
    """Every provisioner, in order."""
    for position, provisioner in enumerate(planned.provisioners, start=1):
        yield _provisioner_step(planned, position, provisioner, fingerprints)


def _provisioner_step(
    planned: PlannedBuild, position: int, provisioner: PlannedProvisioner, fingerprints: Fingerprints
) -> Step:
    block = provisioner.block
    name = step_name(position, block.type, block.name)
    component, secrets = _configured(planned, provisioner)
    if component is None:
        return Step(name, block.type, {}, uncached="its options are not known before it runs")
    own = replace(fingerprints, secrets=fingerprints.secrets | secrets)
    files = tuple(component.input_files())
    found = _together(own.of_config(component.config, files), own.of_files(files), _release(type(component)))
    if own.mentions_build(component.config, files):
        found[_BUILD_NAME] = own.of_text(planned.name)
    return Step(name, block.type, found, _uncached(component, provisioner), block.cache_ttl)


def _configured(
    planned: PlannedBuild, provisioner: PlannedProvisioner
) -> tuple[Provisioner | None, frozenset[str]]:  # type: ignore[type-arg]  # of whichever configuration
    """The component with names in place of what only the running build knows: an address that differs from
    run to run is no reason to run a step again."""
    names: Mapping[str, str] = {name: f"build.{name}" for name in BUILD_VALUES}
    scope = RuntimeScope(planned.local_name, planned.type, dict(names))
    engine = planned.interpolator.with_build_data(names)
    configured = configure(provisioner.component, provisioner.block.evaluate, scope, engine)
    if configured.config is None:
        return None, configured.secrets
    component = provisioner.component(configured.config)
    return (component if isinstance(component, Provisioner) else None), configured.secrets


def _uncached(component: Provisioner, provisioner: PlannedProvisioner) -> str:  # type: ignore[type-arg]
    wish = provisioner.block.cache
    if wish is False:
        return "`cache = false`"
    if wish is None and not component.cacheable:
        return "it may do something outside the guest; `cache = true` if it does not"
    return ""


def _release(component: type) -> dict[str, str]:
    """The release of the package that a component comes from: what it does may change with it."""
    package = component.__module__.partition(".")[0]
    try:
        return {f"the release of {package}": _version(package)}
    except PackageNotFoundError:
        return {}


@cache
def _version(package: str) -> str:
    return version(package)


def _together(*tables: Mapping[str, str]) -> dict[str, str]:
    """All inputs in one table. An option and a file may have the same name: both count."""
    found: dict[str, str] = {}
    for table in tables:
        for name, digest in table.items():
            found[name] = f"{found[name]} {digest}" if name in found else digest
    return found
