"""A counterpart for the vSphere builders: govmomi's simulator, built once from Debian's packages, and sshd.

The simulator keeps an inventory and answers as the API's documents say. What it lacks and the builders ask
(`vcsim/extension.go`: keys, the export of a machine) is added to a copy of it. What it does not cover: it
runs no machine, checks few specifications, has no privileges, and takes any file for a disk.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import trustme

from tests.fakes.hypervisor_builds import running_guest
from tests.fakes.openssh import OpenSsh

SOURCES = Path(__file__).parent / "vcsim"
GOVMOMI = Path("/usr/share/gocode/src/github.com/vmware/govmomi")
PACKAGES = "apt-get install golang-go golang-github-vmware-govmomi-dev"


def build_vcsim(cache: Path) -> Path:
    """The simulator's program; built in some 20 seconds where the cache does not have it."""
    digest = hashlib.sha256()
    for source in sorted(SOURCES.glob("*.go")):
        digest.update(source.read_bytes())
    program = cache / f"vcsim-{digest.hexdigest()[:16]}"
    if program.exists():
        return program
    work = cache / f"building-{os.getpid()}"
    package = work / "src" / "github.com" / "vmware" / "govmomi"
    shutil.copytree(GOVMOMI, package)
    shutil.copy(SOURCES / "extension.go", package / "simulator")
    transfer = package / "simulator" / "http_nfc_lease.go"
    # a download from a lease has nowhere to go otherwise
    transfer.write_text(transfer.read_text().replace("\t\tsrc = f\n", "\t\tsrc, dst = f, w\n"))
    main = work / "src" / "vcsim"
    main.mkdir(parents=True)
    shutil.copy(SOURCES / "main.go", main)
    environment = os.environ | {"GO111MODULE": "off", "GOPATH": f"{work}:/usr/share/gocode", "GOFLAGS": ""}
    environment["GOCACHE"] = str(cache / "go")
    built = work / "vcsim"
    subprocess.run(["go", "build", "-o", str(built), "."], cwd=main, env=environment, check=True, timeout=600)
    built.rename(program)
    shutil.rmtree(work, ignore_errors=True)
    return program


@pytest.fixture(scope="session")
def vcsim_program() -> Path:
    if shutil.which("go") is None or not GOVMOMI.is_dir():
        pytest.skip(f"needs Go and govmomi: {PACKAGES}")
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    cache = home / "vmforge-tests"
    cache.mkdir(parents=True, exist_ok=True)
    return build_vcsim(cache)


@dataclass
class Vcenter:
    """A running simulator. Its one datacenter is `DC0`, its cluster `DC0_C0`, its datastore `LocalDS_0`."""

    server: str
    folder: Path
    authority: Path

    def typed(self) -> list[str]:
        file = self.folder / "keys"
        return file.read_text().splitlines() if file.exists() else []

    def connect(self) -> Any:
        """The API as a test looks at it."""
        from pyVim.connect import SmartConnect

        host, _, port = self.server.partition(":")
        return SmartConnect(
            host=host, port=int(port), user="admin", pwd="right", disableSslCertValidation=True
        ).content

    def machine(self, name: str) -> Any:
        content = self.connect()
        return content.searchIndex.FindByInventoryPath(f"DC0/vm/{name}")

    def names(self) -> list[str]:
        folder = self.connect().searchIndex.FindByInventoryPath("DC0/vm")
        return sorted(one.name for one in folder.childEntity)

    def files(self) -> list[str]:
        """The files in the folder of uploads."""
        store = self.connect().searchIndex.FindByInventoryPath("DC0/datastore/LocalDS_0")
        where = Path(store.info.url) / "packer_cache"
        return sorted(path.name for path in where.iterdir()) if where.is_dir() else []


@pytest.fixture
def vcenter(vcsim_program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Vcenter]:
    """A vCenter of the test's own, whose certificate is trusted."""
    folder = tmp_path / "vcenter"
    folder.mkdir()
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    certificate = authority.issue_cert("127.0.0.1")
    certificate.private_key_pem.write_to_path(str(folder / "key.pem"))
    for number, part in enumerate(certificate.cert_chain_pems):
        part.write_to_path(str(folder / "cert.pem"), append=number > 0)
    monkeypatch.setenv("SSL_CERT_FILE", str(folder / "ca.pem"))
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    command = [str(vcsim_program), "-cert", str(folder / "cert.pem"), "-key", str(folder / "key.pem")]
    environment = os.environ | {"VCSIM_KEYS": str(folder / "keys"), "TMPDIR": str(folder)}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, env=environment
        )
    assert process.stdout is not None
    assert process.stdin is not None
    server = process.stdout.readline().decode().strip()
    assert server, (folder / "log").read_text()
    yield Vcenter(server, folder, folder / "ca.pem")
    process.stdin.close()
    try:
        process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    process.stdout.close()


@pytest.fixture(scope="module")
def guest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenSsh]:
    with running_guest(tmp_path_factory.mktemp("guest")) as guest:
        yield guest
