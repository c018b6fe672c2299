"""Which kernel an image's installer is booted with, on images that are laid out as the distributions' are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from vmforge.errors import VmforgeError
from vmforge.media.iso import IsoImage, write_iso
from vmforge.media.iso_kernels import LAYOUTS, BootFiles, Layout, Pair, find_boot_files

Disc = Callable[..., IsoImage]

DEBIAN = (
    "install.amd/vmlinuz",
    "install.amd/initrd.gz",
    "install.amd/gtk/vmlinuz",
    "install.amd/gtk/initrd.gz",
)
UBUNTU = ("casper/vmlinuz", "casper/initrd", "casper/hwe-vmlinuz", "casper/hwe-initrd")
ANACONDA = ("images/pxeboot/vmlinuz", "images/pxeboot/initrd.img", "images/install.img")
CENTOS_7 = (*ANACONDA[:2], ".treeinfo", "LiveOS/squashfs.img")
FEDORA_LIVE = (*ANACONDA[:2], "LiveOS/squashfs.img")
SUSE = ("boot/x86_64/loader/linux", "boot/x86_64/loader/initrd")
AGAMA = (*SUSE, "LiveOS/squashfs.img")
ALPINE = ("boot/vmlinuz-virt", "boot/initramfs-virt", "boot/modloop-virt", "apks/.boot_repository")
ARCH = ("arch/boot/x86_64/vmlinuz-linux", "arch/boot/x86_64/initramfs-linux.img")


@pytest.fixture
def disc(tmp_path: Path) -> Iterator[Disc]:
    """An image with files of these names."""

    opened: list[IsoImage] = []

    def make(*names: str, label: str = "label") -> IsoImage:
        path = tmp_path / "installer.iso"
        write_iso(path, {name: name.encode() for name in names}, label)
        opened.append(IsoImage(path).__enter__())
        return opened[-1]

    yield make
    for image in opened:
        image.__exit__(None, None, None)


def found(image: IsoImage, arch: str = "x86_64", **paths: str) -> tuple[str, str, str]:
    files = find_boot_files(image, arch, **paths)
    return files.kernel, files.initrd, " ".join(files.options)


@pytest.mark.parametrize(
    ("names", "options"),
    [
        (DEBIAN, ""),
        (UBUNTU, "boot=casper"),
        (ANACONDA, r"inst.stage2=hd:LABEL=Fedora\x2041"),
        (CENTOS_7, r"inst.stage2=hd:LABEL=Fedora\x2041"),
        (FEDORA_LIVE, r"root=live:CDLABEL=Fedora\x2041 rd.live.image"),
        (SUSE, ""),
        (AGAMA, r"root=live:CDLABEL=Fedora\x2041 rd.live.image"),
        (ALPINE, "modules=loop,squashfs,sd-mod,usb-storage"),
        (ARCH, r"archisobasedir=arch archisolabel=Fedora\x2041"),
        (("boot/vmlinuz", "boot/installer.img"), ""),
    ],
)
def test_each_family_is_known(disc: Disc, names: tuple[str, ...], options: str) -> None:
    image = disc(*names, "EFI/BOOT/BOOTX64.EFI", label="Fedora 41")
    assert found(image) == (names[0], names[1], options)


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.family)
def test_every_pair_of_every_layout_is_found(disc: Disc, layout: Layout) -> None:
    for arch in layout.architectures:
        for pair in layout.pairs:
            image = disc(pair.kernel, pair.initrd, *layout.needs)
            files = find_boot_files(image, arch)
            assert (files.family, files.kernel, files.initrd) == (layout.family, pair.kernel, pair.initrd)
            assert len(files.options) == len(layout.options)
    assert layout.source


@pytest.mark.parametrize(
    ("names", "kernel"),
    [
        (("install.a64/vmlinuz", "install.a64/initrd.gz", *DEBIAN), "install.a64/vmlinuz"),
        (("boot/aarch64/linux", "boot/aarch64/initrd", *SUSE), "boot/aarch64/linux"),
        (UBUNTU, "casper/vmlinuz"),
    ],
)
def test_the_kernel_is_the_processor_s(disc: Disc, names: tuple[str, ...], kernel: str) -> None:
    assert found(disc(*names), "aarch64")[0] == kernel


def test_another_kernel_comes_with_its_own_disk_and_the_image_s_options(disc: Disc) -> None:
    assert found(disc(*UBUNTU), kernel="/casper/hwe-vmlinuz") == (
        "casper/hwe-vmlinuz",
        "casper/hwe-initrd",
        "boot=casper",
    )


def test_another_disk_goes_with_the_known_kernel(disc: Disc) -> None:
    paths = {"initrd": "install.amd/gtk/initrd.gz"}
    assert found(disc(*DEBIAN), **paths)[:2] == ("install.amd/vmlinuz", "install.amd/gtk/initrd.gz")


def test_an_image_of_its_own_kind(disc: Disc) -> None:
    image = disc("live/vmlinuz-6.1", "live/initrd.img-6.1")
    files = find_boot_files(image, "x86_64", kernel="live/vmlinuz-6.1", initrd="/live/initrd.img-6.1")
    assert files == BootFiles("", "live/vmlinuz-6.1", "live/initrd.img-6.1", ())


def test_an_unknown_kernel_on_a_known_image_still_gets_the_options(disc: Disc) -> None:
    image = disc(*ANACONDA, "images/pxeboot/vmlinuz-rt", label="x")
    files = find_boot_files(image, "x86_64", kernel="images/pxeboot/vmlinuz-rt", initrd=ANACONDA[1])
    assert files.options == ("inst.stage2=hd:LABEL=x",)


@contextmanager
def refused(summary: str, hint: str) -> Iterator[None]:
    with pytest.raises(VmforgeError) as caught:
        yield
    assert summary in caught.value.message
    assert hint in caught.value.hint


def test_what_was_looked_for_and_what_there_is_are_named(disc: Disc) -> None:
    image = disc("live/vmlinuz-6.1", "live/initrd.img-6.1", "isolinux/isolinux.bin")
    with refused("\n  `install.amd/vmlinuz`: Debian\n", "the ISO has `live/vmlinuz-6.1`"):
        find_boot_files(image, "x86_64")
    with refused("no installer for aarch64", "the ISO has `live/vmlinuz-6.1`"):
        find_boot_files(image, "aarch64")
    with refused("no file `casper/vmlinuz`", "the ISO has `live/vmlinuz-6.1`"):
        find_boot_files(image, "x86_64", kernel="casper/vmlinuz")
    with refused("which initial RAM disk goes with", "the ISO has `live/initrd.img-6.1`"):
        find_boot_files(image, "x86_64", kernel="live/vmlinuz-6.1")
    with refused("no file `live/initrd`", "the ISO has `live/initrd.img-6.1`"):
        find_boot_files(image, "x86_64", kernel="live/vmlinuz-6.1", initrd="live/initrd")


def test_an_image_for_another_system(disc: Disc) -> None:
    with refused("laid out like no installer", "no file whose name looks like one"):
        find_boot_files(disc("sources/install.wim", "bootmgr"), "x86_64")


def test_a_message_names_a_few_of_many(disc: Disc) -> None:
    names = [f"kernels/vmlinuz-6.{number}" for number in range(10)]
    with refused("laid out like no installer", "`kernels/vmlinuz-6.7` and 2 more"):
        find_boot_files(disc(*names), "x86_64")


def test_layouts_are_told_apart() -> None:
    """Two families with the same kernel are told apart by what only the first one has."""
    seen: dict[tuple[str, Pair], Layout] = {}
    for layout in LAYOUTS:
        for arch in layout.architectures:
            for pair in layout.pairs:
                earlier = seen.setdefault((arch, pair), layout)
                assert earlier is layout or earlier.needs
