"""The signs that publishers give their installers' images, and their words for what is one thing: data.

The labels are those of the media themselves, as the database of libosinfo has them too
(https://gitlab.com/libosinfo/osinfo-db, `tests/isodata`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

# Labels that are not in files; in a sign they stand for these.
VOLUME: Final = "volume id"
APPLICATION: Final = "application id"


@dataclass(frozen=True, slots=True)
class Sign:
    """A pattern (case does not matter, `^` and `$` are those of lines) that is searched for in a label or a
    file of an image.

    Its groups are fields of an identity; `version` may be given in two parts, `major` and `minor`.
    """

    system: str
    name: str
    place: str
    pattern: str


_ARCH: Final = (
    r"(?P<arch>amd64|x86_64|x86|i[3-6]86|arm64|aarch64|armhf|armv7l?|ppc64el|ppc64le|ppc64|s390x|riscv64)"
)
_SUSE_PLACES: Final = (APPLICATION, "media.1/media", VOLUME)
# a label has room for 32 letters, and the end of a longer one is not there
_SUSE_REST: Final = rf"(?:(?:[-_ ](?P<variant>[a-z][\w-]*?))?[-_ .]{_ARCH})?"

SIGNS: Final = (
    Sign(
        "debian",
        "Debian",
        ".disk/info",
        r"^(?:Official )?Debian GNU/Linux (?:Live )?(?P<version>[\d.]+|testing|unstable|sid)?"
        r'[^"]*"(?P<codename>\w+)"'
        rf"(?:.*?\b{_ARCH}(?: (?P<variant>NETINST|BC|DVD|BD|DLBD|CD|STICK\w*))?)?",
    ),
    Sign("debian", "Debian", VOLUME, rf"^Debian (?P<version>[\d.]+|testing) {_ARCH} (?P<variant>n|bc|\d+)$"),
    Sign("debian", "Debian", VOLUME, rf"^d-live (?P<version>[\d.]+|testing)(?P<variant>) \w+ {_ARCH}"),
    Sign(
        "ubuntu",
        "Ubuntu",
        ".disk/info",
        r"^(?P<variant>[KXL]?ubuntu[\w -]*?) (?P<version>\d\d\.\d\d(?:\.\d+)?)(?: LTS)?"
        rf' "(?P<codename>\w+)[^"]*" - .*?\b{_ARCH}\b',
    ),
    Sign(
        "ubuntu",
        "Ubuntu",
        VOLUME,
        rf"^(?P<variant>[KXL]?ubuntu[\w -]*?) (?P<version>\d\d\.\d\d(?:\.\d+)?)(?: LTS)? {_ARCH}$",
    ),
    Sign(
        "fedora",
        "Fedora",
        VOLUME,
        rf"^Fedora-(?P<variant>[\w]+-(?:dvd|netinst|ostree|boot))-{_ARCH}-(?P<version>\d+|rawh)",
    ),
    Sign("fedora", "Fedora", VOLUME, r"^Fedora-(?P<variant>\w+-Live)-(?P<version>\d+|rawh)"),
    Sign(
        "centos-stream",
        "CentOS Stream",
        VOLUME,
        rf"^CentOS-Stream-(?:(?P<version>\d+)-)?(?:BaseOS-)?{_ARCH}(?:-(?P<variant>\w+))?$",
    ),
    Sign("rhel", "RHEL", VOLUME, rf"^RHEL-(?P<major>\d+)[.-](?P<minor>\d+)\S*?[-. ](?:\w+\.)?{_ARCH}$"),
    Sign(
        "almalinux",
        "AlmaLinux",
        VOLUME,
        rf"^AlmaLinux-(?P<major>\d+)-(?P<minor>\d+)(?:-update-\d+)?-{_ARCH}(?:-(?P<variant>.+))?$",
    ),
    Sign(
        "almalinux", "AlmaLinux", VOLUME, r"^AlmaLinux-(?P<major>\d+)[-_.](?P<minor>\d+)-.*(?P<variant>Live)"
    ),
    Sign(
        "rocky",
        "Rocky Linux",
        VOLUME,
        rf"^Rocky-(?P<major>\d+)-(?P<minor>\d+)-{_ARCH}(?:-(?P<variant>.+))?$",
    ),
    Sign(
        "oracle", "Oracle Linux", VOLUME, rf"^OL-(?P<major>\d+)[.-](?P<minor>\d+)\S*?[-. ](?:\w+\.)?{_ARCH}$"
    ),
    *(
        sign
        for place in _SUSE_PLACES
        for sign in (
            Sign(
                "opensuse-tumbleweed",
                "openSUSE Tumbleweed",
                place,
                rf"openSUSE-Tumbleweed-(?P<variant>[\w-]+?)-{_ARCH}(?:-Snapshot(?P<version>\d{{8}}))?",
            ),
            Sign(
                "opensuse-leap",
                "openSUSE Leap",
                place,
                rf"(?:openSUSE-)?\bLeap[-_ ](?P<version>\d\d\.\d){_SUSE_REST}",
            ),
            Sign(
                "sles",
                "SLES",
                place,
                rf"\bSLES?-(?P<major>1[0-5])(?:-SP(?P<minor>\d))?-(?P<variant>[\w-]+?)-{_ARCH}",
            ),
            Sign(
                "sles",
                "SLES",
                place,
                rf"\bSLES?[-_ ](?P<version>\d\d\.\d){_SUSE_REST}",
            ),
        )
    ),
    Sign(
        "alpine",
        "Alpine",
        VOLUME,
        rf"^alpine-(?P<variant>\w+) (?P<version>\d+\.\d+(?:[._]\w+)*|\d{{6,8}}) {_ARCH}$",
    ),
    Sign(
        "alpine",
        "Alpine",
        ".alpine-release",
        r"^alpine-(?P<variant>\w+)[- ](?P<version>\d+\.\d+(?:[._]\w+)*)",
    ),
    Sign("arch", "Arch Linux", "arch/version", r"^(?P<version>\d{4}\.\d\d\.\d\d)"),
    Sign("arch", "Arch Linux", VOLUME, r"^ARCH_(?P<major>\d{4})(?P<minor>\d\d)$"),
    Sign(
        "freebsd",
        "FreeBSD",
        VOLUME,
        r"^(?P<major>\d\d)_(?P<minor>\d+)_(?:RELEASE|STABLE|CURRENT|BETA\d|RC\d)_(?:ARM64_)?"
        r"(?P<arch>AMD64|I386|AARCH64)_(?P<variant>\w+)$",
    ),
    Sign(
        "freebsd",
        "FreeBSD",
        "bin/freebsd-version",
        r'^USERLAND_VERSION="?(?P<version>\d+\.\d+)-',
    ),
    Sign(
        "openbsd",
        "OpenBSD",
        VOLUME,
        r"^OpenBSD/(?P<arch>\w+)\s+(?P<version>\d+\.\d+)\s+(?P<variant>Install|boot-?only) CD",
    ),
    Sign(
        "openbsd",
        "OpenBSD",
        APPLICATION,
        r"^OpenBSD (?P<version>\d+\.\d+) (?P<arch>\w+) (?P<variant>Install|boot-?only) CD",
    ),
    Sign("windows-server", "Windows Server", VOLUME, r"^(?:SSS|SERVER_EVAL|IR[35]_SSS)_(?P<arch>X64)F"),
    Sign("windows", "Windows", VOLUME, r"^CC?[A-Z]{3,4}A?_(?P<arch>X64|X86|A64)F"),
    # tests/guest/master.py
    Sign("tiny-linux", "vmforge's test guest", VOLUME, r"^TINY_LINUX$"),
)

# `family` of .treeinfo, in lower case: the system, and its name
TREE_FAMILIES: Final = {
    "fedora": ("fedora", "Fedora"),
    "centos": ("centos", "CentOS"),
    "centos stream": ("centos-stream", "CentOS Stream"),
    "red hat enterprise linux": ("rhel", "RHEL"),
    "almalinux": ("almalinux", "AlmaLinux"),
    "rocky linux": ("rocky", "Rocky Linux"),
    "oracle linux": ("oracle", "Oracle Linux"),
    "oracle linux server": ("oracle", "Oracle Linux"),
}

OTHER_NAMES: Final = {
    "almalinux": ("alma",),
    "oracle": ("oraclelinux", "oracle-linux", "ol"),
    "opensuse-leap": ("leap",),
    "opensuse-tumbleweed": ("tumbleweed",),
    "windows-server": ("windows",),
    "arch": ("archlinux",),
}
ARCHITECTURES: Final = {
    "amd64": "x86_64",
    "x64": "x86_64",
    "i386": "i686",
    "i486": "i686",
    "i586": "i686",
    "x86": "i686",
    "arm64": "aarch64",
    "a64": "aarch64",
    "armhf": "armv7l",
    "armv7": "armv7l",
    "ppc64el": "ppc64le",
}
_DEBIAN_ARCHITECTURES: Final = {"x86_64": "amd64", "i686": "i386", "aarch64": "arm64", "ppc64le": "ppc64el"}
NATIVE_ARCHITECTURES: Final = {
    "debian": _DEBIAN_ARCHITECTURES,
    "ubuntu": _DEBIAN_ARCHITECTURES,
    "freebsd": {"x86_64": "amd64", "i686": "i386"},
    "openbsd": {"x86_64": "amd64", "i686": "i386", "aarch64": "arm64"},
    "windows": {"x86_64": "x64", "i686": "x86", "aarch64": "arm64"},
    "windows-server": {"x86_64": "x64", "aarch64": "arm64"},
}
VARIANTS: Final = {
    "n": "netinst",
    "bc": "businesscard",
    "ubuntu-server": "server",
    "ubuntu": "desktop",
    "bo": "bootonly",
    "boot-only": "bootonly",
    "net": "network",
}


# The first build of each version: https://learn.microsoft.com/windows-server/get-started/windows-server-release-info
# and https://learn.microsoft.com/windows/release-health/
WINDOWS_SERVERS: Final = (
    (26100, "2025"),
    (20348, "2022"),
    (17763, "2019"),
    (14393, "2016"),
    (9600, "2012 R2"),
)
WINDOWS_CLIENTS: Final = ((22000, "11"), (10240, "10"), (9600, "8.1"), (9200, "8"), (7600, "7"))
