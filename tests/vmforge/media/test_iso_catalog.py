"""Media in the store: put there, told apart, held, and deleted."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from vmforge.cache import Store
from vmforge.cache.in_use import discard_unused, hold_object, is_in_use
from vmforge.errors import DownloadError, Interrupted, VmforgeError
from vmforge.media.checksum import Algorithm, Checksum
from vmforge.media.iso import write_iso
from vmforge.media.iso_adding import add_file
from vmforge.media.iso_catalog import IsoCatalog
from vmforge.sdk.cancellation import Cancellation
from vmforge.sdk.network import Network

URL = "https://images.example.com/debian.iso"
OFFLINE = Network(offline=True)


@pytest.fixture
def debian(tmp_path: Path) -> Path:
    path = tmp_path / "debian.iso"
    write_iso(path, {"a": b"x" * 100_000}, "Debian 12.5.0 amd64 n")
    return path


@pytest.fixture
def catalog(bench) -> IsoCatalog:
    return IsoCatalog(bench.store)


def add(store: Store, path: Path, stated: Checksum | None = None, url: str = "", **more) -> str:
    return add_file(store, path, stated, url=url, cancellation=Cancellation(), **more)


def digest_of(path: Path, algorithm: str = "sha256") -> str:
    return hashlib.new(algorithm, path.read_bytes()).hexdigest()


# -- adding -------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", [0o644, 0o666])
def test_an_added_file_is_found_by_its_url_and_its_checksums(mode, bench, debian):
    """Linked or copied: others may write to the second one."""
    debian.chmod(mode)
    stated = Checksum(Algorithm.SHA512, digest_of(debian, "sha512"))
    counted: list[int] = []
    digest = add(bench.store, debian, stated, URL, on_bytes=counted.append)
    assert (digest, sum(counted)) == (digest_of(debian), debian.stat().st_size)
    for checksum in ("none", f"sha256:{digest}", str(stated)):
        found = bench.get(URL, checksum=checksum, network=OFFLINE)
        assert (found.path, found.from_cache) == (bench.store.path_of(digest, "iso"), True)
    assert debian.exists()
    assert bench.staged() == []


def test_the_url_is_not_asked_for_a_newer_version(bench, mirror, content):
    """The user said that this is the file; nobody is to be surprised by another one."""
    local = bench.base / "x.iso"
    local.write_bytes(content)
    add(bench.store, local, url=mirror.url)
    assert bench.get(mirror.url).from_cache
    assert mirror.asked == []


def test_a_file_that_is_not_what_is_stated_is_not_kept(bench, debian):
    with pytest.raises(DownloadError, match=f"its sha256 is {digest_of(debian)}, expected 0000"):
        add(bench.store, debian, Checksum(Algorithm.SHA256, "0" * 64), URL)

    def refuse(path: Path) -> None:
        raise DownloadError("nobody signed it")

    with pytest.raises(DownloadError, match="nobody signed it"):
        add(bench.store, debian, accept=refuse)
    assert list((bench.store.root / "objects").iterdir()) == []
    assert bench.store.bound(f"url:{URL}") is None


def test_a_file_may_be_added_again(bench, debian):
    assert add(bench.store, debian) == add(bench.store, debian, url=URL)
    assert [item.digest for item in bench.store.objects()] == [digest_of(debian)]


def test_what_cannot_be_added(bench, tmp_path, debian):
    with pytest.raises(DownloadError, match="cannot be read: no such file"):
        add(bench.store, tmp_path / "missing.iso")
    with pytest.raises(DownloadError, match="cannot be read: is a directory"):
        add(bench.store, tmp_path)
    cancelled = Cancellation()
    cancelled.cancel()
    with pytest.raises(Interrupted):
        add_file(bench.store, debian, None, url="", cancellation=cancelled)
    assert list((bench.store.root / "objects").iterdir()) == []


def test_a_link_is_followed(bench, debian, tmp_path):
    (tmp_path / "latest.iso").symlink_to(debian)
    digest = add(bench.store, tmp_path / "latest.iso")
    assert not bench.store.path_of(digest, "iso").is_symlink()


# -- listing ------------------------------------------------------------------------------------


def test_what_builds_fetched_is_listed_too(bench, catalog, mirror, debian, sha256):
    add(bench.store, debian, url=URL)
    (mirror.folder / "SUMS").write_text(f"{sha256} x.iso\n")
    bench.get(mirror.url, checksum=f"file:{mirror.server.url}/SUMS", extension="img")
    os.utime(bench.store.path_of(sha256, "img"))
    bench.store.commit(_staged(bench.store, b"a package"), "f" * 64, "package")
    unknown, known = sorted(catalog.entries(), key=lambda entry: entry.identity.known)
    assert (known.identity.title, known.label, known.urls) == (
        "Debian 12.5 amd64 netinst",
        "Debian 12.5.0 amd64 n",
        (URL,),
    )
    assert (unknown.digest, unknown.identity.title, unknown.label) == (sha256, "unknown", "")
    assert unknown.urls == (mirror.url,)


def _staged(store: Store, data: bytes) -> Path:
    store.staged("test").write_bytes(data)
    return store.staged("test")


def test_what_an_image_is_is_looked_into_once(bench, catalog, debian):
    digest = add(bench.store, debian)
    (before,) = catalog.entries()
    bench.store.path_of(digest, "iso").unlink()
    bench.store.path_of(digest, "iso").write_bytes(b"no image at all")
    (after,) = catalog.entries()
    assert (after.identity, after.label) == (before.identity, before.label)


def test_media_are_chosen_by_digest_or_url(bench, catalog, debian, tmp_path):
    other = tmp_path / "other.iso"
    write_iso(other, {}, "x")
    digest, second = add(bench.store, debian, url=URL), add(bench.store, other)
    for wanted in (digest, digest[:8].upper(), f"sha256:{digest}", URL):
        assert [entry.digest for entry in catalog.chosen([wanted, wanted])] == [digest]
    assert {entry.digest for entry in catalog.chosen([digest, second])} == {digest, second}
    with pytest.raises(VmforgeError, match="the cache has no ISO `ffff`"):
        catalog.chosen(["ffff"])
    with pytest.raises(VmforgeError, match="the cache has no ISO"):
        catalog.chosen([digest[:3]])


# -- holding and deleting -----------------------------------------------------------------------


def test_a_held_medium_is_not_deleted(bench, catalog, debian):
    digest = add(bench.store, debian, url=URL)
    (entry,) = catalog.entries()
    hold = hold_object(bench.store, entry.item.path)
    assert hold is not None
    assert catalog.in_use(entry)
    assert not catalog.remove(entry)
    assert catalog.prune(0, unused_since=0, rehearse=False) == []
    assert catalog.prune(0, unused_since=0, rehearse=True) == []
    hold.close()
    assert not catalog.in_use(entry)
    assert [gone.digest for gone in catalog.prune(0, unused_since=0, rehearse=True)] == [digest]
    assert catalog.remove(entry)
    assert list((bench.store.root / "objects").iterdir()) == []
    assert list(bench.store.bindings("")) == []


def test_what_is_gone_cannot_be_held(bench, debian):
    path = bench.store.path_of(add(bench.store, debian), "iso")
    assert not is_in_use(bench.store, path)
    assert discard_unused(bench.store, path)
    assert hold_object(bench.store, path) is None


def test_prune_takes_the_longest_unused_first(bench, catalog, tmp_path):
    digests = []
    for number in range(3):
        path = tmp_path / f"{number}.iso"
        write_iso(path, {"a": bytes(number + 1)}, f"n{number}")
        digests.append(add(bench.store, path))
    first, second, third = catalog.entries()
    assert [entry.digest for entry in (first, second, third)] == digests
    pruned = catalog.prune(third.item.size, unused_since=0, rehearse=True)
    assert [entry.digest for entry in pruned] == digests[:2]
    since = second.item.last_used
    assert [entry.digest for entry in catalog.prune(1 << 60, unused_since=since, rehearse=False)] == digests[
        :1
    ]
    assert [entry.digest for entry in catalog.entries()] == digests[1:]


def test_damage_is_noticed_although_the_times_are_as_they_were(bench, catalog, debian):
    debian.chmod(0o666)  # a copy
    path = bench.store.path_of(add(bench.store, debian), "iso")
    (entry,) = catalog.entries()
    counted: list[int] = []
    assert catalog.is_whole(entry, counted.append)
    assert sum(counted) == entry.item.size
    status = path.stat()
    with path.open("r+b") as file:
        file.seek(5000)
        file.write(b"!")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert not catalog.is_whole(entry, counted.append)
