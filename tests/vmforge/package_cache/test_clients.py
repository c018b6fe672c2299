"""Real package managers through the proxy, and a run that is killed."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from vmforge.cache import Store
from vmforge.package_cache import PackageShelf
from vmforge.package_cache.proxy import Proxy

MIRROR = "http://mirror.test"
DEB = "pool/main/t/tiny/tiny_1.0_all.deb"


@pytest.fixture
def archive(tmp_path: Path, mirror: Any) -> None:
    """An archive of one package, as apt wants it."""
    root = tmp_path / "tiny"
    (root / "DEBIAN").mkdir(parents=True)
    control = "Package: tiny\nVersion: 1.0\nArchitecture: all\nMaintainer: nobody <x@y>\nDescription: tiny\n"
    (root / "DEBIAN" / "control").write_text(control)
    (root / "data").write_bytes(os.urandom(300_000))
    subprocess.run(["dpkg-deb", "--build", root, tmp_path / "a.deb"], check=True, stdout=subprocess.DEVNULL)
    deb = (tmp_path / "a.deb").read_bytes()
    index = (
        f"{control}Filename: {DEB}\nSize: {len(deb)}\nSHA256: {hashlib.sha256(deb).hexdigest()}\n".encode()
    )
    digest = hashlib.sha256(index).hexdigest()
    path = "main/binary-amd64"
    release = (
        "Origin: test\nSuite: stable\nCodename: stable\nDate: Sat, 17 May 2025 08:00:00 UTC\n"
        "Architectures: amd64\nComponents: main\nAcquire-By-Hash: yes\n"
        f"SHA256:\n {digest} {len(index)} {path}/Packages\n"
    )
    mirror.pages |= {
        "/dists/stable/Release": mirror.page(
            release.encode(), {"Last-Modified": "Sat, 17 May 2025 08:00:00 GMT"}
        ),
        f"/dists/stable/{path}/by-hash/SHA256/{digest}": mirror.page(index),
        f"/{DEB}": mirror.page(deb),
    }


def apt(settle: Any, proxy: Proxy, state: Path, *arguments: str) -> None:
    """apt-get with a state of its own; it asks nobody else."""
    for folder in ("lists/partial", "cache/archives/partial", "parts"):
        (state / folder).mkdir(parents=True, exist_ok=True)
    (state / "status").touch()
    (state / "sources.list").write_text(f"deb [trusted=yes arch=amd64] {MIRROR} stable main\n")
    settings = {
        "Dir::State": state,
        "Dir::State::status": state / "status",
        "Dir::Cache": state / "cache",
        "Dir::Etc::sourcelist": state / "sources.list",
        "Dir::Etc::sourceparts": state / "parts",
        "Dir::Etc::parts": state / "parts",
        "APT::Architecture": "amd64",
        "APT::Sandbox::User": "",
        "Acquire::Languages": "none",
        "Acquire::Retries": "0",
        "Acquire::http::Proxy": f"http://127.0.0.1:{proxy.port}",
    }
    options = [part for name, value in settings.items() for part in ("-o", f"{name}={value}")]
    run = subprocess.run(
        ["apt-get", "-q", *options, *arguments], cwd=state, check=False, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stdout + run.stderr
    settle(proxy)


@pytest.mark.skipif(not (shutil.which("apt-get") and shutil.which("dpkg-deb")), reason="needs apt")
@pytest.mark.usefixtures("archive")
def test_apt_downloads_nothing_the_second_time(settle: Any, start: Any, tmp_path: Path) -> None:
    for run, from_mirrors in (("first", True), ("second", False), ("offline", False)):
        proxy = start(reaches=run != "offline", offline=run == "offline")
        apt(settle, proxy, tmp_path / run, "update")
        apt(settle, proxy, tmp_path / run, "download", "tiny")
        assert (tmp_path / run / "tiny_1.0_all.deb").stat().st_size > 300_000
        proxy.__exit__(None, None, None)
        assert (proxy.counts().from_mirrors > 0) is from_mirrors
        assert proxy.counts().served > 300_000


_SERVE = """
import sys
from pathlib import Path
from vmforge.cache import Store
from vmforge.package_cache import PackageCache
from vmforge.sdk.network import Mirrors, Network
network = Network(mirrors=Mirrors.of([(sys.argv[2], sys.argv[3])]))
with PackageCache(Store(Path(sys.argv[1])), network=network) as cache, cache.serve("127.0.0.1") as proxy:
    print(proxy.port, flush=True)
    sys.stdin.read()
"""


def test_a_killed_run_leaves_nothing_wrong(start: Any, mirror: Any, tmp_path: Path) -> None:
    import threading

    mirror.pages[f"/{DEB}"] = mirror.page(b"x" * 1_000_000, gate=threading.Event())
    store = tmp_path / "cache"
    arguments = [str(store), f"{MIRROR}/", f"http://127.0.0.1:{mirror.port}/"]
    with subprocess.Popen(
        [sys.executable, "-c", _SERVE, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        with socket.create_connection(("127.0.0.1", port), timeout=30) as client:
            client.sendall(f"GET {MIRROR}/{DEB} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            received = 0
            while received < 500_000:
                received += len(client.recv(65536))
            process.send_signal(signal.SIGKILL)
            process.wait()
            while client.recv(65536):
                pass
    shelf = PackageShelf(Store(store))
    assert not list(shelf.entries()) and not shelf.objects()
    assert len(list((store / "objects").iterdir())) == 1
    start()  # the next run
    assert not list((store / "objects").iterdir())
