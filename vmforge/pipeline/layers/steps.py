"""The steps of a planned build as the chain sees them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from vmforge.pipeline.layers.chain import INSTALL, Step, step_name
from vmforge.pipeline.layers.fingerprints import Fingerprints
from vmforge.pipeline.plan import PlannedBuild, PlannedProvisioner, configure
from vmforge.sdk.interpolate import BUILD_VALUES
from vmforge.sdk.layers import Inputs
from vmforge.sdk.provisioner import Provisioner
from vmforge.template import RuntimeScope

_BUILD_NAME = "the build's name"


def install_step(planned: PlannedBuild, inputs: Inputs, fingerprints: Fingerprints) -> Step:
    """The installation: the builder's options, and what the builder says it depends on besides."""
    found = fingerprints.of_config(planned.builder.config)
    found |= _digested(inputs, fingerprints)
    return Step(INSTALL, planned.type, found)


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
    own = Fingerprints(
        fingerprints.digests, fingerprints.root, fingerprints.key, fingerprints.secrets | secrets
    )
    files = tuple(component.input_files())
    found = own.of_config(component.config) | own.of_files(files)
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


def _digested(inputs: Inputs, fingerprints: Fingerprints) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in inputs.items():
        if isinstance(value, Path):
            found |= fingerprints.of_files([value])
        else:
            found[name] = fingerprints.of_text(value)
    return found
