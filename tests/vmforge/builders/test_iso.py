"""The ISO's options, with a server that counts what is asked of it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pysequoia
import pytest

from http_server import Request, Server
from vmforge.builders.iso import HeldIso, check_iso, retrieve_iso
from vmforge.builders.qemu.config import QemuConfig
from vmforge.cache import Store
from vmforge.cache.in_use import discard_unused, hold_object
from vmforge.cache.layers import Hold
from vmforge.errors import DownloadError
from vmforge.media.iso_source import RetrievedIso
from vmforge.sdk import BuildContext

MakeConfig = Callable[..., QemuConfig]

CONTENT = b"an installer"
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@dataclass
class Bench:
    """A folder to build in, a server with `x.iso`, and what was asked of it."""

    qemu: MakeConfig
    context: BuildContext
    url: str = ""
    asked: list[Request] = field(default_factory=list)

    def retrieve(self, **options: Any) -> RetrievedIso:
        return retrieve_iso(self.qemu(**options), self.context)


@pytest.fixture
def bench(
    qemu: MakeConfig, context: BuildContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Bench]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VMFORGE_CACHE_DIR", str(tmp_path / "cache"))
    made = Bench(qemu, context)
    with Server(content={"/x.iso": CONTENT}, on_request=made.asked.append) as server:
        made.url = f"{server.url}/x.iso"
        yield made


def test_a_path_is_relative_to_where_vmforge_runs(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "x.iso").write_bytes(CONTENT)
    assert bench.retrieve(iso_url="x.iso", iso_checksum=SHA256).path == tmp_path / "x.iso"


def test_a_url_is_fetched_once(bench: Bench) -> None:
    first = bench.retrieve(iso_url=bench.url, iso_checksum=f"sha256:{SHA256}")
    second = bench.retrieve(iso_url=bench.url, iso_checksum=f"sha256:{SHA256}")
    assert (first.from_cache, second.from_cache) == (False, True)
    assert second.path.read_bytes() == CONTENT
    assert len(bench.asked) == 1


def test_iso_urls_are_tried_in_order(bench: Bench) -> None:
    urls = ["missing.iso", bench.url]
    assert bench.retrieve(iso_url="", iso_urls=urls, iso_checksum=SHA256).path.read_bytes() == CONTENT


def test_iso_target_path_and_extension(bench: Bench, tmp_path: Path) -> None:
    at_target = bench.retrieve(iso_url=bench.url, iso_checksum=SHA256, iso_target_path="isos/own.iso")
    assert at_target.path == tmp_path / "isos" / "own.iso"
    cached = bench.retrieve(iso_url=bench.url, iso_checksum=SHA256, iso_target_extension="img")
    assert cached.path == tmp_path / "cache" / "objects" / f"{SHA256}.img"


def test_iso_skip_cache_fetches_again(bench: Bench) -> None:
    options = {"iso_url": bench.url, "iso_checksum": SHA256, "iso_skip_cache": True}
    assert [bench.retrieve(**options).from_cache for _ in range(2)] == [False, False]
    assert len(bench.asked) == 2


def test_iso_skip_cache_needs_no_checksum(bench: Bench) -> None:
    retrieved = bench.retrieve(iso_url=bench.url, iso_checksum="", iso_skip_cache=True)
    assert retrieved.digest == SHA256


def test_the_checksum_counts(bench: Bench) -> None:
    with pytest.raises(DownloadError, match="is not the file that the template states"):
        bench.retrieve(iso_url=bench.url, iso_checksum="0" * 64)


@pytest.mark.parametrize(
    ("options", "checksum"),
    [
        ({"iso_checksum": SHA256}, SHA256),
        ({"iso_checksum": SHA256, "iso_checksum_type": "sha256"}, f"sha256:{SHA256}"),
        ({"iso_checksum": "sha256:1", "iso_checksum_type": "sha256"}, "sha256:1"),
        ({"iso_checksum": "x", "iso_checksum_type": "none"}, "none"),
        ({"iso_checksum_url": "SUMS", "iso_checksum_type": "sha256"}, "file:SUMS"),
    ],
)
def test_the_checksum_of_old_templates(options: dict[str, str], checksum: str) -> None:
    assert QemuConfig(iso_url="x.iso", **options).checksum == checksum


def test_old_ways_to_write_the_checksum_are_warned_of() -> None:
    config = QemuConfig(iso_url="x.iso", iso_checksum=SHA256, iso_checksum_type="sha256")
    (problem,) = check_iso(config)
    assert problem.warning
    assert problem.hint == f'write `iso_checksum = "sha256:{SHA256}"`'


# -- signatures ---------------------------------------------------------------------------------


def test_the_list_of_checksums_is_believed_when_it_is_signed(bench: Bench, tmp_path: Path) -> None:
    key = pysequoia.Tsk.generate("Images <images@example.com>")
    (tmp_path / "keys.asc").write_text(str(key.extract_certificate()))
    sums = f"{SHA256}  x.iso\n".encode()
    (tmp_path / "SUMS").write_bytes(sums)
    signature = pysequoia.sign(key.signer(), sums, mode=pysequoia.SignatureMode.DETACHED)
    (tmp_path / "SUMS.sig").write_bytes(signature)
    options = {"iso_url": bench.url, "iso_checksum": "file:SUMS", "iso_keyring": "keys.asc"}
    assert bench.retrieve(**options, iso_signature="SUMS.sig").digest == SHA256
    with pytest.raises(DownloadError, match="is not signed inside of itself"):
        bench.retrieve(**options)
    (tmp_path / "SUMS").write_bytes(sums + b"\n")
    with pytest.raises(DownloadError, match="`SUMS`"):
        bench.retrieve(**options, iso_signature="SUMS.sig")


@pytest.mark.parametrize(
    ("options", "place"),
    [
        ({"iso_signature": "SUMS.sig", "iso_checksum": "file:SUMS"}, "iso_signature"),
        ({"iso_keyring": Path("keys.asc"), "iso_checksum": SHA256}, "iso_keyring"),
    ],
)
def test_signatures_that_say_nothing(options: dict[str, Any], place: str) -> None:
    (problem,) = check_iso(QemuConfig(iso_url="x.iso", **options))
    assert (problem.option, problem.warning) == (place, False)


# -- while the build runs -----------------------------------------------------------------------


def test_nobody_deletes_the_iso_of_a_running_build(bench: Bench, tmp_path: Path) -> None:
    config = bench.qemu(iso_url=bench.url, iso_checksum=SHA256)
    store = Store(tmp_path / "cache")
    with HeldIso(config, bench.context) as medium:
        assert not discard_unused(store, medium.path)
        assert medium.path.exists()
    assert discard_unused(store, medium.path)
    assert not medium.path.exists()


def test_an_iso_that_is_deleted_before_it_is_held_is_fetched_again(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path / "cache")
    holds: list[Path] = []

    def hold_late(given: Store, path: Path) -> Hold | None:
        if not holds:
            discard_unused(store, path)
        holds.append(path)
        return hold_object(given, path)

    monkeypatch.setattr("vmforge.cache.in_use.hold_object", hold_late)
    with HeldIso(bench.qemu(iso_url=bench.url, iso_checksum=SHA256), bench.context) as medium:
        assert medium.path.read_bytes() == CONTENT
    assert (len(holds), len(bench.asked)) == (2, 2)


def test_a_file_of_the_users_needs_no_hold(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "x.iso").write_bytes(CONTENT)
    with HeldIso(bench.qemu(iso_url="x.iso", iso_checksum=SHA256), bench.context) as medium:
        assert medium.path == tmp_path / "x.iso"
