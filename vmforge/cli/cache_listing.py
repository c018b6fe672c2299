"""The cache as text and as JSON: tables of layers, ISOs and mirrors, and one layer described.

Contents of layers are never shown: they hold what the build and the guest know.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from vmforge.cache import StoredObject
    from vmforge.cache.layers import Layer, LayerStore
    from vmforge.package_cache import Kept

_SHORT: Final = 8
_UNITS: Final = ((86400, "d"), (3600, "h"), (60, "m"), (1, "s"))


# -- tables -------------------------------------------------------------------------------------


def layer_tables(store: LayerStore, layers: Sequence[Layer]) -> Iterator[str]:
    builds: dict[tuple[str, str], list[Layer]] = {}
    for layer in sorted(layers, key=lambda layer: layer.created):
        builds.setdefault((layer.template, layer.build), []).append(layer)
    for (template, build), own in builds.items():
        yield f"{build} in {template}"
        rows: list[tuple[str, ...]] = [("STEP", "ID", "AGE", "USED", "SIZE", "LIES ON", "")]
        rows += [_layer_row(store, layer) for layer in own]
        yield from table(rows)
        yield ""


def _layer_row(store: LayerStore, layer: Layer) -> tuple[str, ...]:
    return (
        layer.step,
        short_id(layer),
        ago(layer.created),
        ago(layer.last_used),
        size_text(layer.size),
        layer.parent[:_SHORT] or "-",
        ", ".join(_states(store, layer)),
    )


def _states(store: LayerStore, layer: Layer) -> Iterator[str]:
    if store.in_use(layer):
        yield "in use"
    if not layer.sealed:
        yield "not sealed yet"
    if not layer.has_memory:
        yield "disk only"


def iso_table(isos: Sequence[StoredObject]) -> Iterator[str]:
    if isos:
        yield "ISOs"
        rows = [("FROM", "ID", "USED", "SIZE")]
        rows += [
            (origin_of(iso) or iso.path.name, iso.digest[:_SHORT], ago(iso.last_used), size_text(iso.size))
            for iso in isos
        ]
        yield from table(rows)


def package_table(packages: Sequence[StoredObject]) -> Iterator[str]:
    """What is kept of each mirror; a line for each package would be thousands."""
    from urllib.parse import urlsplit

    hosts: dict[str, list[StoredObject]] = {}
    for item in packages:
        hosts.setdefault(urlsplit(item.origin).netloc.rpartition("@")[2] or "-", []).append(item)
    if hosts:
        yield "packages"
        rows = [("FROM", "FILES", "USED", "SIZE")]
        rows += [
            (host, str(len(own)), ago(own[-1].last_used), size_text(sum(item.size for item in own)))
            for host, own in sorted(hosts.items())
        ]
        yield from table(rows)


def package_as_json(kept: Kept) -> dict[str, object]:
    return {"url": kept.url, "sha256": kept.digest, "size": kept.size, "fetched": kept.fetched}


def table(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    """Rows of equally many cells, the cells of a column below each other."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        yield "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def origin_of(iso: StoredObject) -> str:
    """Where it was fetched from, without what may be a password in that."""
    from urllib.parse import urlsplit, urlunsplit

    parts = urlsplit(iso.origin)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


# -- one layer ----------------------------------------------------------------------------------


def described(store: LayerStore, layer: Layer) -> Iterator[str]:
    yield f"layer     {layer.id}"
    yield f"after     {layer.step}"
    yield f"build     {layer.build} in {layer.template}"
    yield f"made      {ago(layer.created)} ago, last used {ago(layer.last_used)} ago"
    yield f"key       {layer.key}"
    yield f"folder    {layer.folder}"
    yield "lies on   " + (", ".join(_below(store, layer)) or "nothing")
    yield "files"
    yield from table([(name, size_text(size), layer.files.get(name, "-")) for name, size in _files(layer)])
    yield "inputs"
    yield from table(sorted(layer.inputs.items()) or [("-",)])


def _below(store: LayerStore, layer: Layer) -> list[str]:
    return [f"{short_id(part)} ({part.step})" for part in store.chain(layer)[:-1]]


def _files(layer: Layer) -> list[tuple[str, int]]:
    return sorted(layer.sizes.items())


def manifest(store: LayerStore, layer: Layer) -> dict[str, object]:
    chain = [part.id for part in store.chain(layer)]
    files = {name: {"size": size, "sha256": layer.files.get(name)} for name, size in _files(layer)}
    return layer_as_json(store, layer) | {"chain": chain, "files": files, "inputs": dict(layer.inputs)}


def layer_as_json(store: LayerStore, layer: Layer) -> dict[str, object]:
    return {
        "id": layer.id,
        "step": layer.step,
        "build": layer.build,
        "template": layer.template,
        "parent": layer.parent or None,
        "key": layer.key,
        "created": layer.created,
        "last_used": layer.last_used,
        "size": layer.size,
        "sealed": layer.sealed,
        "memory": layer.has_memory,
        "in_use": store.in_use(layer),
    }


def iso_as_json(iso: StoredObject) -> dict[str, object]:
    return {
        "sha256": iso.digest,
        "file": str(iso.path),
        "origin": origin_of(iso),
        "size": iso.size,
        "last_used": iso.last_used,
    }


# -- words --------------------------------------------------------------------------------------


def short_id(layer: Layer) -> str:
    return layer.id[:_SHORT]


def ago(moment: float) -> str:
    """How long ago something was, in one unit: `3d`, `5m`."""
    seconds = max(0, round(time.time() - moment))
    return next((f"{seconds // unit}{name}" for unit, name in _UNITS if seconds >= unit), "0s")


def size_text(count: int) -> str:
    from vmforge.sdk.values import format_bytes

    return format_bytes(count)


def count_text(items: Sequence[object], noun: str) -> str:
    return f"{len(items)} {noun}" + ("" if len(items) == 1 else "s")
