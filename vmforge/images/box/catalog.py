"""Box catalogues: the versions of a box and where to get each, for `vagrant box add --box-version`.

The format is that of https://developer.hashicorp.com/vagrant/docs/boxes/format#box-metadata.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from vmforge.errors import VmforgeError

# What Vagrant's version class takes (https://ruby-doc.org/stdlib/libdoc/rubygems/rdoc/Gem/Version.html)
VERSION = re.compile(r"[0-9]+(\.[0-9a-zA-Z]+)*(-[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?")


@dataclass(frozen=True, slots=True)
class CatalogEntry:
    """One box in a catalogue; `sha256` is the digest of its file in hexadecimal."""

    version: str
    provider: str
    architecture: str
    url: str
    sha256: str


def add_entry(document: Mapping[str, Any], entry: CatalogEntry) -> dict[str, Any]:
    """The catalogue with a box added, in place of one of equal version, provider and architecture.
    Everything else in it stays. Raises `VmforgeError` when it is no catalogue."""
    changed: dict[str, Any] = copy.deepcopy(dict(document))
    version = _find_or_append(_list(changed, "versions"), {"version": entry.version})
    providers = _list(version, "providers")
    place = {"name": entry.provider, "architecture": entry.architecture}
    first = not any(_same(other, {"name": entry.provider}) for other in providers)
    provider = _find_or_append(providers, place)
    provider |= {"url": entry.url, "checksum_type": "sha256", "checksum": entry.sha256}
    # what Vagrant 2.4 takes where nothing suits the user's machine, and older ones know nothing of
    provider.setdefault("default_architecture", first)
    return changed


def _list(table: dict[str, Any], name: str) -> list[Any]:
    found = table.setdefault(name, [])
    if not isinstance(found, list):
        raise VmforgeError(f"`{name}` is no list")
    return found


def _find_or_append(tables: list[Any], key: Mapping[str, str]) -> dict[str, Any]:
    for table in tables:
        if _same(table, key):
            assert isinstance(table, dict)
            return table
    made: dict[str, Any] = dict(key)
    tables.append(made)
    return made


def _same(table: object, key: Mapping[str, str]) -> bool:
    return isinstance(table, dict) and all(table.get(name) == value for name, value in key.items())
