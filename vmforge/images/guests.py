"""The names that operating systems have in OVF, in VMware's and in VirtualBox's files."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Guest(StrEnum):
    """What is installed; `linux` and `other` fit everything that is not named."""

    OTHER = "other"
    LINUX = "linux"
    DEBIAN = "debian"
    UBUNTU = "ubuntu"
    RHEL = "rhel"
    CENTOS = "centos"
    ORACLE = "oracle"
    FEDORA = "fedora"
    SLES = "sles"
    OPENSUSE = "opensuse"
    FREEBSD = "freebsd"
    WINDOWS_10 = "windows10"
    WINDOWS_11 = "windows11"
    WINDOWS_2016 = "windows2016"
    WINDOWS_2019 = "windows2019"
    WINDOWS_2022 = "windows2022"
    WINDOWS_2025 = "windows2025"

    @property
    def is_windows(self) -> bool:
        return self.startswith("windows")


@dataclass(frozen=True)
class GuestNames:
    """`cim` is the number of CIM_OperatingSystem.OsType, `vsphere` a VirtualMachineGuestOsIdentifier
    (empty: there is none), `vmx` the value of `guestOS`, `virtualbox` one of `VBoxManage list ostypes`."""

    description: str
    cim: int
    vsphere: str
    vmx: str
    virtualbox: str


# CIM has numbers for few of the later systems, and importers know fewer; they go by VMware's name.
_CIM_LINUX_64, _CIM_OTHER_64 = 101, 102

_NAMES = {
    Guest.OTHER: GuestNames("Other (64-bit)", _CIM_OTHER_64, "otherGuest64", "other-64", "Other_64"),
    Guest.LINUX: GuestNames(
        "Linux (64-bit)", _CIM_LINUX_64, "otherLinux64Guest", "otherlinux-64", "Linux_64"
    ),
    Guest.DEBIAN: GuestNames("Debian (64-bit)", 96, "debian10_64Guest", "debian10-64", "Debian_64"),
    Guest.UBUNTU: GuestNames("Ubuntu (64-bit)", 94, "ubuntu64Guest", "ubuntu-64", "Ubuntu_64"),
    Guest.RHEL: GuestNames("Red Hat Enterprise Linux (64-bit)", 80, "rhel8_64Guest", "rhel8-64", "RedHat_64"),
    Guest.CENTOS: GuestNames("CentOS (64-bit)", 107, "centos8_64Guest", "centos8-64", "RedHat_64"),
    Guest.ORACLE: GuestNames(
        "Oracle Linux (64-bit)", 109, "oracleLinux8_64Guest", "oraclelinux8-64", "Oracle_64"
    ),
    Guest.FEDORA: GuestNames("Fedora (64-bit)", _CIM_LINUX_64, "fedora64Guest", "fedora-64", "Fedora_64"),
    Guest.SLES: GuestNames(
        "SUSE Linux Enterprise (64-bit)", 85, "sles15_64Guest", "sles15-64", "OpenSUSE_64"
    ),
    Guest.OPENSUSE: GuestNames("openSUSE (64-bit)", 83, "opensuse64Guest", "opensuse-64", "OpenSUSE_64"),
    Guest.FREEBSD: GuestNames("FreeBSD (64-bit)", 78, "freebsd64Guest", "freebsd-64", "FreeBSD_64"),
    Guest.WINDOWS_10: GuestNames(
        "Windows 10 (64-bit)", _CIM_OTHER_64, "windows9_64Guest", "windows9-64", "Windows10_64"
    ),
    Guest.WINDOWS_11: GuestNames(
        "Windows 11 (64-bit)", _CIM_OTHER_64, "windows11_64Guest", "windows11-64", "Windows11_64"
    ),
    Guest.WINDOWS_2016: GuestNames(
        "Windows Server 2016", _CIM_OTHER_64, "windows9Server64Guest", "windows9srv-64", "Windows2016_64"
    ),
    Guest.WINDOWS_2019: GuestNames(
        "Windows Server 2019", _CIM_OTHER_64, "windows2019srv_64Guest", "windows2019srv-64", "Windows2019_64"
    ),
    Guest.WINDOWS_2022: GuestNames(
        "Windows Server 2022",
        _CIM_OTHER_64,
        "windows2019srvNext_64Guest",
        "windows2019srvnext-64",
        "Windows2022_64",
    ),
    Guest.WINDOWS_2025: GuestNames(
        "Windows Server 2025",
        _CIM_OTHER_64,
        "windows2022srvNext_64Guest",
        "windows2022srvnext-64",
        "Windows2022_64",
    ),
}

_ARM_VMX = {
    Guest.DEBIAN: "arm-debian12-64",
    Guest.UBUNTU: "arm-ubuntu-64",
    Guest.FEDORA: "arm-fedora-64",
    Guest.WINDOWS_11: "arm-windows11-64",
}


def guest_names(guest: Guest, architecture: str) -> GuestNames:
    """The names of a guest on an architecture, which is the kernel's name for it (`x86_64`)."""
    names = _NAMES[guest]
    if architecture != "aarch64":
        return names
    cim = _CIM_OTHER_64 if guest in (Guest.OTHER, Guest.FREEBSD) or guest.is_windows else _CIM_LINUX_64
    return GuestNames(names.description, cim, "", _ARM_VMX.get(guest, "arm-other-64"), "")
