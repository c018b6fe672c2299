"""One content-addressed store for everything that builds share: ISOs and layers."""

from vmforge.cache.digests import DigestMemory, hash_file
from vmforge.cache.durable import out_of_space, require_space, space_checked
from vmforge.cache.lock import Cancellable, KeyLock
from vmforge.cache.store import Store, StoredObject, default_root

__all__ = [
    "Cancellable",
    "DigestMemory",
    "KeyLock",
    "Store",
    "StoredObject",
    "default_root",
    "hash_file",
    "out_of_space",
    "require_space",
    "space_checked",
]
