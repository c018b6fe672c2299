"""The kinds of answer files, and how one is told by its name and its text."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from enum import StrEnum


class AnswerKind(StrEnum):
    """Which installer (or first boot) reads a file."""

    PRESEED = "preseed"
    KICKSTART = "kickstart"
    AUTOINSTALL = "autoinstall"
    CLOUD_CONFIG = "cloud-config"
    AUTOYAST = "autoyast"
    AGAMA = "agama"
    UNATTEND = "unattend"
    ALPINE = "setup-alpine"
    ARCHINSTALL = "archinstall"
    BSDINSTALL = "bsdinstall"
    OPENBSD = "openbsd"
    SHELL = "shell"


@dataclass(frozen=True, slots=True)
class _Sign:
    """`text` is looked for from a line's start; without it, a file called `name` is enough."""

    kind: AnswerKind
    text: str = ""
    name: str = ""


_KICKSTART_WORDS = "autopart|bootloader|clearpart|cmdline|ignoredisk|keyboard|lang|network|rootpw|timezone"

# The first sign that a file shows says its kind; so what is more particular comes first.
_SIGNS = (
    _Sign(AnswerKind.UNATTEND, text=r"[ \t]*(?:<\?xml[^>\n]*\?>[ \t]*)?<unattend\b"),
    _Sign(AnswerKind.AUTOYAST, text=r"[ \t]*<profile\b[^>]*\bhttp://www\.suse\.com/1\.0/yast2ns"),
    _Sign(AnswerKind.AUTOINSTALL, text=r"autoinstall:"),
    _Sign(AnswerKind.CLOUD_CONFIG, text=r"\A#cloud-config\b"),
    _Sign(AnswerKind.PRESEED, text=r"(?:d-i|debconf)[ \t]+\S+/\S+[ \t]+\w+"),
    _Sign(AnswerKind.KICKSTART, text=r"%packages\b"),
    _Sign(AnswerKind.KICKSTART, text=rf"(?:{_KICKSTART_WORDS})\b[ \t]+\S", name=r"(ks|kickstart|anaconda).*"),
    _Sign(AnswerKind.KICKSTART, text=rf"(?:{_KICKSTART_WORDS})\b", name=r".*\.ks"),
    _Sign(AnswerKind.ALPINE, text=r"(?:KEYMAPOPTS|DISKOPTS|SSHDOPTS|APKREPOSOPTS)="),
    _Sign(
        AnswerKind.BSDINSTALL,
        text=r"[ \t]*(?:export[ \t]+)?(?:PARTITIONS|DISTRIBUTIONS|ZFSBOOT_DISKS)=",
        name=r".*(installerconfig|bsdinstall).*",
    ),
    _Sign(
        AnswerKind.BSDINSTALL, text=r"[ \t]*(?:export[ \t]+)?DISTRIBUTIONS=[\"']?[^\n]*\b(?:base|kernel)\.txz"
    ),
    _Sign(AnswerKind.OPENBSD, text=r"(?i:(?:system hostname|password for root account)[^\n=]*=)"),
    _Sign(
        AnswerKind.ARCHINSTALL,
        text=r"[ \t{]*\"(?:archinstall-language|disk_config|profile_config|mirror_config|!users)\"",
    ),
    _Sign(
        AnswerKind.AGAMA,
        text=r"[ \t{]*\"(?:product|l10n|localization|legacyAutoyastStorage)\"[ \t]*:[ \t]*[{\[]",
    ),
    _Sign(AnswerKind.SHELL, text=r"\A#![ \t]*(?:/usr)?(?:/local)?/bin/(?:env[ \t]+)?(?:ba|da|k)?sh\b"),
    _Sign(AnswerKind.UNATTEND, name=r"autounattend\.xml|unattend\.xml"),
    _Sign(AnswerKind.CLOUD_CONFIG, text=r"\A## template: jinja\s+#cloud-config\b"),
)


def recognise(path: str, text: str) -> AnswerKind | None:
    """The kind of a file by its name and text; None for one that is no answer file that is known."""
    name = posixpath.basename(path).lower()
    if re.search(r"^(?:vmaccepteula|accepteula)\b", text, re.MULTILINE):
        return None  # VMware's ESXi has a kickstart of its own
    for sign in _SIGNS:
        if sign.name and re.fullmatch(sign.name, name) is None:
            continue
        if not sign.text or re.search(f"^(?:{sign.text})", text, re.MULTILINE):
            return sign.kind
    return None
