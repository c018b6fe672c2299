"""From templates and flags to what goes into a bundle."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from vmforge.cli.cache_listing import count_text
from vmforge.cli.lock_file import lock_path
from vmforge.cli.running import Planned, TemplateRequest, plan_builds, running
from vmforge.cli.terminal import Terminal

if TYPE_CHECKING:
    from vmforge.bundles import Collection
    from vmforge.bundles.media import MediaDesk
    from vmforge.cache import Store
    from vmforge.cache.layers import Layer
    from vmforge.pipeline.plan import PlannedBuild
    from vmforge.sdk.cancellation import Cancellation
    from vmforge.sdk.ui import Ui
    from vmforge.template import Template


@dataclass(frozen=True)
class Wanted:
    """What a bundle is to hold. `request` is what all templates have in common, `include` what no option
    names."""

    templates: Sequence[Path]
    request: TemplateRequest
    packages: bool
    include: Sequence[Path] = ()
    layers: bool = False


@dataclass(frozen=True)
class Gathering:
    """Where a bundle's content is gathered from and to. `resources` holds what must stay until it is written;
    `cancellation` ends it."""

    collection: Collection
    store: Store
    desk: MediaDesk
    ui: Ui
    cancellation: Cancellation
    resources: ExitStack


def gather(shown: Terminal, wanted: Wanted, to: Gathering) -> None:
    """Plan every template, fetch what its builds need, and gather all of it. Raises `VmforgeError`."""
    collection, store, ui = to.collection, to.store, to.ui
    for path in wanted.include:
        collection.add_path(path)
    for template in wanted.templates:
        ui.say(f"gathering what `{template}` needs")
        planned = plan_builds(shown, replace(wanted.request, template=template), keep_answers=True)
        arguments = arguments_of(wanted.request, planned, collection)
        collection.add_template(template, ["-package-cache", *arguments] if wanted.packages else arguments)
        _gather_files(planned, template, wanted.request, collection)
        _gather_remote(planned, collection, to.desk)
        for key in planned.data_keys:
            record = store.bound(key)
            if record is not None:
                collection.bind(key, record)
        if wanted.packages:
            _gather_packages(planned, collection, store, ui)
        if wanted.layers:
            _gather_layers(shown, planned, to)


def arguments_of(request: TemplateRequest, planned: Planned, collection: Collection) -> list[str]:
    """The flags to build with, but for the values of variables that are sensitive."""
    found = [f"-var-file={path}" for path in request.var_file]
    for assignment in request.var:
        name = assignment.partition("=")[0].strip()
        variable = planned.template.variables.get(name)
        if variable is not None and variable.sensitive:
            collection.warnings.append(f"the sensitive variable `{name}` is left out: give its value there")
            found.append(f"-var={name}=...")
        else:
            found.append(f"-var={assignment}")
    found += [f"-only={text}" for text in request.only]
    found += [f"-except={text}" for text in request.except_]
    return found + [f"-set={text}" for text in request.set_]


def build_command(template: Path, arguments: Sequence[str]) -> str:
    """What to type to build a template of an imported bundle."""
    return shlex.join(["vmforge", "build", "--offline", *arguments, str(template)])


def _gather_files(planned: Planned, template: Path, request: TemplateRequest, collection: Collection) -> None:
    from vmforge.pipeline.inputs import local_inputs
    from vmforge.template.files import find_files

    if template.suffix == ".json" and not template.name.endswith(".pkr.json"):
        own: list[Path] = [template]
    else:
        files = find_files(template)
        own = [*files.templates, *files.auto_variables]
    for path in (*own, *request.var_file, lock_path(template)):
        collection.add_path(path)
    for path in local_inputs(planned.plan, planned.reads):
        collection.add_path(path)


def _gather_remote(planned: Planned, collection: Collection, desk: MediaDesk) -> None:
    """The media; what else goes over the network is said."""
    from vmforge.pipeline.inputs import remote_inputs
    from vmforge.sdk.network import RemoteKind

    carried = (RemoteKind.CHECKSUMS, RemoteKind.DATA)  # with the media, and by their keys
    for needed in remote_inputs(planned.plan):
        wanted = needed.input
        if wanted.kind is RemoteKind.MEDIUM:
            desk.add_to(collection, wanted)
        elif wanted.kind not in carried:
            place = f" (`{wanted.places[0]}`)" if wanted.places else ""
            collection.warnings.append(f"no bundle can carry {wanted.what}{place}")


def _gather_packages(planned: Planned, collection: Collection, store: Store, ui: Ui) -> None:
    from vmforge.bundles.packages import add_packages

    for build in planned.plan.builds:
        count = add_packages(collection, store, used_by(planned.template.root, build.full_name))
        if count:
            ui.message(f"{count} files of the package cache, for `{build.full_name}`")
        else:
            hint = "build it once with `-package-cache`"
            collection.warnings.append(f"the package cache has nothing for `{build.full_name}`: {hint}")


def _gather_layers(shown: Terminal, planned: Planned, to: Gathering) -> None:
    """The machines that are kept of the builds, and a warning of what is in them."""
    from vmforge.pipeline.build import carry_layers

    found = 0
    with running(shown, planned) as run, to.cancellation.on_cancel(run.cancellation.cancel):
        for build in planned.plan.builds:
            carried = carry_layers(build, run)
            if isinstance(carried, str):
                to.collection.warnings.append(f"there are no layers of `{build.full_name}`: {carried}")
                continue
            to.resources.enter_context(carried.hold)
            for layer in carried.layers:
                to.collection.add_layer(layer, planned.template.root)
            found += len(carried.layers)
            to.ui.message(_layers_found(build, carried.layers))
    if found:
        to.collection.warnings.append(_layers_warning(planned.template))


def _layers_found(build: PlannedBuild, layers: Sequence[Layer]) -> str:
    count = count_text(layers, "layer")
    return f"{count} of `{build.full_name}`, the last one after {layers[-1].step}"


def _layers_warning(template: Template) -> str:
    names = [f"`{variable.name}`" for variable in template.variables.values() if variable.sensitive]
    among = f", {', '.join(sorted(names))} among it" if names else ""
    return f"the layers hold all that was in the guests' memory{among}: whoever gets the bundle can read it"


def used_by(root: Path, build: str) -> str:
    """What the package cache calls a build."""
    return f"{root.absolute()}: {build}"
