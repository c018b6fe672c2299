"""Builds where there is no network: in a network namespace that has nothing but its own loopback."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.integration import debian

ROOT = Path(__file__).resolve().parents[2]
LIMIT = 900.0
# of Debian, without KVM
INSTALLATION = 5400.0
QUICK_DEBIAN = """\
    hostname  = "debian-12"
    upgrade   = false
    kernel    = "linux-image-cloud-amd64"
    initramfs = "dep"
"""
# `unshare` needs to be root, or to seem so
NAMESPACE = ["unshare", "--net", *([] if os.geteuid() == 0 else ["--map-root-user"])]
FOLDER_URL = "https://cd.example/images/"
ISO_URL = FOLDER_URL + "tiny.iso"


def has_namespaces() -> bool:
    try:
        return subprocess.run([*NAMESPACE, "true"], check=False, capture_output=True).returncode == 0
    except OSError:
        return False


pytestmark = [
    pytest.mark.machine,
    pytest.mark.timeout(1200),
    pytest.mark.skipif(not has_namespaces(), reason="no network namespaces for this user"),
]


@dataclass
class Site:
    """One side of the gap: a machine with a cache and state of its own, with or without a network."""

    folder: Path
    environment: dict[str, str]
    has_network: bool
    command: list[str] = field(default_factory=lambda: [sys.executable, "-m", "vmforge"])

    def vmforge(
        self, *arguments: str, folder: Path | None = None, limit: float = LIMIT
    ) -> subprocess.CompletedProcess[str]:
        return self.run([*self.command, *arguments], folder, limit)

    def run(
        self, command: list[str], folder: Path | None = None, limit: float = LIMIT
    ) -> subprocess.CompletedProcess[str]:
        inside = ["sh", "-c", 'ip link set lo up && exec "$@"', "sh"]
        whole = command if self.has_network else [*NAMESPACE, *inside, *command]
        return subprocess.run(
            whole,
            cwd=folder or self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=limit,
            check=False,
        )


@pytest.fixture
def outside(tmp_path: Path, vmforge, guest_iso: Path) -> Site:
    """Where there is a network: the quickstart, whose ISO is on a server, and a mirror of that."""
    folder = tmp_path / "outside"
    shutil.copytree(ROOT / "examples" / "quickstart", folder / "examples" / "quickstart")
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    shutil.copy(guest_iso, mirror / "tiny.iso")
    summed = subprocess.run(["sha256sum", "tiny.iso"], cwd=mirror, check=True, capture_output=True)
    (mirror / "tiny.iso.sha256").write_bytes(summed.stdout)
    environment = {**vmforge.environment, "VMFORGE_CACHE_DIR": str(tmp_path / "outside-cache")}
    return Site(folder, environment, has_network=True)


@pytest.fixture
def inside(tmp_path: Path, vmforge) -> Site:
    """Where there is none."""
    (tmp_path / "inside").mkdir()
    return Site(tmp_path / "inside", vmforge.environment, has_network=False)


def make_bundle(outside: Site, tmp_path: Path, *flags: str) -> Path:
    bundle = tmp_path / "lab.vmb"
    assert outside.vmforge("bundle", "key", str(tmp_path / "key")).returncode == 0
    mirror = f"{FOLDER_URL}={(tmp_path / 'mirror').as_uri()}/"
    create = ["bundle", "create", "examples/quickstart", "-o", str(bundle), "--key", str(tmp_path / "key")]
    done = outside.vmforge(*create, "-var", f"iso={ISO_URL}", "-mirror", mirror, *flags)
    assert done.returncode == 0, done.stdout + done.stderr
    return bundle


def build(inside: Site, bundle: Path, tmp_path: Path) -> None:
    """Import the bundle, type what it says, and look at what was built."""
    taken = inside.vmforge("bundle", "import", str(bundle), "--trust", str(tmp_path / "key.pub"))
    assert taken.returncode == 0, taken.stdout + taken.stderr
    last = taken.stdout.splitlines()[-1]
    assert last == f"cd lab/project && vmforge build --offline -var=iso={ISO_URL} examples/quickstart"
    project = inside.folder / "lab" / "project"
    arguments = last.partition("vmforge ")[2].split()
    built = inside.vmforge(*arguments, folder=project)
    assert built.returncode == 0, built.stdout + built.stderr
    assert "already fetched" in built.stdout
    image = project / "build" / "quickstart" / "quickstart.qcow2"
    subprocess.run(["qemu-img", "check", "-q", image], check=True)


def test_the_namespace_has_no_way_out(inside: Site) -> None:
    code = "import socket; socket.create_connection(('192.0.2.1', 80), 5)"
    done = inside.run([sys.executable, "-c", code])
    assert "Network is unreachable" in done.stderr


def test_without_the_bundle_all_that_is_missing_is_said(outside: Site, inside: Site) -> None:
    template = outside.folder / "examples" / "quickstart"
    done = inside.vmforge("build", "--offline", "-var", f"iso={ISO_URL}", str(template))
    assert done.returncode == 1
    assert "offline, and the build lacks 2 things of the network" in done.stderr
    assert f"medium         {ISO_URL}\n" in done.stderr
    assert f"checksum list  {ISO_URL}.sha256\n" in done.stderr
    assert done.stdout == ""
    assert list(inside.folder.iterdir()) == []


def test_the_quickstart_is_built_from_a_bundle(outside: Site, inside: Site, tmp_path: Path) -> None:
    bundle = make_bundle(outside, tmp_path, "--no-wheels")
    build(inside, bundle, tmp_path)


def test_the_build_goes_on_from_layers_of_the_bundle(
    outside: Site, inside: Site, tmp_path: Path, lasting: Path
) -> None:
    """In another folder, with a cache and a state of its own, and files whose modes became others."""
    example = outside.folder / "examples" / "quickstart"
    (example / "scripts" / "setup.sh").chmod(0o664)
    (example / "http").chmod(0o775)
    (example / "secret.pkr.hcl").write_text('variable "hush" {\n  default = "x"\n  sensitive = true\n}\n')
    mirror = f"{FOLDER_URL}={(tmp_path / 'mirror').as_uri()}/"
    built = outside.vmforge("build", "-var", f"iso={ISO_URL}", "-mirror", mirror, "examples/quickstart")
    assert built.returncode == 0, built.stdout + built.stderr

    bundle = tmp_path / "lab.vmb"
    create = ["bundle", "create", "examples/quickstart", "-o", str(bundle), "--unsigned", "--no-wheels"]
    done = outside.vmforge(*create, "--layers", "-var", f"iso={ISO_URL}", "-mirror", mirror)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "4 layers of `qemu.quickstart`, the last one after provisioner 3 `shell`" in done.stdout
    assert "all that was in the guests' memory, `hush` among it" in done.stdout
    assert bundle.stat().st_mode & 0o077 == 0
    checked = outside.vmforge("bundle", "verify", str(bundle))
    assert "0 wheels, 4 layers, not signed" in checked.stdout

    inside.environment = {**inside.environment, "VMFORGE_STATE_DIR": str(lasting / "s2")}
    taken = inside.vmforge("bundle", "import", str(bundle), "--allow-unsigned")
    assert taken.returncode == 0, taken.stdout + taken.stderr
    project = inside.folder / "lab" / "project"
    again = ["build", "--offline", f"-var=iso={ISO_URL}", "examples/quickstart"]
    built = inside.vmforge(*again, folder=project)
    assert built.returncode == 0, built.stdout + built.stderr
    assert "going on after provisioner 3 `shell`" in built.stdout
    assert "Typing the boot command" not in built.stdout
    image = project / "build" / "quickstart" / "quickstart.qcow2"
    subprocess.run(["qemu-img", "check", "-q", image], check=True)
    # and with one step changed, on top of what was brought
    changed = inside.vmforge(*again, "-force", "-var=greeting=new", folder=project)
    assert changed.returncode == 0, changed.stdout + changed.stderr
    assert "going on after provisioner 2 `file`" in changed.stdout
    assert "kept as a layer" in changed.stdout


@pytest.mark.slow
def test_vmforge_itself_comes_out_of_the_bundle(outside: Site, inside: Site, tmp_path: Path) -> None:
    """On a machine that has Python and tar."""
    bundle = make_bundle(outside, tmp_path)
    for name in [name for name in inside.environment if name.startswith("PIP_")]:
        del inside.environment[name]
    inside.environment["PIP_CONFIG_FILE"] = os.devnull
    python = inside.folder / "venv" / "bin" / "python"
    for command in (
        ["tar", "-xf", str(bundle), "wheels"],
        [sys.executable, "-m", "venv", "venv"],
        [str(python), "-m", "pip", "install", "-q", "--no-index", "--find-links", "wheels", "vmforge"],
    ):
        done = inside.run(command)
        assert done.returncode == 0, done.stdout + done.stderr
    inside.command = [str(python.with_name("vmforge"))]
    where = [str(python), "-c", "import vmforge; print(vmforge.__file__)"]
    assert inside.run(where).stdout.startswith(str(inside.folder / "venv"))
    build(inside, bundle, tmp_path)
    # what came in a bundle can go out in one
    again = ["bundle", "create", "examples/quickstart", "-o", "again.vmb", "--unsigned"]
    inside.environment["PIP_FIND_LINKS"] = str(inside.folder / "wheels")
    done = inside.vmforge(
        *again, "--offline", "-var", f"iso={ISO_URL}", folder=inside.folder / "lab" / "project"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    listed = inside.vmforge("bundle", "list", "again.vmb", folder=inside.folder / "lab" / "project").stdout
    assert all(f"wheel     {path.name}" in listed for path in (inside.folder / "wheels").iterdir())


@pytest.mark.slow
@pytest.mark.timeout(3 * INSTALLATION)
def test_debian_is_installed_from_a_bundle(outside: Site, inside: Site) -> None:
    """Its packages come with the bundle, out of the package cache of a build outside: the mirror, which
    cannot be reached from inside, is asked for not a byte."""
    medium = debian.medium()
    mirrors = [*debian.default_mirrors(medium), "--mirror", f"{FOLDER_URL}={medium.parent.as_uri()}/"]
    variables = ["-var", f"iso_url={FOLDER_URL}{medium.name}"]
    assert outside.vmforge("new", "debian-12", "-o", "debian", "--iso", str(medium)).returncode == 0
    template = outside.folder / "debian" / "debian-12.pkr.hcl"
    template.write_text(template.read_text().replace('    hostname = "debian-12"\n', QUICK_DEBIAN))
    flags = ["--package-cache", "--layers", "off", *mirrors, *variables]
    first = outside.vmforge("build", *flags, "debian", limit=INSTALLATION)
    assert first.returncode == 0, first.stdout + first.stderr

    create = ["bundle", "create", "debian", "-o", "debian.vmb", "--unsigned", "--no-wheels", "--packages"]
    done = outside.vmforge(*create, *mirrors, *variables)
    assert done.returncode == 0, done.stdout + done.stderr
    bundle = outside.folder / "debian.vmb"
    taken = inside.vmforge("bundle", "import", str(bundle), "--allow-unsigned")
    assert taken.returncode == 0, taken.stdout + taken.stderr
    project = inside.folder / "debian" / "project"
    arguments = taken.stdout.splitlines()[-1].partition("vmforge ")[2].split()
    built = inside.vmforge(*arguments, "--layers", "off", folder=project, limit=INSTALLATION)
    assert built.returncode == 0, built.stdout + built.stderr
    assert re.search(r"package cache: (\d+) of \1 files .*; 0 B of it from mirrors", built.stdout)
    image = project / "output-debian-12" / "debian-12.qcow2"
    subprocess.run(["qemu-img", "check", "-q", image], check=True)
