"""What the builds of a plan take from elsewhere: from networks, and from this machine's files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vmforge.pipeline.plan import Plan, PlannedBuild, PlannedPostProcessor, PlannedProvisioner
from vmforge.sdk.component import Component
from vmforge.sdk.decoding import UNKNOWN_TEXT
from vmforge.sdk.network import RemoteInput
from vmforge.sdk.options import Config
from vmforge.sdk.values import expand_home


@dataclass(frozen=True)
class Needed:
    """Something of a network, and the builds that need it."""

    input: RemoteInput
    builds: tuple[str, ...]


def remote_inputs(plan: Plan) -> list[Needed]:
    """Everything that the builds take from networks or send there, each once."""
    builds: dict[RemoteInput, list[str]] = {}
    for build in plan.builds:
        for component, config in _configured(build):
            for needed in component.remote_inputs(config):
                builds.setdefault(needed, []).append(build.full_name)
    return [Needed(needed, tuple(dict.fromkeys(names))) for needed, names in builds.items()]


def local_inputs(plan: Plan, read: Iterable[Path]) -> list[Path]:
    """The files and folders of this machine that the builds, and the functions of the template (`read`), take
    something from; each once. Not all of them need to exist."""
    named = (
        path
        for build in plan.builds
        for component, config in _configured(build)
        for path in component.local_inputs(config)
    )
    known = (expand_home(path) for path in named if UNKNOWN_TEXT not in str(path))
    return list(dict.fromkeys((*sorted(read), *known)))


def _configured(build: PlannedBuild) -> Iterator[tuple[type[Component[Any]], Config]]:
    """The components of a build, with their options as far as they are known before it runs."""
    yield type(build.builder), build.builder.config
    yield type(build.connector), build.connector.config
    planned: list[PlannedProvisioner | PlannedPostProcessor] = [*build.provisioners]
    planned += [one for chain in build.chains for one in chain]
    planned += [build.error_cleanup] if build.error_cleanup is not None else []
    for one in planned:
        if one.config is not None:
            yield one.component, one.config
