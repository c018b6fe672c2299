"""What keys of the index lead to, followed to the end."""

from __future__ import annotations

from pathlib import Path

from vmforge.cache.store import Store

_SHA256 = "sha256:"


def digest_of(store: Store, key: str) -> str:
    """The SHA-256 of the object that a key means: `sha256:HEX` tells it itself, others are bound to it, or to
    what a list of checksums said. Empty when nothing is known."""
    if key.startswith(_SHA256):
        return key.removeprefix(_SHA256)
    record = store.bound(key) or {}
    listed = record.get("checksum", "")
    # what a list said is a checksum, whose key leads to the object
    return digest_of(store, listed) if listed and listed != key else record.get("sha256", "")


def object_of(store: Store, key: str, extension: str) -> Path | None:
    """The object that a key means, if it is there; not verified."""
    digest = digest_of(store, key)
    path = store.path_of(digest, extension)
    return path if digest and path.is_file() else None
