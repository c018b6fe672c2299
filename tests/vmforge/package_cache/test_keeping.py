"""What is kept, for how long, and when the mirror is asked."""

from __future__ import annotations

import hashlib
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from vmforge.cache import Store
from vmforge.package_cache import KIND, PackageShelf
from vmforge.package_cache import cache as cache_module
from vmforge.package_cache.proxy import Proxy
from vmforge.sdk.network import Mirrors
from vmforge.sdk.packages import PackageCounts

MIRROR, TAGGED = "http://mirror.test", {"ETag": '"1"'}
DEB = "/debian/pool/main/h/hello/hello_2.10-3_amd64.deb"
INDEX = "/debian/dists/bookworm/InRelease"


@pytest.fixture
def shelf(tmp_path: Path) -> PackageShelf:
    return PackageShelf(Store(tmp_path / "cache"))


def parts(tmp_path: Path) -> list[Path]:
    return list((tmp_path / "cache" / "objects").glob("*.part*"))


def test_a_package_is_fetched_once(ask: Any, start: Any, mirror: Any) -> None:
    mirror.pages[DEB] = mirror.page(b"package" * 1000)
    first, proxy = ask(start(), DEB), start()
    second = ask(proxy, DEB)
    assert first.body == second.body == b"package" * 1000
    assert (first.headers["X-Cache"], second.headers["X-Cache"]) == ("MISS", "HIT")
    assert mirror.asked == [f"GET {DEB}"]
    proxy.__exit__(None, None, None)
    assert proxy.counts() == PackageCounts(requests=1, hits=1, served=7000)


def test_names_written_differently_are_one(ask: Any, proxy: Proxy, mirror: Any) -> None:
    path = "/pool/main/g/gcc/libstdc++6_12~1_amd64.deb"
    mirror.pages[path] = mirror.page(b"library")
    ask(proxy, path)
    assert ask(proxy, path.replace("+", "%2b").replace("~", "%7E")).headers["X-Cache"] == "HIT"


def test_the_same_content_under_two_urls_is_one_object(
    ask: Any, proxy: Proxy, mirror: Any, shelf: PackageShelf
) -> None:
    for path in (DEB, "/other" + DEB):
        mirror.pages[path] = mirror.page(b"package")
        ask(proxy, path)
    assert [item.digest for item in shelf.objects()] == [hashlib.sha256(b"package").hexdigest()]
    assert {kept.url for kept in shelf.entries()} == {MIRROR + DEB, MIRROR + "/other" + DEB}


@pytest.mark.parametrize(
    "validator", [TAGGED, {"Last-Modified": "Sat, 17 May 2025 08:00:00 GMT"}], ids=["tag", "date"]
)
def test_an_index_is_asked_about_and_not_sent_again(
    ask: Any, start: Any, mirror: Any, validator: dict[str, str]
) -> None:
    proxy = start()
    mirror.pages[INDEX] = mirror.page(b"old", validator)
    ask(proxy, INDEX)
    again = ask(proxy, INDEX)
    assert (again.status, again.body, again.headers["X-Cache"]) == (200, b"old", "REVALIDATED")
    proxy.__exit__(None, None, None)
    assert proxy.counts() == PackageCounts(
        requests=2, hits=1, misses=1, revalidated=1, from_mirrors=3, served=6
    )
    proxy, another = start(), {name: value.replace("1", "2") for name, value in validator.items()}
    mirror.pages[INDEX] = mirror.page(b"newer", another)
    assert ask(proxy, INDEX).body == b"newer"
    assert ask(proxy, INDEX).headers["X-Cache"] == "REVALIDATED"


def test_an_index_that_cannot_be_asked_about_is_fresh_for_an_hour(
    ask: Any, proxy: Proxy, mirror: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirror.pages[INDEX] = mirror.page(b"old")
    ask(proxy, INDEX)
    mirror.pages[INDEX] = mirror.page(b"new")
    assert ask(proxy, INDEX).body == b"old"
    monkeypatch.setattr(cache_module, "FRESH_SECONDS", 0.0)
    assert ask(proxy, INDEX).body == b"new"


@pytest.mark.parametrize("header", [("Cache-Control", "max-age=0, No-Cache"), ("Pragma", "no-cache")])
def test_a_client_that_distrusts_the_cache_gets_it_from_the_mirror(
    ask: Any, proxy: Proxy, mirror: Any, header: tuple[str, str]
) -> None:
    mirror.pages[DEB] = mirror.page(b"damaged by the mirror")
    ask(proxy, DEB)
    mirror.pages[DEB] = mirror.page(b"mended")
    assert ask(proxy, DEB, dict([header])).body == b"mended"
    assert ask(proxy, DEB).body == b"mended"


def test_a_damaged_object_is_fetched_again(ask: Any, proxy: Proxy, mirror: Any, shelf: PackageShelf) -> None:
    mirror.pages[DEB] = mirror.page(b"package")
    ask(proxy, DEB)
    shelf.objects()[0].path.write_bytes(b"pickage")
    assert ask(proxy, DEB).body == b"package"


@pytest.mark.parametrize(
    "page",
    [
        {"body": b"secret", "headers": {"Cache-Control": "private"}},
        {"body": b"secret", "headers": {"Cache-Control": "no-store, max-age=9"}},
        {"body": b"secret", "headers": {"Set-Cookie": "a=b"}},
        {"body": b"depends", "headers": {"Vary": "*"}},
        {"body": b"not there", "status": 404},
        {"body": b"broken", "status": 500},
    ],
    ids=["private", "no-store", "cookie", "vary", "404", "500"],
)
def test_what_is_not_to_be_kept(
    ask: Any, proxy: Proxy, mirror: Any, shelf: PackageShelf, page: dict[str, Any], tmp_path: Path
) -> None:
    mirror.pages[DEB] = mirror.page(**page)
    for _ in range(2):
        answer = ask(proxy, DEB)
        assert (answer.status, answer.body) == (page.get("status", 200), page["body"])
    assert len(mirror.requests) == 2
    assert not list(shelf.entries()) and not shelf.objects() and not parts(tmp_path)


@pytest.mark.parametrize("header", ["Authorization", "Cookie"])
def test_an_answer_for_one_client_alone_is_not_kept(
    ask: Any, proxy: Proxy, mirror: Any, shelf: PackageShelf, header: str
) -> None:
    mirror.pages[DEB] = mirror.page(b"licensed")
    assert ask(proxy, DEB, {header: "Basic eDp5", "Range": "bytes=2-"}).body == b"censed"
    assert mirror.requests[0][2][header] == "Basic eDp5"
    assert not list(shelf.entries())


def test_content_that_is_not_what_its_name_says_is_passed_on_and_not_kept(
    ask: Any, proxy: Proxy, mirror: Any, shelf: PackageShelf
) -> None:
    good = f"/dists/x/by-hash/SHA256/{hashlib.sha256(b'index').hexdigest()}"
    bad = f"/dists/x/by-hash/SHA256/{'0' * 64}"
    mirror.pages |= {good: mirror.page(b"index"), bad: mirror.page(b"index")}
    assert ask(proxy, bad).body == ask(proxy, good).body == b"index"
    assert [kept.url for kept in shelf.entries()] == [MIRROR + good]


def test_offline_everything_comes_from_the_cache(ask: Any, start: Any, mirror: Any) -> None:
    mirror.pages |= {DEB: mirror.page(b"package"), INDEX: mirror.page(b"index", TAGGED)}
    for path in (DEB, INDEX, "/Release.gpg"):
        ask(start(), path)
    del mirror.requests[:]
    proxy = start(reaches=False, offline=True)
    assert ask(proxy, INDEX, {"Cache-Control": "no-cache"}).body == b"index"
    assert ask(proxy, DEB).body == b"package"
    assert ask(proxy, "/Release.gpg").status == 404
    missing = ask(proxy, "/never/seen")
    assert missing.status == 504
    assert "offline" in missing.body.decode() and f"{MIRROR}/never/seen" in missing.body.decode()
    assert proxy.missing() == (f"{MIRROR}/never/seen",)
    assert [url for item in proxy.cache.network.missing for url in item.urls] == [f"{MIRROR}/never/seen"]
    assert not mirror.requests


def test_offline_a_mirror_on_this_machine_is_asked_but_leads_nowhere_else(
    ask: Any, start: Any, mirror: Any
) -> None:
    proxy = start(offline=True)
    mirror.pages |= {
        DEB: mirror.page(b"package"),
        "/away": mirror.page(status=302, headers={"Location": "http://x.test/"}),
    }
    assert ask(proxy, DEB).body == b"package"
    assert ask(proxy, "/away").status == 504
    assert proxy.missing() == (f"{MIRROR}/away",)


def test_a_mirror_that_cannot_be_reached_is_done_without(ask: Any, start: Any, mirror: Any) -> None:
    mirror.pages[INDEX] = mirror.page(b"index", TAGGED)
    ask(start(), INDEX)
    dead = Mirrors.of([(f"{MIRROR}/", "http://127.0.0.1:9/")])
    proxy = start(reaches=False, mirrors=dead)
    assert ask(proxy, INDEX).headers["X-Cache"] == "STALE"
    assert ask(proxy, DEB).status == 502
    assert proxy.counts().stale == 1
    mirror.pages[INDEX] = mirror.page(b"oops", status=503)
    assert ask(start(), INDEX).body == b"index"


def test_a_mirror_can_be_a_folder(ask: Any, start: Any, tmp_path: Path, shelf: PackageShelf) -> None:
    (tmp_path / "disc" / "pool").mkdir(parents=True)
    (tmp_path / "disc" / "pool" / "a.deb").write_bytes(b"from disc")
    mirrors = Mirrors.of([(f"{MIRROR}/", f"file://{tmp_path}/disc/")])
    proxy = start(reaches=False, offline=True, mirrors=mirrors)
    assert ask(proxy, "/pool/a.deb", {"Range": "bytes=5-"}).body == b"disc"
    assert ask(proxy, "/pool/b.deb").status == ask(proxy, "/pool").status == 404
    assert not shelf.objects()


# -- the shelf ---------------------------------------------------------------------------------


def test_what_a_build_used_is_remembered(ask: Any, start: Any, mirror: Any, shelf: PackageShelf) -> None:
    mirror.pages |= {DEB: mirror.page(b"package"), INDEX: mirror.page(b"index", TAGGED)}
    proxy = start()
    for path in (DEB, INDEX, "/missing"):
        ask(proxy, path)
    proxy.__exit__(None, None, None)
    asked = (MIRROR + INDEX, MIRROR + DEB, MIRROR + "/missing")
    assert shelf.used_by("a build") == asked
    proxy = start(reaches=False, offline=True)
    for path in (DEB, INDEX, "/missing"):
        ask(proxy, path)
    proxy.__exit__(None, None, None)
    assert shelf.used_by("a build") == asked
    assert shelf.used_by("another") == ()


def test_a_build_that_went_on_was_given_what_it_began_with_too(
    ask: Any, proxy: Proxy, mirror: Any, shelf: PackageShelf
) -> None:
    """From a layer, say. One that failed may have come less far than the one before it."""
    first, second, third = (f"/pool/p_{number}_all.deb" for number in range(3))
    mirror.pages |= {path: mirror.page(b"package") for path in (first, second, third)}
    serve = partial(proxy.cache.serve, "127.0.0.1", used_by="another")
    with serve() as began:
        ask(began, first)
    with serve(goes_on=True) as went_on:
        ask(went_on, second)
    with pytest.raises(ZeroDivisionError), serve() as failed:
        ask(failed, third)
        raise ZeroDivisionError
    assert shelf.used_by("another") == (MIRROR + first, MIRROR + second, MIRROR + third)
    with serve() as began:
        ask(began, second)
    assert shelf.used_by("another") == (MIRROR + second,)


def test_the_longest_unused_goes_first(ask: Any, proxy: Proxy, mirror: Any, shelf: PackageShelf) -> None:
    paths = [f"/pool/p_{number}_all.deb" for number in range(3)]
    for number, path in enumerate(paths):
        mirror.pages[path] = mirror.page(b"%d" % number * 100)
        ask(proxy, path)
    ask(proxy, paths[0])
    assert [item.size for item in shelf.prune(250, rehearse=True)] == [100]
    assert len(shelf.objects()) == 3
    assert [item.origin for item in shelf.prune(250)] == [MIRROR + paths[1]]
    assert {kept.url for kept in shelf.entries()} == {MIRROR + paths[0], MIRROR + paths[2]}
    assert len(shelf.prune(1000, unused_since=2**40)) == 2
    assert ask(proxy, paths[0]).headers["X-Cache"] == "MISS"


def test_what_a_bundle_brings_is_served(ask: Any, start: Any, shelf: PackageShelf, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"brought")
    with (tmp_path / "file").open("rb") as source:
        kept = shelf.add(MIRROR + INDEX, source, {"Content-Type": "text/plain"}, fetched=5.0)
    assert shelf.find(MIRROR + INDEX) == kept and kept.fetched == 5.0
    answer = ask(start(reaches=False, offline=True), INDEX)
    assert (answer.body, answer.headers["Content-Type"]) == (b"brought", "text/plain")
    assert [item.extension for item in shelf.objects()] == [KIND]


def test_a_running_fetch_is_not_swept(shelf: PackageShelf) -> None:
    staged = shelf.stage()
    shelf.sweep()
    assert staged.path.exists()
    staged.file.close()  # as when its process is killed
    shelf.sweep()
    assert not staged.path.exists()


def test_what_a_mirror_lacked_and_has_now(ask: Any, start: Any, mirror: Any, shelf: PackageShelf) -> None:
    ask(start(), INDEX)
    assert list(shelf.absent()) == [MIRROR + INDEX]
    mirror.pages[INDEX] = mirror.page(b"index")
    ask(start(), INDEX)
    assert not list(shelf.absent())
    assert ask(start(reaches=False, offline=True), INDEX).body == b"index"
