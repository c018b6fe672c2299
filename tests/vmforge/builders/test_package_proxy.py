"""The package cache as a build has it: its URL for the guest, and what is said of it at the end."""

from __future__ import annotations

import urllib.error
import urllib.request
from dataclasses import replace
from pathlib import Path

import pytest

from vmforge.builders.package_proxy import ServedPackages, summary
from vmforge.cache import Store
from vmforge.package_cache import PackageCache
from vmforge.sdk import PackageCounts
from vmforge.sdk.network import Mirrors, Network
from vmforge.sdk.testing import RecordingUi, fake_context

MIRROR = "http://mirror.test"


def fetch(proxy: str, url: str) -> bytes:
    """As the guest does, which calls this machine's loopback address 10.0.2.2."""
    handler = urllib.request.ProxyHandler({"http": proxy.replace("10.0.2.2", "127.0.0.1")})
    with urllib.request.build_opener(handler).open(url, timeout=30) as answer:
        body: bytes = answer.read()
        return body


def test_a_build_is_told_what_the_cache_saved(tmp_path: Path) -> None:
    (tmp_path / "mirror").mkdir()
    (tmp_path / "mirror" / "a.deb").write_bytes(bytes(2048))
    mirrors = Mirrors.of([(f"{MIRROR}/", f"file://{tmp_path}/mirror/")])
    ui, network = RecordingUi(), Network(offline=True, mirrors=mirrors)
    with PackageCache(Store(tmp_path / "cache"), network=network) as packages:
        context = fake_context(tmp_path, ui=ui, packages=packages)
        with ServedPackages(context, "127.0.0.1", "10.0.2.2") as proxy:
            assert proxy.startswith("http://10.0.2.2:")
            assert fetch(proxy, f"{MIRROR}/a.deb") == bytes(2048)
            with pytest.raises(urllib.error.HTTPError, match="504"):
                fetch(proxy, "http://elsewhere.test/b.deb")
        # the finished image, booted once more for its tests, is part of the same build
        with ServedPackages(replace(context, throwaway=True), "127.0.0.1", "10.0.2.2"):
            pass
        assert packages.shelf.used_by(f"{tmp_path}: qemu.base") == (f"{MIRROR}/a.deb",)
    assert ui.texts("message") == [
        "package cache: 1 of 1 files were kept from before; 2.0 KiB sent to the guest; "
        "0 B of it from mirrors; 1 not answered"
    ]
    assert ui.texts("warn") == ["offline, and not in the package cache: http://elsewhere.test/b.deb"]
    assert {"package-cache,requests,2", "package-cache,hits,1", "package-cache,served,2048"} <= set(
        ui.texts("machine")
    )


def test_without_a_package_cache_there_is_no_proxy(tmp_path: Path) -> None:
    ui = RecordingUi()
    with ServedPackages(fake_context(tmp_path, ui=ui), "127.0.0.1", "10.0.2.2") as proxy:
        assert proxy == ""
    assert ui.events == []


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        (PackageCounts(), "the guest asked it for nothing"),
        (PackageCounts(requests=1, hits=1, stale=1), "1 without asking a mirror"),
        (PackageCounts(requests=1, tunnels=2, tunnelled=4096), "4.0 KiB more in 2 tunnels"),
    ],
)
def test_the_line_for_people(counts: PackageCounts, words: str) -> None:
    assert words in summary(counts)
