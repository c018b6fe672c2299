"""What installers' images are told by: labels and texts as publishers write them, and images with those."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import pycdlib
import pytest

import boot_configs
from vmforge.media.iso import BootEntry, IsoImage, write_iso
from vmforge.media.iso_identity import IsoIdentity, IsoTraits, identify, identify_image
from vmforge.media.wim import WindowsImage, read_images

ROOT = Path(__file__).resolve().parents[3]

# Volume ids of media (libosinfo's `tests/isodata` has them too): title, boot config
LABELS = {
    "Debian 12.5.0 amd64 n": ("Debian 12.5 amd64 netinst", "debian-12"),
    "Debian 11.9.0 amd64 1": ("Debian 11.9 amd64 dvd", "debian-11"),
    "Debian 13.1.0 arm64 n": ("Debian 13.1 arm64 netinst", "debian-13"),
    "Ubuntu-Server 24.04.2 LTS amd64": ("Ubuntu 24.04.2 amd64 server", "ubuntu-24.04"),
    "Ubuntu 22.04.4 LTS amd64": ("Ubuntu 22.04.4 amd64 desktop", "ubuntu-22.04"),
    "Kubuntu 24.04 LTS amd64": ("Ubuntu 24.04 amd64 kubuntu", "ubuntu-24.04"),
    "Fedora-S-dvd-x86_64-42": ("Fedora 42 x86_64 s-dvd", "fedora-42"),
    "Fedora-WS-Live-41-1-4": ("Fedora 41 ws-live", "fedora-41"),
    "CentOS-Stream-9-BaseOS-x86_64": ("CentOS Stream 9 x86_64", "centos-stream-9"),
    "RHEL-9-4-0-BaseOS-x86_64": ("RHEL 9.4 x86_64", "rhel-9"),
    "RHEL-7.9 Server.x86_64": ("RHEL 7.9 x86_64", ""),
    "AlmaLinux-9-4-x86_64-dvd": ("AlmaLinux 9.4 x86_64 dvd", "almalinux-9"),
    "Rocky-9-4-x86_64-minimal": ("Rocky Linux 9.4 x86_64 minimal", "rocky-9"),
    "OL-9-4-0-BaseOS-x86_64": ("Oracle Linux 9.4 x86_64", "oracle-9"),
    "OL-7.9 Server.x86_64": ("Oracle Linux 7.9 x86_64", ""),
    "openSUSE-Leap-15.6-DVD-x86_64710": ("openSUSE Leap 15.6 x86_64 dvd", "opensuse-leap-15.6"),
    "Leap-16.0-online-installer-x86_64": ("openSUSE Leap 16.0 x86_64 online-installer", "opensuse-leap-16.0"),
    "Install-Leap-16.0": ("openSUSE Leap 16.0", "opensuse-leap-16.0"),
    "openSUSE-Tumbleweed-DVD-x86_6420": ("openSUSE Tumbleweed x86_64 dvd", "opensuse-tumbleweed"),
    "SLE-15-SP6-Full-x86_6472.1": ("SLES 15.6 x86_64 full", "sles-15"),
    "SLES-16.0-Full-x86_64-GM": ("SLES 16.0 x86_64 full", "sles-16"),
    "alpine-virt 3.19.1 x86_64": ("Alpine 3.19.1 x86_64 virt", "alpine-3.19"),
    "alpine-std 3.21.0_rc2 aarch64": ("Alpine 3.21.0_rc2 aarch64 std", "alpine-3.21"),
    "ARCH_202406": ("Arch Linux 2024.06", "arch"),
    "14_1_RELEASE_AMD64_CD": ("FreeBSD 14.1 amd64 cd", "freebsd-14"),
    "13_2_RELEASE_AMD64_BO": ("FreeBSD 13.2 amd64 bootonly", "freebsd-13"),
    "14_0_RELEASE_ARM64_AARCH64_DVD": ("FreeBSD 14.0 aarch64 dvd", "freebsd-14"),
    "OpenBSD/amd64   7.5 Install CD": ("OpenBSD 7.5 amd64 install", "openbsd-7.5"),
    "OpenBSD/amd64   7.5 boot-only CD": ("OpenBSD 7.5 amd64 bootonly", "openbsd-7.5"),
    "SSS_X64FREE_EN-US_DV9": ("Windows Server x64", ""),
    "CCCOMA_X64FRE_EN-US_DV9": ("Windows x64", ""),
    "TINY_LINUX": ("vmforge's test guest", ""),
}


@pytest.mark.parametrize("label", LABELS)
def test_labels(label):
    title, config = LABELS[label]
    identity = identify(IsoTraits(label))
    assert identity.title == title
    if config:
        assert config in identity.config_names


@pytest.mark.parametrize("label", [label for label, (_, config) in LABELS.items() if config])
def test_the_first_boot_config_that_there_is_fits(label):
    """A medium leads to the boot config of its own version, never to a namesake of another."""
    config = LABELS[label][1]
    found = next((name for name in identify(IsoTraits(label)).config_names if _is_known(name)), None)
    if found is None:
        assert not _is_known(config)
    else:
        assert boot_configs.load(found).name == config or config not in boot_configs.names()


def _is_known(name: str) -> bool:
    try:
        boot_configs.load(name)
    except boot_configs.UnknownName:
        return False
    return True


@pytest.mark.parametrize(
    "label",
    ["", "CDROM", "cidata", "Debian", "My Debian 12 amd64", "UBUNTU", "virtio-win-0.1.240", "ISOIMAGE"],
)
def test_other_labels_say_nothing(label):
    identity = identify(IsoTraits(label))
    assert (identity.known, identity.title, identity.config_names) == (False, "unknown", ())


TEXTS = [
    (
        {".disk/info": 'Debian GNU/Linux 12.5.0 "Bookworm" - Official amd64 NETINST with firmware 20240210'},
        ("Debian 12.5 amd64 netinst", "bookworm"),
    ),
    (
        {".disk/info": 'Debian GNU/Linux 12.15 "Bookworm" - Unofficial amd64 BC Binary-1 20260706-18:34\n'},
        ("Debian 12.15 amd64 businesscard", "bookworm"),
    ),
    (
        {".disk/info": 'Debian GNU/Linux 12.4.0 "Bookworm" - Official amd64 DVD Binary-1 with firmware 2023'},
        ("Debian 12.4 amd64 dvd", "bookworm"),
    ),
    (
        {".disk/info": 'Debian GNU/Linux testing "Trixie" - Official Snapshot amd64 NETINST 20240101-03:14'},
        ("Debian testing amd64 netinst", "trixie"),
    ),
    (
        {".disk/info": 'Ubuntu-Server 24.04.1 LTS "Noble Numbat" - Release amd64 (20240827)'},
        ("Ubuntu 24.04.1 amd64 server", "noble"),
    ),
    (
        {".disk/info": 'Ubuntu 25.10 "Questing Quokka" - Beta arm64 (20250918)'},
        ("Ubuntu 25.10 arm64 desktop", "questing"),
    ),
    (
        {"media.1/media": "openSUSE - openSUSE-Leap-15.6-NET-x86_64-Build710.3-Media\n1"},
        ("openSUSE Leap 15.6 x86_64 network", ""),
    ),
    (
        {"media.1/media": "openSUSE - openSUSE-Tumbleweed-DVD-x86_64-Snapshot20240601-Media\n"},
        ("openSUSE Tumbleweed 20240601 x86_64 dvd", ""),
    ),
    ({"media.1/media": "SUSE - SLE-15-SP5-Full-x86_64-GM-Media\nx\n1"}, ("SLES 15.5 x86_64 full", "")),
    ({".alpine-release": "alpine-standard-3.20.0 240522\n"}, ("Alpine 3.20.0 standard", "")),
    ({"arch/version": "2024.06.01\n"}, ("Arch Linux 2024.06.01", "")),
    ({"bin/freebsd-version": '#!/bin/sh\nUSERLAND_VERSION="14.1-RELEASE"\n'}, ("FreeBSD 14.1", "")),
]


@pytest.mark.parametrize(("texts", "expected"), TEXTS, ids=lambda value: "")
def test_texts(texts, expected):
    identity = identify(IsoTraits("CDROM", texts=texts))
    assert (identity.title, identity.codename) == expected


TREEINFO = """[header]
type = productmd.treeinfo

[general]
; an older form of what [release] says
arch = {arch}
family = {family}
name = {family} {version}
variant = {variant}
version = {version}

[release]
name = {family}
version = {version}
"""


@pytest.mark.parametrize(
    ("family", "version", "label", "title"),
    [
        ("Fedora", "42", "Fedora-S-dvd-x86_64-42", "Fedora 42 x86_64 s-dvd"),
        ("CentOS Stream", "9", "whatever", "CentOS Stream 9 x86_64 baseos"),
        ("Red Hat Enterprise Linux", "9.4", "RHEL-9-4-0-BaseOS-x86_64", "RHEL 9.4 x86_64 baseos"),
        ("AlmaLinux", "9.4", "AlmaLinux-9-4-x86_64-boot", "AlmaLinux 9.4 x86_64 boot"),
        ("Rocky Linux", "9.4", "Rocky-9-4-x86_64-dvd", "Rocky Linux 9.4 x86_64 dvd"),
        ("Oracle Linux Server", "9.4", "OL-9-4-0-BaseOS-x86_64", "Oracle Linux 9.4 x86_64 baseos"),
        # the text says more than the label, of which somebody made an image of their own
        ("Fedora", "43", "Fedora-S-dvd-x86_64-42", "Fedora 43 x86_64 s-dvd"),
    ],
)
def test_treeinfo(family, version, label, title):
    text = TREEINFO.format(family=family, version=version, arch="x86_64", variant="BaseOS")
    assert identify(IsoTraits(label, texts={".treeinfo": text})).title == title


@pytest.mark.parametrize(
    "text", ["", "no ini", "[general]\nfamily = Hannah Montana\nversion = 1\n", "[general\n"]
)
def test_treeinfo_that_says_nothing(text):
    assert not identify(IsoTraits("", texts={".treeinfo": text})).known


def test_signs_complete_each_other():
    traits = IsoTraits(
        "ARCH_202406",
        texts={"arch/version": "2024.06.01\n"},
        paths=frozenset({"arch/boot/x86_64/vmlinuz-linux"}),
    )
    assert identify(traits) == IsoIdentity("arch", "Arch Linux", "2024.06.01", arch="x86_64")


def test_service_packs_in_the_names_of_boot_configs():
    names = identify(IsoTraits("SLE-15-SP6-Online-x86_64-GM")).config_names
    assert names[:3] == ("sles-15-sp6", "sles-15.6", "sles-15")


# -- Windows ------------------------------------------------------------------------------------


def wim(xml: str, *, bom: bool = True) -> bytes:
    """A WIM file with nothing in it but the header, bytes between, and the XML."""
    text = xml.encode("utf-16" if bom else "utf-16-le")
    header = bytearray(208)
    header[:8] = b"MSWIM\0\0\0"
    struct.pack_into("<QQQ", header, 0x48, len(text) | 0x02 << 56, 4096, len(text))
    return bytes(header).ljust(4096, b"\xaa") + text


def image_xml(name: str, build: int, kind: str, edition: str, arch: int = 9) -> str:
    return (
        f'<IMAGE INDEX="1"><NAME>{name}</NAME><WINDOWS><ARCH>{arch}</ARCH><EDITIONID>{edition}</EDITIONID>'
        f"<INSTALLATIONTYPE>{kind}</INSTALLATIONTYPE><LANGUAGES><LANGUAGE>en-US</LANGUAGE>"
        f"<DEFAULT>en-US</DEFAULT></LANGUAGES><VERSION><MAJOR>10</MAJOR><BUILD>{build}</BUILD>"
        f"<SPBUILD>587</SPBUILD></VERSION></WINDOWS></IMAGE>"
    )


@pytest.mark.parametrize("bom", [True, False])
def test_a_wim_file_tells_of_its_images(bom):
    xml = (
        f"<WIM><TOTALBYTES>1</TOTALBYTES>{image_xml('Windows 11 Pro', 22631, 'Client', 'Professional')}</WIM>"
    )
    assert read_images(io.BytesIO(wim(xml, bom=bom))) == [
        WindowsImage(1, "Windows 11 Pro", "Professional", "Client", "x86_64", 22631, 587, ("en-US",))
    ]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"MSWIM\0\0\0",
        b"x" * 4096,
        wim("<WIM>"),
        wim("\x00\x01"),
        wim('<!DOCTYPE x [<!ENTITY a "b">]><WIM/>'),
    ],
)
def test_what_is_no_wim_file(data):
    with pytest.raises(ValueError, match=r"is|has|cannot"):
        read_images(io.BytesIO(data))


@pytest.mark.parametrize(
    ("build", "kind", "edition", "arch", "title", "config"),
    [
        (
            17763,
            "Server Core",
            "ServerStandardEval",
            9,
            "Windows Server 2019 x64 evaluation",
            "windows-server-2019",
        ),
        (20348, "Server", "ServerStandard", 9, "Windows Server 2022 x64", "windows-server-2022"),
        (26100, "Server", "ServerDatacenter", 9, "Windows Server 2025 x64", "windows-2025"),
        (19045, "Client", "Professional", 9, "Windows 10 x64", "windows-10"),
        (26100, "Client", "Professional", 12, "Windows 11 arm64", "windows-11"),
    ],
)
def test_windows_by_the_builds_of_its_editions(build, kind, edition, arch, title, config, tmp_path):
    disc = windows_disc(
        tmp_path,
        {"/sources/install.wim": wim(f"<WIM>{image_xml('An Edition', build, kind, edition, arch)}</WIM>")},
    )
    with IsoImage(disc) as image:
        identity = identify_image(image)
    assert (identity.title, identity.editions) == (title, ("An Edition",))
    assert config in identity.config_names


def test_windows_by_its_setup_program_alone(tmp_path):
    setup = image_xml("Microsoft Windows Setup (x64)", 20348, "WindowsPE", "WindowsPE")
    for label, title in (("SSS_X64FRE_EN-US_DV9", "Windows Server 2022 x64"), ("OWN", "Windows 10 x64")):
        content = {"/sources/boot.wim": wim(f"<WIM>{setup}</WIM>"), "/sources/install.wim": b"damaged"}
        with IsoImage(windows_disc(tmp_path, content, label)) as image:
            assert identify_image(image).title == title


def test_windows_without_a_readable_wim(tmp_path):
    with IsoImage(windows_disc(tmp_path, {"/sources/boot.wim": b"damaged"}, "OWN")) as image:
        assert identify_image(image).title == "Windows"


def windows_disc(folder: Path, contents: dict[str, bytes], label: str = "CCCOMA_X64FRE_EN-US_DV9") -> Path:
    """A disc whose files only UDF knows, as Microsoft's; names in upper case, for which nobody cares."""
    disc = pycdlib.PyCdlib()
    disc.new(interchange_level=3, udf="2.60", vol_ident=label)
    disc.add_fp(io.BytesIO(b"see UDF"), 7, iso_path="/README.TXT;1", udf_path="/README.TXT")
    disc.add_directory(udf_path="/SOURCES")
    disc.add_fp(io.BytesIO(b"x"), 1, udf_path="/bootmgr")
    for path, data in contents.items():
        disc.add_fp(io.BytesIO(data), len(data), udf_path=f"/SOURCES/{path.rpartition('/')[2].upper()}")
    disc.write(str(folder / "windows.iso"))
    disc.close()
    return folder / "windows.iso"


# -- images -------------------------------------------------------------------------------------


def test_an_image_is_told_by_its_files(tmp_path):
    contents = {
        ".disk/info": b'Debian GNU/Linux 12.5.0 "Bookworm" - Official amd64 NETINST with firmware 20240210\n',
        "install.amd/vmlinuz": b"kernel",
    }
    write_iso(tmp_path / "x.iso", contents, "CDROM")
    with IsoImage(tmp_path / "x.iso") as image:
        assert identify_image(image).title == "Debian 12.5 amd64 netinst"
        assert image.boot_entries() == []
        assert image.size == (tmp_path / "x.iso").stat().st_size


def test_how_an_image_boots(tmp_path):
    disc = pycdlib.PyCdlib()
    disc.new(interchange_level=3, rock_ridge="1.09", vol_ident="x")
    for name in ("BIOS", "EFI"):
        disc.add_fp(io.BytesIO(b"boot" * 512), 2048, iso_path=f"/{name}.IMG;1", rr_name=f"{name.lower()}.img")
    disc.add_eltorito("/BIOS.IMG;1", bootcatfile="/BOOT.CAT;1", rr_bootcatname="boot.cat")
    disc.add_eltorito("/EFI.IMG;1", efi=True, platform_id=0xEF)
    disc.write(str(tmp_path / "x.iso"))
    disc.close()
    with IsoImage(tmp_path / "x.iso") as image:
        assert image.boot_entries() == [BootEntry("BIOS", "bios.img"), BootEntry("UEFI", "efi.img")]


@pytest.mark.parametrize(
    ("path", "title"),
    [
        (ROOT / "build" / "tiny.iso", "vmforge's test guest"),
        (ROOT.parent / "shared" / "media" / "debian-12-installer.iso", "Debian 12.15 amd64 businesscard"),
    ],
)
def test_real_images(path, title):
    if not path.exists():
        pytest.skip(f"{path.name} is not here")
    with IsoImage(path) as image:
        assert identify_image(image).title == title
        assert [entry.platform for entry in image.boot_entries()] == ["BIOS"]
