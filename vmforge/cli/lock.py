"""`vmforge lock`: writes down what the builds of a template are made of."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from vmforge.cli.lock_file import current, lock_path
from vmforge.cli.offline_options import MirrorOption, Offline, network_of
from vmforge.cli.running import TemplateRequest, plan_builds
from vmforge.cli.template_options import ConfigType, Except, Only, SetOption, TemplateArgument, Var, VarFile
from vmforge.cli.terminal import Terminal
from vmforge.errors import HostError

NAME = "lock"


def command(
    context: typer.Context,
    template: TemplateArgument,
    var: Var = [],
    var_file: VarFile = [],
    only: Only = [],
    except_: Except = [],
    set_: SetOption = [],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help="The lock file.", show_default="beside the template"
        ),
    ] = None,
    update: Annotated[
        bool, typer.Option("--update", help="Replace a lock file that differs from what there is now.")
    ] = False,
    offline: Offline = False,
    mirror: MirrorOption = [],
    config_type: ConfigType = "",
) -> None:
    """Write the digests of all that a template's builds take in; builds then fail when one differs.

    With a lock file that is there already: compare.
    """
    from vmforge.bundles.media import MediaDesk
    from vmforge.cache import Store, default_root
    from vmforge.pipeline.locking import Lock, LockDiffers, differences
    from vmforge.sdk.cancellation import Cancellation

    shown: Terminal = context.obj
    network = network_of(offline, mirror)
    request = TemplateRequest(template, var, var_file, only, except_, set_, config_type, network=network)
    planned = plan_builds(shown, request)
    desk = MediaDesk(Store(default_root(os.environ)), shown.ui("lock"), Cancellation(), network)
    now = current(planned, desk.checksum)
    path = output or lock_path(template)
    if path.exists() and not update:
        found = differences(Lock.read(path), now)
        if found:
            raise LockDiffers(path, found)
        shown.print(f"{path}: nothing differs")
        return
    _write(path, now)
    counts = f"{len(now.media)} media, {len(now.files)} files, {len(now.packages)} packages"
    shown.print(f"{path}: {counts}")


def _write(path: Path, lock: object) -> None:
    from vmforge.cache.durable import move_durably
    from vmforge.pipeline.locking import Lock

    assert isinstance(lock, Lock)
    staged = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        staged.write_text(lock.encode(), encoding="utf-8")
        move_durably(staged, path)
    except OSError as error:
        raise HostError(f"`{path}` cannot be written: {(error.strerror or str(error)).lower()}") from None
    finally:
        staged.unlink(missing_ok=True)
