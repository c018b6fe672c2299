from __future__ import annotations

import hashlib
import io
from pathlib import Path

import pytest

from vmforge.bundles import write_bundle
from vmforge.bundles.collecting import Collection
from vmforge.bundles.packages import add_packages
from vmforge.cache import Store
from vmforge.package_cache import PackageShelf

DEB = "http://mirror.example/pool/h/hello.deb"
OTHER = "http://mirror.example/pool/o/other.deb"
ABSENT = "http://mirror.example/dists/stable/InRelease"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path / "cache")
    shelf = PackageShelf(store)
    for url in (DEB, OTHER):
        shelf.add(url, io.BytesIO(url.encode()), {"Content-Type": "application/x-deb"})
    shelf.note_absent(ABSENT)
    shelf.note_used("a build", [DEB, ABSENT])
    return store


def bundled(store: Store, folder: Path, used_by: str | None) -> tuple[int, set[str], set[str]]:
    """How many URLs were added, the digests of the objects, and the keys of the index."""
    collection = Collection(folder, store.digests)
    count = add_packages(collection, store, used_by)
    manifest = collection.manifest()
    return count, {one.sha256 for one in manifest.objects}, {one.key for one in manifest.bindings}


def digest(url: str) -> str:
    return hashlib.sha256(url.encode()).hexdigest()


def test_a_bundle_has_what_a_build_was_given_and_what_it_asked_for_in_vain(
    store: Store, tmp_path: Path
) -> None:
    keys = {f"package:{DEB}", f"no package:{ABSENT}"}
    assert bundled(store, tmp_path, "a build") == (1, {digest(DEB)}, keys)
    assert bundled(store, tmp_path, "another build") == (0, set(), set())


def test_a_bundle_has_all_that_is_kept(store: Store, tmp_path: Path) -> None:
    keys = {f"package:{DEB}", f"package:{OTHER}", f"no package:{ABSENT}"}
    assert bundled(store, tmp_path, None) == (2, {digest(DEB), digest(OTHER)}, keys)


def test_a_body_that_is_gone_is_left_out(store: Store, tmp_path: Path) -> None:
    store.path_of(digest(DEB), "package").unlink()
    assert bundled(store, tmp_path, "a build") == (0, set(), {f"no package:{ABSENT}"})


def test_what_was_asked_for_in_vain_is_known_where_a_bundle_is_imported(workshop) -> None:
    here, there = PackageShelf(workshop.here), PackageShelf(workshop.there)
    kept = here.add(DEB, io.BytesIO(DEB.encode()), {"Content-Type": "application/x-deb"})
    here.note_absent(ABSENT)
    collection, path = workshop.collection(), workshop.folder / "packages.vmb"
    add_packages(collection, workshop.here)
    write_bundle(path, collection.manifest(), collection.sources, workshop.signer)
    workshop.take_in(path)
    assert there.find(DEB) == kept and there.was_absent(ABSENT)
