"""Debian's installer for machines with UEFI, out of the ISO of `shared/media`, which a BIOS alone can boot.

What that ISO lacks are a boot loader for UEFI, and two of the installer's components: partitions for EFI, and
the firmware's variables. They come from the archive of packages that this machine uses itself.
"""

from __future__ import annotations

import gzip
import lzma
import re
import shutil
import subprocess
import urllib.error
from pathlib import Path

import pytest

from tests.integration import debian

_NEEDED = ("grub-mkrescue", "xorriso", "mformat", "cpio", "depmod", "dpkg-deb")
# The archive may have a component's newest file only; the ISO has several of the release after its own.
_SUITES = ("bookworm", "trixie")
# As in Debian's own images: a picture behind a menu that waits.
_MENU = """\
if loadfont /boot/grub/fonts/unicode.pf2; then
  set gfxmode=800x600
  set gfxpayload=keep
  insmod all_video
  insmod gfxterm
  insmod png
  terminal_output gfxterm
  background_image /isolinux/splash.png
fi
menuentry 'Graphical install' {
  linux /install.amd/vmlinuz vga=788 --- quiet
  initrd /install.amd/initrd.gz
}
menuentry 'Install' {
  linux /install.amd/vmlinuz vga=788 --- quiet
  initrd /install.amd/initrd.gz
}
"""


def medium(original: Path) -> Path:
    """The ISO, made once in the clone's build folder; skips where what makes it is missing."""
    for program in _NEEDED:
        if shutil.which(program) is None:
            pytest.skip(f"an installer for UEFI is made by `{program}`, which is not in PATH")
    folder = debian.ROOT / "build" / "debian-12-efi"
    made = folder / "debian-12-efi.iso"
    if not made.exists() or made.stat().st_mtime < original.stat().st_mtime:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        _make(original, made, folder)
    return made


def _make(original: Path, made: Path, folder: Path) -> None:
    tree = folder / "tree"
    _run("xorriso", "-osirrox", "on", "-indev", original, "-extract", "/", tree)
    _run("chmod", "-R", "u+w", tree)
    initrd = tree / "install.amd" / "initrd.gz"
    # the kernel unpacks one archive after the other
    initrd.write_bytes(initrd.read_bytes() + _components(initrd, folder))
    (tree / "boot" / "grub").mkdir(parents=True)
    (tree / "boot" / "grub" / "grub.cfg").write_text(_MENU)
    loader = _unpacked(_package("grub-efi-amd64-bin", "main/binary-amd64"), folder / "grub")
    staged = made.with_suffix(".part")
    modules = loader / "usr" / "lib" / "grub" / "x86_64-efi"
    _run("grub-mkrescue", f"--directory={modules}", "-o", staged, tree, "--", "-volid", "Debian 12 amd64 efi")
    staged.replace(made)
    shutil.rmtree(tree)


def _components(initrd: Path, folder: Path) -> bytes:
    """An archive to be unpacked over the installer's."""
    whole, added = folder / "whole", folder / "added"
    whole.mkdir()
    text = gzip.decompress(initrd.read_bytes())
    subprocess.run(["cpio", "-idm", "--quiet", "lib/modules/*"], cwd=whole, input=text, check=True)
    [kernel] = [path.name for path in (whole / "lib" / "modules").iterdir()]
    for name in (f"efi-modules-{kernel}-di", "partman-efi"):
        package = _package(name, "main/debian-installer/binary-amd64")
        _unpacked(package, added)
        _run("dpkg-deb", "-e", package, folder / name)
        if (templates := folder / name / "templates").exists():
            known = added / "var" / "lib" / "dpkg" / "info" / f"{name}.templates"
            known.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(templates, known)
    shutil.copytree(added / "lib" / "modules", whole / "lib" / "modules", dirs_exist_ok=True)
    _run("depmod", "-b", whole, kernel)
    for index in (whole / "lib" / "modules" / kernel).glob("modules.*"):
        shutil.copy(index, added / "lib" / "modules" / kernel)
    listing = "\n".join(str(path.relative_to(added)) for path in sorted(added.rglob("*")))
    command = ["cpio", "-o", "-H", "newc", "-R", "0:0", "--quiet"]
    packed = subprocess.run(command, cwd=added, input=listing.encode(), capture_output=True, check=True)
    return gzip.compress(packed.stdout)


def _package(name: str, component: str) -> Path:
    """A package's file, out of the first suite that has it."""
    site = debian.mirror()
    target = debian.ROOT / "build" / "debian-12-efi" / f"{name}.package"
    for suite in _SUITES:
        index = lzma.decompress(debian.fetch(f"{site}/dists/{suite}/{component}/Packages.xz")).decode()
        found = re.search(rf"^Package: {re.escape(name)}\n(?:.+\n)*?Filename: (.+)$", index, re.MULTILINE)
        if found is None:
            continue
        try:
            target.write_bytes(debian.fetch(f"{site}/{found[1]}"))
        except urllib.error.HTTPError:
            continue
        return target
    pytest.skip(f"the archive `{site}` has no package `{name}`")


def _unpacked(package: Path, folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    _run("dpkg-deb", "-x", package, folder)
    return folder


def _run(*command: str | Path) -> None:
    done = subprocess.run([str(part) for part in command], check=False, capture_output=True, text=True)
    assert done.returncode == 0, f"{command}: {done.stderr}"
