"""The kernel and those of its modules that a small machine needs, as files that modprobe understands."""

from __future__ import annotations

import lzma
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import elf
from archives import Tree
from packages import Package, PackageError

VIRTIO_DISK = ["virtio_pci", "virtio_blk", "ext4", "crc32c_generic"]
OTHER_DISKS = ["virtio_scsi", "ata_piix", "ahci", "sd_mod"]
CDROM = ["ata_piix", "ahci", "virtio_scsi", "sr_mod", "isofs"]
NETWORK = ["virtio_pci", "virtio_net", "e1000", "e1000e"]
CONSOLE = ["button", "evdev", "virtio_rng"]
ON_DEMAND = ["loop", "vfat", "nls_cp437", "nls_ascii", "nls_utf8"]


@dataclass(frozen=True)
class Module:
    """A loadable module: its path below /lib/modules/RELEASE, its contents, what must be loaded before it."""

    name: str
    path: str
    data: bytes
    depends: tuple[str, ...]


class Kernel:
    """The kernel of the unpacked packages."""

    def __init__(self, packages: Sequence[Package]) -> None:
        images = [image for package in packages for image in package.files.glob("boot/vmlinuz-*")]
        if not images:
            raise PackageError("the kernel's packages hold no boot/vmlinuz-*")
        self.release = images[0].name.removeprefix("vmlinuz-")
        self.image = images[0].read_bytes()
        self._files: dict[str, tuple[str, Path]] = {}
        for package in packages:
            for folder in (
                package.files / side / self.release for side in ("lib/modules", "usr/lib/modules")
            ):
                for file in folder.glob("kernel/**/*.ko*"):
                    name = file.name.split(".")[0].replace("-", "_")
                    self._files[name] = (
                        f"{file.relative_to(folder).parent}/{file.name.split('.')[0]}.ko",
                        file,
                    )

    def modules(self, names: Iterable[str]) -> list[Module]:
        """The modules and all that they depend on, dependencies first.

        A name that is no module is built into the kernel or not made for it: both are left out.
        """
        ordered: dict[str, Module] = {}

        def visit(name: str) -> None:
            if name in ordered or name not in self._files:
                return
            path, file = self._files[name]
            data = _uncompressed(file)
            fields = [*elf.module_field(data, "depends"), *elf.module_field(data, "softdep")]
            depends = [word.replace("-", "_") for field in fields for word in field.replace(",", " ").split()]
            for dependency in depends:
                visit(dependency)
            known = tuple(dependency for dependency in depends if dependency in ordered)
            ordered[name] = Module(name, path, data, known)

        for name in names:
            visit(name)
        return list(ordered.values())

    def install(self, tree: Tree, names: Sequence[str]) -> None:
        """Put modules into a tree, with the two tables that modprobe reads."""
        root = f"usr/lib/modules/{self.release}"
        modules = self.modules(names)
        paths = {module.name: module.path for module in modules}
        dependencies, aliases = [], []
        for module in modules:
            tree.add_file(f"{root}/{module.path}", module.data)
            before = [paths[name] for name in reversed(_closure(module, modules))]
            dependencies.append(f"{module.path}: {' '.join(before)}".rstrip() + "\n")
            aliases += [f"alias {alias} {module.name}\n" for alias in elf.module_field(module.data, "alias")]
        tree.add_file(f"{root}/modules.dep", "".join(dependencies).encode())
        tree.add_file(f"{root}/modules.alias", "".join(aliases).encode())


def _closure(module: Module, modules: Sequence[Module]) -> list[str]:
    """All that a module needs, in the order of loading."""
    wanted = set(module.depends)
    for other in reversed(modules):
        if other.name in wanted:
            wanted.update(other.depends)
    return [other.name for other in modules if other.name in wanted]


def _uncompressed(file: Path) -> bytes:
    """busybox loads plain modules only; Debian 13 packs them with xz, Ubuntu with zstd."""
    if file.suffix == ".xz":
        return lzma.decompress(file.read_bytes())
    if file.suffix == ".zst":
        return subprocess.run(["zstd", "-dqc", str(file)], check=True, stdout=subprocess.PIPE).stdout
    return file.read_bytes()
