"""What guests fetched through the package cache, for bundles."""

from __future__ import annotations

from vmforge.bundles.collecting import Collection
from vmforge.cache import Store
from vmforge.package_cache import KIND, PackageShelf

_ENTRY = "package:"


def add_packages(collection: Collection, store: Store, used_by: str | None = None) -> int:
    """Put what a build was given when it last ran into a bundle, or all that is kept; returns how many URLs
    that is. Bodies that are gone are left out."""
    shelf = PackageShelf(store)
    wanted = None if used_by is None else set(shelf.used_by(used_by))
    count = 0
    for kept in sorted(shelf.entries(), key=lambda kept: kept.url):
        path = store.path_of(kept.digest, KIND)
        if (wanted is not None and kept.url not in wanted) or not path.is_file():
            continue
        record = store.bound(_ENTRY + kept.url)
        if record is not None:
            collection.add_object(kept.digest, KIND, path, kept.url)
            collection.bind(_ENTRY + kept.url, record)
            count += 1
    return count


def snapshot(store: Store, used_by: str) -> dict[str, str]:
    """The SHA-256 of all that a build was given when it last ran, by URL; empty when that is not known."""
    shelf = PackageShelf(store)
    found = ((url, shelf.find(url)) for url in shelf.used_by(used_by))
    return {url: f"sha256:{kept.digest}" for url, kept in found if kept is not None}
