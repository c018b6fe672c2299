"""What a layer is, and the record of it that lies in its folder."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO, Final

from vmforge.cache.durable import read_record, write_record
from vmforge.errors import HostError

MEMORY, VALUES = "memory", "values.json"
COMPRESSED_MEMORY: Final = f"{MEMORY}.zst"
RECORD: Final = "layer.json"
# Layers whose record has another number are not used, and deleted.
_FORMAT: Final = 2
_TEXTS: Final = ("key", "parent", "step", "build", "template", "boot")
_TABLES: Final = ("inputs", "files", "sizes", "written")


@dataclass(frozen=True, slots=True)
class Layer:
    """A whole layer. `step` is what it was frozen after, as the user knows it; `parent` the id of the layer
    below, empty for the first. `inputs` are the digests of what the step depends on, by name. `files` maps
    file names to SHA-256, empty until it is sealed; until then, `written` says when each was last changed,
    in nanoseconds, and `boot` in which run of this machine. Other times are seconds since the epoch.
    A layer that a bundle brought has a `salt`: the key, in hex, that secrets entered `inputs` with in place
    of the store's own; `host` says, by their names there, what the machine was that it was made on. `size`
    and `last_used` are as they were when it was read; `size` is what it takes up on the disk."""

    id: str
    folder: Path
    key: str
    parent: str
    step: str
    build: str
    template: str
    created: float
    disks: tuple[str, ...]
    inputs: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    sizes: Mapping[str, int] = field(default_factory=dict)
    written: Mapping[str, int] = field(default_factory=dict)
    boot: str = ""
    salt: str = ""
    host: Mapping[str, str] = field(default_factory=dict)
    last_used: float = 0.0
    size: int = 0

    @property
    def sealed(self) -> bool:
        return bool(self.files)

    def values(self) -> dict[str, str]:
        """The build's values as they were."""
        record = read_record(self.folder / VALUES) or {}
        return {name: str(value) for name, value in record.items()}

    @property
    def has_memory(self) -> bool:
        """Whether the guest ran when the layer was made."""
        return MEMORY in self.sizes or COMPRESSED_MEMORY in self.sizes

    def open_memory(self) -> BinaryIO:
        """The guest's memory, as the hypervisor wrote it. OSError comes through."""
        if not self.sealed:
            try:
                return (self.folder / MEMORY).open("rb")
            except FileNotFoundError:
                pass  # sealed a moment ago
        from zstandard import ZstdDecompressor

        compressed = (self.folder / COMPRESSED_MEMORY).open("rb")
        return ZstdDecompressor().stream_reader(compressed, closefd=True)


def new_layer(
    *, key: str, parent: Layer | None, step: str, build: str, template: str, disks: tuple[str, ...]
) -> Layer:
    """A layer that has no folder yet; see `LayerStore.commit`."""
    return Layer("", Path(), key, parent.id if parent else "", step, build, template, time.time(), disks)


def read_layer(folder: Path) -> Layer | None:
    """The layer in a folder; None when there is none, or one that this version does not know.

    Raises `HostError` when that cannot be told, which is no reason to take it for gone.
    """
    try:
        record = json.loads((folder / RECORD).read_bytes())
        layer = _from_record(folder, record)
        return layer and replace(layer, size=occupied(folder), last_used=(folder / RECORD).stat().st_mtime)
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
    except OSError as error:
        raise HostError(f"the layer in `{folder}` cannot be read: {error.strerror}") from error


def write_layer(layer: Layer) -> None:
    """Write the layer's record: all of it or the old one. Raises `HostError` on a full disk."""
    record: dict[str, object] = {name: getattr(layer, name) for name in _TEXTS}
    record |= {name: dict(getattr(layer, name)) for name in _TABLES}
    record |= {"format": _FORMAT, "created": layer.created, "disks": list(layer.disks)}
    if layer.salt:
        record |= {"salt": layer.salt, "host": dict(layer.host)}
    write_record(layer.folder / RECORD, record)


def occupied(folder: Path) -> int:
    """The bytes that the files of a folder take up on the disk."""
    total = 0
    for path in folder.glob("*"):
        try:
            total += path.stat().st_blocks * 512
        except FileNotFoundError:
            pass  # deleted meanwhile
    return total


def _from_record(folder: Path, record: Any) -> Layer | None:
    try:
        if record["format"] != _FORMAT:
            return None
        fields: dict[str, Any] = {name: str(record[name]) for name in _TEXTS}
        fields |= {name: dict(record[name]) for name in _TABLES}
        fields |= {"created": float(record["created"]), "disks": tuple(record["disks"])}
        fields |= {"salt": str(record.get("salt", "")), "host": dict(record.get("host", {}))}
        return Layer(id=folder.name, folder=folder, **fields)
    except (KeyError, TypeError, ValueError):
        return None
