"""Masters the test guest: a CD that installs a small Linux, made of the distribution's own packages.

    python tests/guest/master.py --output build/tiny.iso

The packages are fetched once, through apt as this machine is configured, and kept below the work folder.
Equal packages give an equal image, byte by byte.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import iso
import system
from archives import cpio, tar
from packages import PackageError, Packages

# Every word saves time under software emulation: no self-tests of the kernel's ciphers (0.3 s of a start), no
# rewriting of its own code for one processor (0.15 s). On a busy machine its test of the timer fails, and it
# panics: so no such test. The screen comes last, which makes it the console.
KERNEL_OPTIONS = "quiet cryptomgr.notests noreplace-smp no_timer_check console=ttyS0 console=tty0"


def master(output: Path, work: Path) -> None:
    """Write the CD's image to `output`; raises PackageError."""
    sources = system.Sources(Packages(work / "packages"))
    initramfs = cpio(system.initramfs(sources))
    tools = system.tools(sources)
    bootloader = "boot/extlinux.conf"
    tools.add_file(bootloader, _with_options(tools.entries[bootloader].data))
    output.parent.mkdir(parents=True, exist_ok=True)
    folder = system.HERE / "installer"
    iso.write(
        output,
        {
            iso.BOOT_IMAGE: sources.boot_file("isolinux.bin"),
            "isolinux/ldlinux.c32": sources.boot_file("ldlinux.c32"),
            "isolinux/isolinux.cfg": _with_options((folder / "isolinux.cfg").read_bytes()),
            "isolinux/boot.msg": (folder / "boot.msg").read_bytes(),
            "boot/vmlinuz": sources.kernel.image,
            "boot/installer.img": cpio(system.installer(sources)),
            "pool/tools.tar": tar(tools),
            "pool/rootfs.tar": tar(system.root(sources, initramfs)),
        },
    )


def _with_options(text: bytes) -> bytes:
    return text.replace(b"@KERNEL_OPTIONS@", KERNEL_OPTIONS.encode())


def main() -> int:
    parser = argparse.ArgumentParser(description="Master the test guest's installation CD.")
    parser.add_argument("--output", type=Path, required=True, help="the image to write")
    parser.add_argument("--work", type=Path, help="where packages are kept (default: beside the image)")
    arguments = parser.parse_args()
    started = time.monotonic()
    try:
        master(arguments.output, arguments.work or arguments.output.parent)
    except PackageError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    size = arguments.output.stat().st_size / 1e6
    print(f"{arguments.output}: {size:.1f} MB, mastered in {time.monotonic() - started:.1f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
