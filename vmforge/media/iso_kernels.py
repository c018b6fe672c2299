"""Where installers' images keep their kernel and initial RAM disk, and what their boot loaders tell them."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable
from dataclasses import dataclass

from vmforge.errors import VmforgeError
from vmforge.media.iso import IsoImage

# Names that distributions give to kernels and to initial RAM disks.
_KERNEL_NAME = re.compile(
    r"(hwe-)?(vmlinu[xz]|bzimage|linux|linux26|image|kernel)\d*([-.].*)?", re.IGNORECASE
)
_INITRD_NAME = re.compile(r"(hwe-)?(initrd|initramfs|uinitrd)\d*([-.].*)?", re.IGNORECASE)
# A message names no more files than these.
_FEW = 8


@dataclass(frozen=True, slots=True)
class Pair:
    """A kernel and its initial RAM disk, by their paths in the image."""

    kernel: str
    initrd: str


@dataclass(frozen=True, slots=True)
class Layout:
    """How the images of a family of installers are laid out.

    `pairs` are tried in order. `needs`, if any: one of these files is there too, which tells the family from
    others with the same paths. `options` are what the family's own boot loader puts on the command line and
    the installer does not start without; `{label}` in them is the image's label. `source` is where this
    stands.
    """

    family: str
    source: str
    pairs: tuple[Pair, ...]
    architectures: tuple[str, ...] = ("x86_64", "aarch64")
    needs: tuple[str, ...] = ()
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class BootFiles:
    """What to boot an image's installer with; `family` is empty for one that no layout describes."""

    family: str
    kernel: str
    initrd: str
    options: tuple[str, ...]


def _debian(folder: str) -> tuple[Pair, ...]:
    text, graphical = f"install.{folder}", f"install.{folder}/gtk"
    return tuple(Pair(f"{place}/vmlinuz", f"{place}/initrd.gz") for place in (text, graphical))


def _live(arch: str) -> Layout:
    return Layout(
        "dracut's live system (Fedora's live images, Agama of SUSE)",
        "https://man7.org/linux/man-pages/man7/dracut.cmdline.7.html",
        (
            Pair("images/pxeboot/vmlinuz", "images/pxeboot/initrd.img"),
            Pair(f"boot/{arch}/loader/linux", f"boot/{arch}/loader/initrd"),
        ),
        (arch,),
        needs=("LiveOS/squashfs.img",),
        options=("root=live:CDLABEL={label}", "rd.live.image"),
    )


# The first layout that fits an image is used.
LAYOUTS = (
    Layout(
        "Debian",
        "https://salsa.debian.org/images-team/debian-cd/-/blob/master/tools/boot/bookworm/boot-x86",
        _debian("amd"),
        ("x86_64",),
    ),
    Layout(
        "Debian",
        "https://salsa.debian.org/images-team/debian-cd/-/blob/master/tools/boot/bookworm/boot-x86",
        _debian("386"),
        ("x86_64", "i686"),
    ),
    Layout(
        "Debian",
        "https://salsa.debian.org/images-team/debian-cd/-/blob/master/tools/boot/bookworm/boot-arm64",
        _debian("a64"),
        ("aarch64",),
    ),
    Layout(
        "Ubuntu",
        # `boot=casper` is what Ubuntu's own initrd takes for granted, and that of its derivatives does not
        "https://manpages.ubuntu.com/manpages/noble/man7/casper.7.html",
        (
            Pair("casper/vmlinuz", "casper/initrd"),
            Pair("casper/vmlinuz", "casper/initrd.lz"),
            Pair("casper/vmlinuz", "casper/initrd.gz"),
            Pair("casper/hwe-vmlinuz", "casper/hwe-initrd"),
        ),
        options=("boot=casper",),
    ),
    Layout(
        "Ubuntu's old installer",
        "isolinux/txt.cfg in the images of Ubuntu 16.04 and 18.04 server",
        (Pair("install/vmlinuz", "install/initrd.gz"), Pair("install/hwe-vmlinuz", "install/hwe-initrd.gz")),
    ),
    Layout(
        "Anaconda (Fedora, RHEL and their relatives)",
        "https://anaconda-installer.readthedocs.io/en/latest/boot-options.html#inst-stage2",
        (Pair("images/pxeboot/vmlinuz", "images/pxeboot/initrd.img"),),
        needs=(".treeinfo", "images/install.img"),
        options=("inst.stage2=hd:LABEL={label}",),
    ),
    _live("x86_64"),
    _live("aarch64"),
    Layout(
        "YaST (openSUSE, SLES)",
        # linuxrc looks for the repository on every disc by itself: https://en.opensuse.org/SDB:Linuxrc
        "boot/x86_64/loader/isolinux.cfg in the images",
        (Pair("boot/x86_64/loader/linux", "boot/x86_64/loader/initrd"),),
        ("x86_64",),
    ),
    Layout(
        "YaST (openSUSE, SLES)",
        "https://github.com/openSUSE/installation-images/blob/master/data/boot/grub-aarch64.cfg",
        (Pair("boot/aarch64/linux", "boot/aarch64/initrd"),),
        ("aarch64",),
    ),
    Layout(
        "Alpine",
        "https://gitlab.alpinelinux.org/alpine/aports/-/blob/master/scripts/mkimg.base.sh",
        tuple(
            Pair(f"boot/vmlinuz-{flavour}", f"boot/initramfs-{flavour}")
            for flavour in ("virt", "lts", "stable", "vanilla")
        ),
        options=("modules=loop,squashfs,sd-mod,usb-storage",),
    ),
    Layout(
        "Arch",
        "https://gitlab.archlinux.org/archlinux/archiso/-/blob/master/configs/releng/syslinux/archiso_sys-linux.cfg",
        (Pair("arch/boot/x86_64/vmlinuz-linux", "arch/boot/x86_64/initramfs-linux.img"),),
        ("x86_64",),
        options=("archisobasedir=arch", "archisolabel={label}"),
    ),
    Layout(
        "the guest of vmforge's own tests",
        "tests/guest/master.py",
        (Pair("boot/vmlinuz", "boot/installer.img"),),
        ("x86_64",),
    ),
)


def find_boot_files(image: IsoImage, arch: str, *, kernel: str = "", initrd: str = "") -> BootFiles:
    """What the installer of an image is booted with on a processor of `arch` (libvirt's name).

    `kernel` and `initrd` are paths in the image that are used whatever the layouts say. Raises VmforgeError
    when a file is not there or none is known, naming those of the image that look like one.
    """
    kernel, initrd = kernel.lstrip("/"), initrd.lstrip("/")
    for option, path, pattern in (
        ("kernel_path", kernel, _KERNEL_NAME),
        ("initrd_path", initrd, _INITRD_NAME),
    ):
        if path and path not in image:
            raise VmforgeError(
                f"`{option}`: there is no file `{path}` in `{image.path}`", hint=_candidates(image, pattern)
            )
    layout, pair = _choose(image, arch, kernel, initrd)
    if not (kernel or pair):
        raise _nothing_known(image, arch)
    if not (initrd or pair):
        raise VmforgeError(
            f"nothing says which initial RAM disk goes with the kernel `{kernel}` in `{image.path}`",
            hint=f"set `initrd_path`; {_candidates(image, _INITRD_NAME)}",
        )
    return BootFiles(
        layout.family if layout else "",
        kernel or (pair.kernel if pair else ""),
        initrd or (pair.initrd if pair else ""),
        _filled(layout, image.volume_id),
    )


def _choose(image: IsoImage, arch: str, kernel: str, initrd: str) -> tuple[Layout | None, Pair | None]:
    """The layout of an image, and the pair in it that holds the given kernel (or any, when none is given).
    The layout of an image with another kernel than that still tells the options."""
    fitting = [layout for layout in LAYOUTS if arch in layout.architectures and _is_met(layout, image)]
    present = [
        (layout, pair)
        for layout in fitting
        for pair in layout.pairs
        if pair.kernel in image and (initrd or pair.initrd in image)
    ]
    for layout, pair in present:
        if kernel in ("", pair.kernel):
            return layout, pair
    return (present[0][0] if present else None), None


def _is_met(layout: Layout, image: IsoImage) -> bool:
    return not layout.needs or any(path in image for path in layout.needs)


def _filled(layout: Layout | None, label: str) -> tuple[str, ...]:
    # as udev writes a label that has spaces, and Anaconda and dracut read it
    escaped = label.replace("\\", r"\x5c").replace(" ", r"\x20").replace("/", r"\x2f")
    return tuple(option.format(label=escaped) for option in layout.options) if layout else ()


def _nothing_known(image: IsoImage, arch: str) -> VmforgeError:
    known = [(layout.family, layout.pairs[0].kernel) for layout in LAYOUTS if arch in layout.architectures]
    tried = "".join(f"\n  `{kernel}`: {family}" for family, kernel in known)
    return VmforgeError(
        f"`{image.path}` is laid out like no installer for {arch} that is known; looked for{tried}",
        hint=f"set `kernel_path` and `initrd_path`; {_candidates(image, _KERNEL_NAME)}",
    )


def _candidates(image: IsoImage, pattern: re.Pattern[str]) -> str:
    """A hint: the files that look like what is missing."""
    found = sorted(path for path in image.files() if pattern.fullmatch(posixpath.basename(path)))
    return f"the ISO has {_listed(found)}" if found else "the ISO has no file whose name looks like one"


def _listed(paths: Iterable[str]) -> str:
    every = [f"`{path}`" for path in paths]
    return ", ".join(every[:_FEW]) + (f" and {len(every) - _FEW} more" if len(every) > _FEW else "")
