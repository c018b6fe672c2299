"""`vmforge cache`: the layers, ISOs and packages that builds keep for each other."""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final

import typer

from vmforge.cli.ages import age
from vmforge.cli.cache_listing import (
    count_text,
    described,
    iso_as_json,
    iso_table,
    layer_as_json,
    layer_tables,
    manifest,
    origin_of,
    package_as_json,
    package_table,
    short_id,
    size_text,
)
from vmforge.cli.flags import Command, Group
from vmforge.cli.terminal import Terminal
from vmforge.errors import HostError, UsageError, VmforgeError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from vmforge.cache import Store, StoredObject
    from vmforge.cache.layers import Layer, LayerStore
    from vmforge.package_cache import PackageShelf

NAME = "cache"

command = typer.Typer(
    cls=Group,
    help="List, check and delete what builds keep for each other: layers, ISOs and packages.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

# How many letters of an id one must give.
_SHORTEST: Final = 4

AsJson = Annotated[bool, typer.Option("--json", help="As JSON; sizes in bytes, times in seconds since 1970.")]


@dataclass(frozen=True)
class _Cache:
    """All parts of the cache, opened. Raises `HostError` when that cannot be done."""

    store: Store
    layers: LayerStore
    packages: PackageShelf

    @classmethod
    def open(cls) -> _Cache:
        from vmforge.cache import Store, default_root
        from vmforge.cache.layers import LayerStore
        from vmforge.package_cache import PackageShelf

        store = Store(default_root(os.environ))
        return cls(store, LayerStore(store), PackageShelf(store))

    def isos(self) -> list[StoredObject]:
        """The longest unused first."""
        from vmforge.package_cache import KIND

        return [item for item in self.store.objects() if item.extension != KIND]

    def package_limit(self) -> int:
        """Raises `UsageError` for a limit that is no size."""
        from vmforge.cache.limit import PACKAGES_LIMIT

        return PACKAGES_LIMIT.bytes(self.store.root, os.environ)

    def limit(self) -> int:
        """Raises `UsageError` for a limit that is no size."""
        from vmforge.cache.limit import LAYERS_LIMIT

        return LAYERS_LIMIT.bytes(self.layers.root, os.environ)


@command.command("ls", cls=Command)
def list_all(context: typer.Context, as_json: AsJson = False) -> None:
    """List the layers of each build, the ISOs, and how much is kept of which mirror.

    A layer lies on the one that is named behind it, and holds only what its step changed.
    """
    shown: Terminal = context.obj
    cache = _Cache.open()
    layers, isos, packages = cache.layers.layers(), cache.isos(), cache.packages.objects()
    if as_json:
        listed = {
            "layers": [layer_as_json(cache.layers, layer) for layer in layers],
            "isos": [iso_as_json(iso) for iso in isos],
            "packages": [package_as_json(kept) for kept in cache.packages.entries()],
        }
        shown.print(json.dumps(listed, indent=2))
        return
    for line in (*layer_tables(cache.layers, layers), *iso_table(isos), *package_table(packages)):
        shown.print(line)
    if not layers and not isos and not packages:
        shown.print(f"the cache `{cache.store.root}` is empty")


@command.command("show", cls=Command)
def show(
    context: typer.Context,
    layer: Annotated[
        str, typer.Argument(metavar="ID|STEP", help="The layer: the first letters of its id, or its step.")
    ],
    as_json: AsJson = False,
) -> None:
    """Show what a layer was made of: its inputs, its files, the layers below it."""
    shown: Terminal = context.obj
    cache = _Cache.open()
    found = _chosen(cache.layers.layers(), layer)
    if as_json:
        shown.print(json.dumps(manifest(cache.layers, found), indent=2))
        return
    for line in described(cache.layers, found):
        shown.print(line)


@command.command("prune", cls=Command)
def prune(
    context: typer.Context,
    limit: Annotated[
        str, typer.Option("--limit", metavar="SIZE", help="Leave layers of this size at most (`10G`).")
    ] = "",
    older_than: Annotated[
        str,
        typer.Option("--older-than", metavar="AGE", help="Delete what was unused for so long (`7d`, `12h`)."),
    ] = "",
    packages: Annotated[
        str, typer.Option("--packages", metavar="SIZE", help="Leave packages of this size at most (`5G`).")
    ] = "",
    everything: Annotated[
        bool, typer.Option("--all", help="Delete every package, and every layer that is not in use.")
    ] = False,
    kept: Annotated[
        bool, typer.Option("--kept", help="Also the disks of machines that `-on-error=abort` left to you.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Delete nothing; say what would be.")] = False,
) -> None:
    """Delete the longest unused layers and packages, down to the limits that builds keep to as well.

    Never a layer that a running build uses, nor one that another lies on.
    """
    shown: Terminal = context.obj
    if everything and (limit or packages or older_than):
        raise UsageError("`-all` leaves nothing for `-limit`, `-packages` and `-older-than`")
    cache = _Cache.open()
    otherwise = {"bounded_by_age": bool(older_than), "everything": everything}
    allowed = _allowed("-limit", limit, cache.limit, **otherwise)
    packages_allowed = _allowed("-packages", packages, cache.package_limit, **otherwise)
    since = time.time() - age(older_than, "-older-than") if older_than else 0.0
    freed = 0 if dry_run else cache.layers.sweep()
    if freed:
        shown.print(f"deleted what ended builds left, or has been made again: {size_text(freed)}")
    if kept:
        freed += _discard_kept(shown, cache, dry_run)
    verb = "would delete" if dry_run else "deleted"
    for layer in cache.layers.prune(allowed, unused_since=since, rehearse=dry_run):
        shown.print(f"{verb} {short_id(layer)}  {size_text(layer.size):>9}  {layer.build}: {layer.step}")
        freed += layer.size
    gone = cache.packages.prune(packages_allowed, unused_since=since, rehearse=dry_run)
    if gone:
        size = sum(item.size for item in gone)
        shown.print(f"{verb} {count_text(gone, 'package')}  {size_text(size)}")
        freed += size
    shown.print(f"{size_text(freed)} {'would be freed' if dry_run else 'freed'}")


@command.command("verify", cls=Command)
def verify(
    context: typer.Context,
    delete: Annotated[bool, typer.Option("--delete", help="Delete what is damaged.")] = False,
) -> int:
    """Read everything again in full; exits with 1 when something is not what was written."""
    shown: Terminal = context.obj
    cache = _Cache.open()
    layers, isos, packages = cache.layers.layers(), cache.isos(), cache.packages.objects()
    damaged = 0
    for layer in layers:
        if damage := _damage_of(cache, layer):
            damaged += 1
            shown.print(f"layer {short_id(layer)} ({layer.build}: {layer.step}): {damage}")
            if delete and not cache.layers.remove(layer):
                shown.print("  in use, and not deleted")
    for kind, item in (*(("ISO", iso) for iso in isos), *(("package", package) for package in packages)):
        if not _is_whole(cache, item):
            damaged += 1
            shown.print(f"{kind} {item.path.name} ({origin_of(item)}): it is not what was written")
            if delete:
                cache.store.discard(item.path)
    if delete:
        cache.layers.sweep()  # what lay on a damaged layer
    found = f"{damaged} damaged" if damaged else "nothing is damaged"
    last = f"{count_text(isos, 'ISO')} and {count_text(packages, 'package')}" if packages else ""
    joined = f", {last}" if last else f" and {count_text(isos, 'ISO')}"
    shown.print(f"{count_text(layers, 'layer')}{joined} read: {found}")
    return 1 if damaged else 0


@command.command("du", cls=Command)
def disk_usage(context: typer.Context, as_json: AsJson = False) -> None:
    """Show how much of the disk the cache takes up, and how much layers and packages may."""
    from vmforge.cache.layers.layer import occupied

    shown: Terminal = context.obj
    cache = _Cache.open()
    layers, isos, kept = cache.layers.layers(), cache.isos(), cache.layers.kept()
    packages = cache.packages.objects()
    sums = {
        "layers": sum(layer.size for layer in layers),
        "shared": sum(layer.size for layer in _shared(layers)),
        "limit": cache.limit(),
        "isos": sum(iso.size for iso in isos),
        "packages": sum(item.size for item in packages),
        "packages_limit": cache.package_limit(),
        "kept": sum(occupied(folder) for folder in kept),
    }
    if as_json:
        shown.print(json.dumps(sums, indent=2))
        return
    shown.print(f"cache   {cache.store.root}")
    shown.print(f"layers  {size_text(sums['layers']):>10}  {len(layers)}, at most {size_text(sums['limit'])}")
    shown.print(f"shared  {size_text(sums['shared']):>10}  of that in layers that several lie on")
    shown.print(f"ISOs    {size_text(sums['isos']):>10}  {len(isos)}")
    at_most = size_text(sums["packages_limit"])
    shown.print(f"packages {size_text(sums['packages']):>9}  {len(packages)}, at most {at_most}")
    if kept:
        listed = f"{count_text(kept, 'machine')} left to you by `-on-error=abort`"
        shown.print(f"kept    {size_text(sums['kept']):>10}  {listed}")


# -- choosing, deleting, checking ----------------------------------------------------------------


def _chosen(layers: Sequence[Layer], wanted: str) -> Layer:
    """The layer that is meant. Raises `VmforgeError` when it is none or not the only one."""
    found = [layer for layer in layers if wanted in _names(layer.step)]
    if not found and len(wanted) >= _SHORTEST:
        found = [layer for layer in layers if layer.id.startswith(wanted)]
    if len(found) == 1:
        return found[0]
    if not found:
        raise VmforgeError(f"there is no layer `{wanted}`", hint="`vmforge cache ls` lists them")
    listed = ", ".join(f"`{short_id(layer)}` ({layer.build}: {layer.step})" for layer in found)
    raise VmforgeError(f"`{wanted}` names several layers", hint=f"name one by its id: {listed}")


def _names(step: str) -> set[str]:
    plain = step.replace("`", "")
    return {step, plain, *plain.split()[1:]}


def _allowed(flag: str, given: str, own: Callable[[], int], *, bounded_by_age: bool, everything: bool) -> int:
    """How many bytes may be left, where `own` is what builds keep to. Raises `UsageError`."""
    from vmforge.sdk.values import Size

    if everything:
        return 0
    if not given:
        return sys.maxsize if bounded_by_age else own()
    try:
        return Size.parse(given).bytes
    except ValueError as error:
        raise UsageError(f"`{flag}`: {error}") from None


def _discard_kept(shown: Terminal, cache: _Cache, dry_run: bool) -> int:
    """Delete the disks of kept machines; returns the bytes that this freed."""
    from vmforge.cache.layers.layer import occupied

    freed = 0
    for folder in cache.layers.kept():
        size = occupied(folder)
        if dry_run or cache.layers.discard_kept(folder):
            shown.print(f"{'would delete' if dry_run else 'deleted'} the kept disks in {folder}")
            freed += size
    return freed


def _damage_of(cache: _Cache, layer: Layer) -> str:
    try:
        damage = cache.layers.verify(layer)
        gone = cache.layers.read(layer.id) is None
    except HostError as error:
        return error.message
    return "" if gone else damage


def _is_whole(cache: _Cache, iso: StoredObject) -> bool:
    try:
        return cache.store.is_whole(iso)
    except FileNotFoundError:
        return True  # deleted meanwhile
    except OSError:
        return False


def _shared(layers: Sequence[Layer]) -> list[Layer]:
    """Those that more than one layer lies on."""
    parents = [layer.parent for layer in layers]
    return [layer for layer in layers if parents.count(layer.id) > 1]
