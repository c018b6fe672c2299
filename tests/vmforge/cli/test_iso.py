"""`vmforge iso`: ISOs put into the cache, listed, checked, deleted, looked into."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pysequoia
import pytest

from http_server import Request, Server
from vmforge.cache import Store
from vmforge.cache.in_use import hold_object
from vmforge.media.iso import write_iso
from vmforge.media.iso_source import retrieve
from vmforge.sdk.cancellation import Cancellation
from vmforge.sdk.network import Network
from vmforge.sdk.testing import RecordingUi

URL = "https://cdimage.example.com/debian-12.5.0-amd64-netinst.iso"


@dataclass
class Bench:
    """A folder with two ISOs, a cache, a server of that folder, and a publisher who signs."""

    folder: Path
    cache: Path
    vmforge: Callable[..., Any]
    server: Server
    asked: list[Request] = field(default_factory=list)
    key: Any = field(default_factory=lambda: pysequoia.Tsk.generate("Images <images@example.com>"))

    @property
    def debian(self) -> Path:
        return self.folder / "debian.iso"

    @property
    def other(self) -> Path:
        return self.folder / "other.iso"

    @property
    def keyring(self) -> Path:
        path = self.folder / "images.asc"
        path.write_text(str(self.key.extract_certificate()))
        return path

    def sign(self, path: Path) -> Path:
        """A detached signature of a file, beside it."""
        mode = pysequoia.SignatureMode.DETACHED
        signature = pysequoia.sign(self.key.signer(), path.read_bytes(), mode=mode)
        path.with_name(f"{path.name}.asc").write_bytes(signature)
        return path.with_name(f"{path.name}.asc")

    def sums(self, *paths: Path) -> Path:
        path = self.folder / "SHA256SUMS"
        path.write_text("".join(f"{digest_of(one)}  {one.name}\n" for one in paths))
        return path

    def listed(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.vmforge("iso", "list", "--json").out)
        return found

    def shown(self, text: str) -> str:
        """What was printed, without what differs from run to run."""
        for path, name in ((self.cache, "CACHE"), (self.folder, "FOLDER")):
            text = text.replace(str(path), name)
        for place, name in ((self.debian, "DEBIAN"), (self.other, "OTHER")):
            text = text.replace(digest_of(place), name).replace(digest_of(place)[:12], f"{name[:4]}-ID")
        text = re.sub(r"\b\d+s\b", "0s", text)
        return re.sub(r"127\.0\.0\.1:\d+", "HOST", text)


def digest_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def bench(vmforge: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    folder = tmp_path / "isos"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("VMFORGE_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "settings"))
    asked: list[Request] = []
    with Server(folder, on_request=asked.append) as server:
        made = Bench(folder, tmp_path / "cache", vmforge, server, asked)
        info = b'Debian GNU/Linux 12.5.0 "Bookworm" - Official amd64 NETINST with firmware 20240210-11:27\n'
        kernel = {"install.amd/vmlinuz": b"k" * 50_000, "install.amd/initrd.gz": b"i"}
        write_iso(made.debian, {".disk/info": info, **kernel}, "Debian 12.5.0 amd64 n")
        write_iso(made.other, {"hello": b"x"}, "MINE")
        # as if made by somebody else: copied, not linked
        made.debian.chmod(0o666)
        made.other.chmod(0o666)
        yield made


# -- add ----------------------------------------------------------------------------------------


def test_add_says_what_it_is(bench, golden):
    done = bench.vmforge("iso", "add", "debian.iso", "--url", URL, "--checksum", digest_of(bench.debian))
    assert done.status == 0
    golden("iso/add.txt", re.sub(r"\d+\.\d KiB", "SIZE", bench.shown(done.text)))


def test_a_build_finds_it_offline(bench):
    bench.sums(bench.debian)
    listed = f"file:{bench.server.url}/SHA256SUMS".replace("127.0.0.1", "localhost")
    flags = ("--checksum", listed)
    url = "https://cdimage.example.com/debian.iso"
    assert bench.vmforge("iso", "add", "debian.iso", "--url", url, *flags).status == 0
    for checksum in ("none", digest_of(bench.debian), listed):
        found = retrieve(
            [url],
            checksum,
            store=Store(bench.cache),
            ui=RecordingUi(),
            cancellation=Cancellation(),
            base_dir=bench.folder,
            network=Network(offline=True),
        )
        assert (found.digest, found.from_cache) == (digest_of(bench.debian), True)


def test_add_checks_a_signed_list(bench):
    sums = bench.sums(bench.other, bench.debian)
    signature, keys = bench.sign(sums), str(bench.keyring)
    flags = ("--sums", "SHA256SUMS", "--signature", signature.name, "--keyring", keys)
    done = bench.vmforge("iso", "add", "debian.iso", *flags)
    assert done.status == 0
    assert "`SHA256SUMS` is signed by Images <images@example.com>" in done.out
    sums.write_text(sums.read_text().replace(digest_of(bench.other), "0" * 64))
    refused = bench.vmforge("iso", "add", "other.iso", *flags)
    assert refused.status == 1
    assert "`SHA256SUMS`" in refused.err
    assert len(bench.listed()) == 1


def test_add_checks_the_isos_own_signature(bench):
    signature, keys = bench.sign(bench.debian), str(bench.keyring)
    flags = ("--signature", signature.name, "--keyring", keys)
    assert "signed by    Images" in bench.vmforge("iso", "add", "debian.iso", *flags).out
    assert bench.vmforge("iso", "add", "other.iso", *flags).status == 1
    assert bench.vmforge("iso", "add", f"{bench.server.url}/other.iso", *flags).status == 1
    assert [entry["system"] for entry in bench.listed()] == ["debian"]


def test_add_warns_of_what_is_no_iso(bench):
    (bench.folder / "page.iso").write_text("<html>404</html>")
    done = bench.vmforge("iso", "add", "page.iso")
    assert (done.status, done.out.splitlines()[0]) == (0, "unknown")
    assert done.err.startswith("warning: this is no ISO image")


def test_add_fetches_a_url_once(bench):
    url = f"{bench.server.url}/debian.iso"
    bench.sums(bench.debian)
    done = bench.vmforge("iso", "add", url, "--sums", f"{bench.server.url}/SHA256SUMS")
    assert "Debian 12.5 amd64 netinst" in done.out
    again = bench.vmforge("iso", "add", url, "--checksum", digest_of(bench.debian))
    assert "already fetched" in again.out
    assert [request.path for request in bench.asked] == ["/SHA256SUMS", "/debian.iso"]
    assert bench.listed()[0]["urls"] == [url]


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (("missing.iso",), 1, "cannot be read: no such file or directory"),
        (("debian.iso", "--checksum", "0" * 64), 1, "is not the file that the checksum states"),
        (("debian.iso", "--checksum", "sha3:0"), 1, "is not a checksum"),
        (("debian.iso", "--checksum", "0" * 64, "--sums", "x"), 2, "are both given"),
        (("debian.iso", "--signature", "x"), 2, "says nothing without the publisher's keys"),
        (("debian.iso", "--keyring", "x"), 2, "and nothing that is signed"),
        (("http://127.0.0.1:9/x.iso", "--url", URL), 2, "`-url` is for files"),
        (("debian.iso", "--sums", "missing"), 1, "the list of checksums `FOLDER/missing` cannot be read"),
    ],
)
def test_what_cannot_be_added(arguments, status, message, bench):
    done = bench.vmforge("iso", "add", *arguments)
    assert done.status == status
    assert message in bench.shown(done.err)
    assert bench.listed() == []


# -- list ---------------------------------------------------------------------------------------


def test_list(bench, golden):
    empty = bench.vmforge("iso", "list").text
    bench.vmforge("iso", "add", "other.iso")
    bench.vmforge("iso", "add", "debian.iso", "--url", URL)
    bench.vmforge(
        "iso", "add", "debian.iso", "--url", "https://user:secret@mirror.example.com/d.iso?key=secret"
    )
    full = bench.vmforge("iso", "list").text
    golden("iso/list.txt", bench.shown(empty + full))
    assert "secret" not in full
    assert "secret" not in str(bench.listed())


def test_list_as_json(bench):
    bench.vmforge("iso", "add", "debian.iso", "--url", URL)
    (entry,) = bench.listed()
    assert Path(entry.pop("file")).read_bytes() == bench.debian.read_bytes()
    assert entry.pop("last_used") > 0
    assert entry == {
        "sha256": digest_of(bench.debian),
        "system": "debian",
        "title": "Debian 12.5 amd64 netinst",
        "version": "12.5",
        "codename": "bookworm",
        "arch": "x86_64",
        "variant": "netinst",
        "editions": [],
        "label": "Debian 12.5.0 amd64 n",
        "boot_config": "debian-12",
        "size": bench.debian.stat().st_size,
        "urls": [URL],
        "in_use": False,
    }


# -- verify -------------------------------------------------------------------------------------


def damage(bench: Bench, path: Path) -> None:
    """Change a byte of what the cache keeps of a file, and leave its times as they are."""
    kept = Store(bench.cache).path_of(digest_of(path), "iso")
    status = kept.stat()
    with kept.open("r+b") as file:
        file.seek(40_000)
        file.write(b"!")
    os.utime(kept, ns=(status.st_atime_ns, status.st_mtime_ns))


def test_verify_reports_damage_and_deletes_only_when_told(bench, golden):
    bench.vmforge("iso", "add", "debian.iso")
    bench.vmforge("iso", "add", "other.iso")
    good = bench.vmforge("iso", "verify")
    damage(bench, bench.debian)
    found = bench.vmforge("iso", "verify", "all")
    assert len(bench.listed()) == 2
    removed = bench.vmforge("iso", "verify", "--remove")
    golden("iso/verify.txt", bench.shown(good.text + found.text + removed.text))
    assert [entry["label"] for entry in bench.listed()] == ["MINE"]


def test_verify_against_a_list(bench):
    bench.vmforge("iso", "add", "debian.iso", "--url", f"{bench.server.url}/debian.iso")
    bench.vmforge("iso", "add", "other.iso", "--url", f"{bench.server.url}/other.iso")
    sums = bench.sums(bench.debian)
    flags = ("--sums", str(sums), "--signature", str(bench.sign(sums)), "--keyring", str(bench.keyring))
    everything = bench.vmforge("iso", "verify", *flags)
    assert (everything.status, everything.out.count("ok ")) == (0, 2)
    named = bench.vmforge("iso", "verify", digest_of(bench.other)[:12], *flags, "--remove")
    assert (named.status, "the list does not have it" in named.out) == (1, True)
    sums.write_text(sums.read_text().replace(digest_of(bench.debian), "0" * 64))
    bench.sign(sums)
    other = bench.vmforge("iso", "verify", *flags, "--remove")
    assert (other.status, "refused" in other.out) == (1, True)
    assert len(bench.listed()) == 2  # whole, and so not deleted


def test_verify_the_signature_of_an_iso(bench):
    bench.vmforge("iso", "add", "debian.iso")
    bench.vmforge("iso", "add", "other.iso")
    flags = ("--signature", str(bench.sign(bench.debian)), "--keyring", str(bench.keyring))
    assert bench.vmforge("iso", "verify", digest_of(bench.debian)[:8], *flags).status == 0
    assert bench.vmforge("iso", "verify", digest_of(bench.other)[:8], *flags).status == 1


# -- prune --------------------------------------------------------------------------------------


def test_prune(bench):
    bench.vmforge("iso", "add", "other.iso")
    bench.vmforge("iso", "add", "debian.iso")
    rehearsed = bench.vmforge("iso", "prune", "-n", "--older-than", "0s")
    assert rehearsed.out.count("would delete") == 2
    assert "deleted" not in bench.vmforge("iso", "prune", "--older-than", "30d").out
    kept = bench.vmforge("iso", "prune", "--keep-size", str(bench.debian.stat().st_size))
    assert f"deleted {digest_of(bench.other)[:12]}" in kept.out
    assert [entry["system"] for entry in bench.listed()] == ["debian"]
    assert (
        f"deleted {digest_of(bench.debian)[:12]}"
        in bench.vmforge("iso", "prune", digest_of(bench.debian)).out
    )
    assert bench.listed() == []


def test_prune_leaves_what_is_in_use(bench):
    bench.vmforge("iso", "add", "debian.iso")
    store = Store(bench.cache)
    with hold_object(store, store.path_of(digest_of(bench.debian), "iso")):
        assert bench.listed()[0]["in_use"]
        assert "in use" in bench.vmforge("iso", "list").out
        assert "is in use, and stays" in bench.vmforge("iso", "prune", digest_of(bench.debian)[:8]).out
        assert bench.vmforge("iso", "prune", "--older-than", "0s").out == "0 B freed\n"
    assert len(bench.listed()) == 1


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        ((), 2, "which ISOs are to be deleted?"),
        (("abcd", "--older-than", "1d"), 2, "which ISOs are to be deleted?"),
        (("--older-than", "soon"), 2, "`-older-than`: `soon` is not an age"),
        (("--keep-size", "much"), 2, "`-keep-size`:"),
        (("abcd",), 1, "the cache has no ISO `abcd`"),
    ],
)
def test_prune_that_makes_no_sense(arguments, status, message, bench):
    done = bench.vmforge("iso", "prune", *arguments)
    assert (done.status, message in done.err) == (status, True)


# -- inspect ------------------------------------------------------------------------------------


def test_inspect(bench, golden):
    bench.vmforge("iso", "add", "debian.iso", "--url", URL)
    texts = [
        bench.vmforge("iso", "inspect", place).text
        for place in (
            "debian.iso",
            f"{bench.server.url}/debian.iso",
            digest_of(bench.debian)[:12],
            "other.iso",
        )
    ]
    golden("iso/inspect.txt", re.sub(r"\d+\.\d KiB", "SIZE", bench.shown("".join(texts))))


def test_inspect_as_json(bench):
    found = json.loads(bench.vmforge("iso", "inspect", "debian.iso", "--json").out)
    size = bench.debian.stat().st_size
    expected = {"title": "Debian 12.5 amd64 netinst", "size": size, "image_size": size, "complete": True}
    assert {name: found[name] for name in expected} == expected
    assert found["kernel"] == {
        "family": "Debian",
        "kernel": "install.amd/vmlinuz",
        "initrd": "install.amd/initrd.gz",
        "options": [],
    }


def test_inspect_of_what_breaks_off(bench):
    whole = bench.debian.read_bytes()
    bench.debian.write_bytes(whole[:-20_000])
    found = bench.vmforge("iso", "inspect", "debian.iso")
    assert found.out.endswith(
        f"warning: the file breaks off: {len(whole) - 20_000:,} of {len(whole):,} bytes are there\n"
    )


def test_inspect_of_what_is_not_there(bench):
    assert "the cache has no ISO `missing.iso`" in bench.vmforge("iso", "inspect", "missing.iso").err
    assert "is not an ISO image" in bench.vmforge("iso", "inspect", __file__).err
