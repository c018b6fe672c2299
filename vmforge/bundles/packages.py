"""What guests fetched through the package cache, for bundles."""

from __future__ import annotations

from vmforge.bundles.collecting import Collection
from vmforge.cache import Store
from vmforge.package_cache import KIND, PackageShelf


def add_packages(collection: Collection, store: Store, used_by: str | None = None) -> int:
    """Put what a build was given when it last ran into a bundle, or all that is kept, and what mirrors were
    asked for in vain; returns how many URLs there is something for. Bodies that are gone are left out."""
    shelf = PackageShelf(store)
    everything = {kept.url for kept in shelf.entries()} | set(shelf.absent())
    count = 0
    for url in sorted(everything if used_by is None else everything.intersection(shelf.used_by(used_by))):
        kept = shelf.find(url)
        if kept is not None:
            path = store.path_of(kept.digest, KIND)
            if not path.is_file():
                continue
            collection.add_object(kept.digest, KIND, path, url)
            count += 1
        for key, record in shelf.records(url).items():
            collection.bind(key, record)
    return count


def snapshot(store: Store, used_by: str) -> dict[str, str]:
    """The SHA-256 of all that a build was given when it last ran, by URL; empty when that is not known."""
    shelf = PackageShelf(store)
    found = ((url, shelf.find(url)) for url in shelf.used_by(used_by))
    return {url: f"sha256:{kept.digest}" for url, kept in found if kept is not None}
