"""The two file systems of the guest: the installer's, in memory, and the installed system's, on the disk."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path

from archives import Tree
from kernel import CDROM, CONSOLE, NETWORK, ON_DEMAND, OTHER_DISKS, VIRTIO_DISK, Kernel
from packages import BOOT_FILES, LOADED_LATER, PROGRAMS, Package, PackageError, Packages

HERE = Path(__file__).parent

INSTALLER_MODULES = {"network": NETWORK, "storage": [*CDROM, *VIRTIO_DISK, *OTHER_DISKS, "virtio_rng"]}
INITRAMFS_MODULES = {"first": VIRTIO_DISK, "second": OTHER_DISKS}
SYSTEM_MODULES = {"system": [*NETWORK, *CONSOLE]}
"""What the scripts load, by the name of the list that they read."""

INSTALLED = ["dropbear-bin", "openssh-client", "openssh-sftp-server", "sudo"]

_MODES = {
    "etc/dropbear": 0o700,
    "etc/shadow": 0o600,
    "etc/sudoers": 0o440,
    "etc/sudoers.d": 0o750,
    "home": 0o755,
    "mnt": 0o755,
    "root": 0o700,
    "run": 0o755,
    "usr/bin/sudo": 0o4755,
    "var/lib/sudo": 0o700,
    "var/log": 0o755,
}
"""Permissions of the installed system's files, and the folders that are empty."""

# busybox is no package manager, its mke2fs knows ext2 only, and scripts below target/ wrap the rest
_NO_APPLETS = {"busybox", "dpkg", "dpkg-deb", "mke2fs", "poweroff", "reboot", "rpm", "rpm2cpio"}
_SBIN_APPLETS = {"getty", "halt", "init", "modprobe"}


class Sources:
    """What the file systems are made of: the kernel, and programs with the libraries that they need."""

    def __init__(self, packages: Packages) -> None:
        self.kernel = Kernel(packages.kernel())
        by_name = {package.name: package for package in packages.fetch([*PROGRAMS, *BOOT_FILES])}
        self._packages = packages
        self._programs = {
            path: (by_name[name], _found(by_name[name], path))
            for name, paths in PROGRAMS.items()
            for path in paths
        }
        self._boot_files = [by_name[name] for name in BOOT_FILES] + [by_name["extlinux"]]
        busybox = self._programs["bin/busybox"][1]
        listed = subprocess.run([busybox, "--list"], check=True, stdout=subprocess.PIPE, text=True)
        self.applets = [name for name in listed.stdout.split() if name not in _NO_APPLETS]

    def program(self, path: str) -> bytes:
        """The contents of one of `PROGRAMS`' files."""
        return self._programs[path][1].read_bytes()

    def boot_file(self, name: str) -> bytes:
        """A file of the boot loader, by its name."""
        for package in self._boot_files:
            for path in sorted(package.files.rglob(name), key=lambda path: (len(path.parts), path)):
                return path.read_bytes()
        raise PackageError(f"no package of the boot loader holds {name}")

    def add_libraries(self, tree: Tree, paths: list[str]) -> None:
        """Put what these programs and their plug-ins need into a tree with a merged /usr."""
        users = [self._programs[path] for path in paths]
        libraries = self._packages.libraries(users)
        plugins = self._plugins([package for package, _ in [*users, *libraries.values()]])
        libraries |= self._packages.libraries([(package, path) for package, path in plugins])
        for soname, (_, path) in libraries.items():
            if soname.startswith("ld-linux"):
                tree.add_file("usr/lib64/" + soname, path.read_bytes(), 0o755)
            else:
                tree.add_file("usr/lib/x86_64-linux-gnu/" + soname, path.read_bytes())
        for package, path in plugins:
            tree.add_file(_merged(path.relative_to(package.files)), path.read_bytes())

    def _plugins(self, users: list[Package]) -> list[tuple[Package, Path]]:
        names = {package.name for package in users}
        if "sudo" not in names:
            return []
        packages = self._packages.fetch(list(LOADED_LATER))
        return [
            (package, found)
            for package in packages
            for name in LOADED_LATER[package.name]
            for found in sorted(package.files.rglob(name))
        ]


def installer(sources: Sources) -> Tree:
    """The file system that the CD's kernel starts with: as little as can be, for BIOS reads it slowly."""
    tree = _base(sources, INSTALLER_MODULES)
    for path, mode in (("etc/udhcpc/default.script", 0o755), ("etc/nsswitch.conf", 0o644)):
        tree.add_file(path, (HERE / "target" / path).read_bytes(), mode)
    tree.add_file("init", (HERE / "installer/init").read_bytes(), 0o755)
    return tree


def tools(sources: Sources) -> Tree:
    """What the installer unpacks from the CD into its own file system: what it needs beside busybox."""
    tree = Tree()
    _add_programs(tree, sources, ["sbin/mke2fs", "usr/bin/extlinux"])
    tree.add_file("boot/mbr.bin", sources.boot_file("mbr.bin"))
    tree.add_file("boot/extlinux.conf", (HERE / "installer/extlinux.conf").read_bytes())
    return tree


def initramfs(sources: Sources) -> Tree:
    """The file system that the installed system's kernel starts with."""
    tree = _base(sources, INITRAMFS_MODULES)
    tree.add_folder("root")
    tree.add_file("init", (HERE / "target/boot/init").read_bytes(), 0o755)
    return tree


def root(sources: Sources, initramfs: bytes) -> Tree:
    """The installed system, but for the kernel and what the answers decide."""
    tree = _base(sources, SYSTEM_MODULES, [*VIRTIO_DISK, *OTHER_DISKS, *CDROM, *ON_DEMAND])
    _add_programs(tree, sources, [path for name in INSTALLED for path in PROGRAMS[name]])
    for file in sorted((HERE / "target").rglob("*")):
        path = str(file.relative_to(HERE / "target"))
        if file.is_file() and not path.startswith("boot/"):
            data = file.read_bytes()
            tree.add_file(path, data, 0o755 if data.startswith(b"#!") else 0o644)
    tree.add_link("usr/lib/sftp-server", "openssh/sftp-server")  # where dropbear looks
    tree.add_file("boot/initrd.img", initramfs)
    for path, mode in _MODES.items():
        tree.set_mode(path, mode)
    return tree


def _base(sources: Sources, modules: Mapping[str, Sequence[str]], on_demand: Sequence[str] = ()) -> Tree:
    """A tree with a merged /usr, busybox under all its names, kernel modules and the lists of them."""
    tree = Tree()
    for folder in ("bin", "sbin", "lib", "lib64"):
        tree.add_folder(f"usr/{folder}")
        tree.add_link(folder, f"usr/{folder}")
    for folder in ("dev", "proc", "sys", "tmp", "etc"):
        tree.add_folder(folder)
    tree.set_mode("tmp", 0o1777)
    tree.add_file("usr/bin/busybox", sources.program("bin/busybox"), 0o755)
    for name in sources.applets:
        tree.add_link(f"usr/bin/{name}", "busybox")
    for name in _SBIN_APPLETS:
        tree.add_link(f"usr/sbin/{name}", "../bin/busybox")
    sources.kernel.install(tree, [*chain(*modules.values()), *on_demand])
    for name, listed in modules.items():
        tree.add_file(f"etc/modules/{name}", " ".join(listed).encode())
    return tree


def _add_programs(tree: Tree, sources: Sources, paths: list[str]) -> None:
    for path in paths:
        tree.add_file(_merged(Path(path)), sources.program(path), 0o755)
    sources.add_libraries(tree, paths)


def _merged(path: Path) -> str:
    """A path where it is when /bin, /sbin and /lib are links into /usr."""
    return str(path) if path.parts[0] == "usr" else f"usr/{path}"


def _found(package: Package, path: str) -> Path:
    found = package.find(path)
    if found is None:
        raise PackageError(f"the package {package.name} holds no {path}")
    return found
