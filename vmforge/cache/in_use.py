"""Objects of the store that somebody uses: their locks are held shared, and only who gets one alone deletes.

QEMU reads an ISO as long as the machine lives; who had it open would keep its bytes, but who opens it again
(a disc that is put back, a restored layer) would find nothing.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from vmforge.cache.layers.holding import Hold, try_lock
from vmforge.cache.store import Store


def hold_object(store: Store, path: Path) -> Hold | None:
    """Keep an object from being deleted until the hold is closed; None when it is gone, or being deleted."""
    hold = Hold()
    if hold.add(_lock_file(store, path)) and path.exists():
        return hold
    hold.close()
    return None


def is_in_use(store: Store, path: Path) -> bool:
    """Whether somebody holds an object."""
    lock_file = _lock_file(store, path)
    if not lock_file.exists():
        return False
    lock = try_lock(lock_file, fcntl.LOCK_EX)
    if lock is not None:
        os.close(lock)
    return lock is None


def discard_unused(store: Store, path: Path) -> bool:
    """Delete an object and what is known of it, unless somebody holds it; returns whether it did."""
    lock_file = _lock_file(store, path)
    lock = try_lock(lock_file, fcntl.LOCK_EX)
    if lock is None:
        return False
    try:
        store.discard(path)
        lock_file.unlink(missing_ok=True)
    finally:
        os.close(lock)
    return True


def _lock_file(store: Store, path: Path) -> Path:
    return store.root / "locks" / f"object-{path.name}"
