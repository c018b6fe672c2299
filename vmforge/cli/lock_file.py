"""Where a template's lock file is, and builds against it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from vmforge import __version__
from vmforge.errors import UsageError, VmforgeError

if TYPE_CHECKING:
    from vmforge.cli.running import Planned
    from vmforge.cli.terminal import Terminal
    from vmforge.pipeline.locking import Lock
    from vmforge.sdk.network import RemoteInput

LockOption = Annotated[
    Path | None,
    typer.Option(
        "--lock",
        metavar="FILE",
        help="The lock file that the inputs must agree with; else the one beside the template, if any.",
    ),
]
NoLock = Annotated[bool, typer.Option("--no-lock", help="Build whatever the lock file says.")]

_TEMPLATES: Final = (".pkr.hcl", ".pkr.json", ".json")


def lock_path(template: Path) -> Path:
    """`debian.lock.json` for `debian.pkr.hcl`, `template.lock.json` in a folder of templates."""
    if template.is_dir():
        return template / "template.lock.json"
    suffix = next((suffix for suffix in _TEMPLATES if template.name.endswith(suffix)), "")
    return template.with_name(f"{template.name.removesuffix(suffix)}.lock.json")


def check_lock(
    shown: Terminal, planned: Planned, template: Path, given: Path | None, ignored: bool
) -> Mapping[str, str]:
    """Compare the inputs with the lock file, if there is one, and warn of other tools. Returns what media
    must be, by their keys. Raises `VmforgeError` when inputs differ."""
    from vmforge.diagnostics import Diagnostic
    from vmforge.pipeline.locking import Lock, LockDiffers, differences, media_of, name_of

    if ignored and given is not None:
        raise UsageError("`--lock` and `--no-lock` contradict each other")
    path = given or lock_path(template)
    if ignored or (given is None and not path.is_file()):
        return {}
    locked = Lock.read(path)
    now = current(planned, lambda medium: _stated(medium, locked))
    found = differences(locked, now)
    inputs = [difference for difference in found if not difference.is_tool]
    if inputs:
        raise LockDiffers(path, inputs)
    shown.diagnostics(
        [Diagnostic.warning(f"{d.name} is {d.new}; the lock file has {d.old}") for d in found if d.is_tool]
    )
    return {medium.key: locked.media[name_of(medium)] for medium in media_of(planned.plan)}


def current(planned: Planned, checksum: Callable[[RemoteInput], str]) -> Lock:
    """What the builds would be made of now; `checksum` tells what a medium must be."""
    from vmforge.bundles.packages import snapshot
    from vmforge.cache import Store, default_root
    from vmforge.cli.bundle_contents import used_by
    from vmforge.pipeline.locking import make_lock

    store = Store(default_root(os.environ))
    packages: dict[str, str] = {}
    for build in planned.plan.builds:
        packages |= snapshot(store, used_by(planned.template.root, build.full_name))
    return make_lock(
        planned.plan,
        planned.template.root,
        planned.reads,
        store.digests,
        checksum,
        tools={"vmforge": __version__},
        data=planned.data_digests,
        packages=packages,
    )


def _stated(medium: RemoteInput, locked: Lock) -> str:
    """What a medium is, as far as its options tell; else the lock file tells, and the download is checked."""
    from vmforge.media.checksum import Checksum, parse_checksum
    from vmforge.pipeline.locking import name_of

    try:
        stated = parse_checksum(medium.checksum or "none")
    except ValueError as error:
        raise VmforgeError(str(error)) from None
    return str(stated) if isinstance(stated, Checksum) else locked.media.get(name_of(medium), "unknown")
