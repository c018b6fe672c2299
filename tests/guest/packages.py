"""Fetches the distribution's own packages and unpacks them, each into a folder of its own; needs no root."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import elf

PROGRAMS = {
    "busybox-static": ["bin/busybox"],
    "dropbear-bin": ["usr/sbin/dropbear", "usr/bin/dropbearkey"],
    "e2fsprogs": ["sbin/mke2fs"],
    "extlinux": ["usr/bin/extlinux"],
    "openssh-client": ["usr/bin/scp"],
    "openssh-sftp-server": ["usr/lib/openssh/sftp-server"],
    "sudo": ["usr/bin/sudo"],
}
"""What the guest runs, by the package that has it. Paths are those of a merged /usr or of its links."""

LOADED_LATER = {"sudo": ["sudoers.so"], "libpam-modules": ["pam_permit.so", "pam_deny.so"]}
"""Plug-ins, which no program names as a library: found by their file name."""

BOOT_FILES = ["isolinux", "syslinux-common"]

KERNELS = ["linux-image-cloud-amd64", "linux-image-virtual"]
"""Debian's kernel for virtual machines (its LZ4 image is the quickest to start), then Ubuntu's."""

_KERNEL_PARTS = re.compile(r"linux-(image|modules)-(unsigned-)?\d")
_LIBRARIES = re.compile(r"(lib|zlib)")


class PackageError(Exception):
    """A package could not be had; the message is complete."""


@dataclass(frozen=True)
class Package:
    """An unpacked package: the files below `files`, its dependencies by name."""

    name: str
    files: Path
    depends: tuple[str, ...]

    def find(self, path: str) -> Path | None:
        """The file at `path`, whichever side of the merged /usr the package ships it on."""
        for candidate in (path, f"usr/{path}", path.removeprefix("usr/")):
            found = self.files / candidate
            if found.is_symlink() or found.exists():
                return found
        return None


class Packages:
    """The packages below a cache folder; what is there already is not fetched again."""

    def __init__(self, cache: Path) -> None:
        self._cache = cache.resolve()
        self._unpacked: dict[str, Package] = {}

    def __iter__(self) -> Iterator[Package]:
        return iter(sorted(self._unpacked.values(), key=lambda package: package.name))

    def fetch(self, names: Sequence[str]) -> list[Package]:
        """Have these packages unpacked; raises PackageError."""
        for name in names:
            if (self._cache / name / "control").exists():
                self._unpacked.setdefault(name, self._read(name))
        wanted = [name for name in names if name not in self._unpacked]
        if wanted:
            self._download(wanted)
        return [self._unpacked[name] for name in names]

    def kernel(self) -> list[Package]:
        """The kernel's image and modules: what the first meta-package that apt knows depends on."""
        name = self._first_known(KERNELS)
        parts: list[Package] = []
        todo = [name]
        while todo:
            fetched = self.fetch(todo)
            parts += fetched
            seen = {package.name for package in parts}
            depends = {dependency for package in fetched for dependency in package.depends}
            todo = sorted(part for part in depends - seen if _KERNEL_PARTS.match(part))
        return parts

    def libraries(self, programs: Sequence[tuple[Package, Path]]) -> dict[str, tuple[Package, Path]]:
        """The shared libraries that the programs need, by soname, fetched as far as they are missing."""
        found: dict[str, tuple[Package, Path]] = {}
        todo = list(programs)
        while todo:
            package, program = todo.pop()
            for soname in elf.needed(program):
                if soname not in found:
                    found[soname] = self._library(soname, package)
                    todo.append(found[soname])
        return found

    def _library(self, soname: str, user: Package) -> tuple[Package, Path]:
        """Look for a library in its user's package, then in the packages that the user depends on."""
        tried = {user.name}
        todo = [user]
        while todo:
            for package in todo:
                if path := _shallowest(package.files, soname):
                    return package, path
            names = {name for package in todo for name in package.depends if _LIBRARIES.match(name)} - tried
            tried |= names
            todo = self.fetch(sorted(names))
        raise PackageError(f"no package that {user.name} depends on has the library {soname}")

    def _first_known(self, names: Sequence[str]) -> str:
        for name in names:
            if (self._cache / name / "control").exists():
                return name
        for name in names:
            shown = subprocess.run(
                ["apt-cache", "show", "--no-all-versions", name],
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                check=False,
            )
            if shown.stdout:
                return name
        raise PackageError(f"apt knows none of {', '.join(names)}: try `apt-get update`")

    def _download(self, names: Sequence[str]) -> None:
        self._cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self._cache) as folder:
            command = ["apt-get", "-qq", "download", *names]
            if os.geteuid() == 0:
                command[1:1] = ["-o", "APT::Sandbox::User=root"]  # _apt may not write below a private folder
            done = subprocess.run(command, check=False, cwd=folder, stderr=subprocess.PIPE, text=True)
            if done.returncode:
                raise PackageError(f"apt-get download failed (try `apt-get update`):\n{done.stderr.strip()}")
            for archive in sorted(Path(folder).glob("*.deb")):
                self._unpack(archive)
        if lacking := [name for name in names if name not in self._unpacked]:
            raise PackageError(f"apt-get download did not bring {', '.join(lacking)}")

    def _unpack(self, archive: Path) -> None:
        fields = subprocess.run(
            ["dpkg-deb", "--field", str(archive), "Package", "Version", "Pre-Depends", "Depends"],
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        ).stdout
        name = archive.name.split("_")[0]
        staged = archive.parent / name
        staged.mkdir()
        subprocess.run(["dpkg-deb", "--extract", str(archive), str(staged / "files")], check=True)
        (staged / "control").write_text(fields)
        shutil.rmtree(self._cache / name, ignore_errors=True)
        staged.rename(self._cache / name)
        self._unpacked[name] = self._read(name)

    def _read(self, name: str) -> Package:
        folder = self._cache / name
        control = (folder / "control").read_text()
        depends = re.findall(r"^(?:Pre-)?Depends: (.*)$", control, re.MULTILINE)
        # of alternatives ("a | b") the first is the distribution's choice
        names = [re.split(r"[ :(|]", item.strip())[0] for line in depends for item in line.split(",")]
        return Package(name, folder / "files", tuple(names))


def _shallowest(folder: Path, name: str) -> Path | None:
    found = sorted(folder.rglob(name), key=lambda path: (len(path.parts), path))
    return found[0] if found else None
