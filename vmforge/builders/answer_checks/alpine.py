"""Answer files of Alpine's `setup-alpine -f`: a shell text that sets variables.

https://wiki.alpinelinux.org/wiki/Alpine_setup_scripts, and what `setup-alpine -c FILE` writes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from vmforge.builders.answer_checks.assignments import assignments
from vmforge.builders.answer_checks.checking import Question
from vmforge.builders.answer_checks.finding import Finding, warning
from vmforge.builders.answer_checks.names import nearest
from vmforge.builders.answer_checks.shell import check_syntax

# Variable -> what setup-alpine asks when it is not set.
_ASKED = {
    "KEYMAPOPTS": "the keyboard's layout",
    "HOSTNAMEOPTS": "the name of the machine",
    "INTERFACESOPTS": "the network's interfaces",
    "TIMEZONEOPTS": "the time zone",
    "PROXYOPTS": "a proxy",
    "APKREPOSOPTS": "the mirror",
    "USEROPTS": "a user",
    "SSHDOPTS": "the SSH server",
    "NTPOPTS": "what sets the clock",
    "DISKOPTS": "the disk",
}
_OTHERS = (
    "DNSOPTS",
    "DEVDOPTS",
    "LBUOPTS",
    "APKCACHEOPTS",
    "ROOTSSHKEY",
    "USERSSHKEY",
    "ERASE_DISKS",
    "BOOTLOADER",
    "BOOTFS",
    "ROOTFS",
    "VARFS",
    "DISKLABEL",
    "KERNELOPTS",
    "BOOT_SIZE",
    "SWAP_SIZE",
    "ROOT_SIZE",
    "USE_EFI",
    "MKFS_OPTS_ROOT",
    "MKFS_OPTS_BOOT",
    "MKFS_OPTS_VAR",
    "CRYPT_PASSWORD",
    "SYSROOT",
)
# Asked since 3.16; older versions ignore it.
_LATER = {"USEROPTS": (3, 16)}


def findings(question: Question) -> Iterator[Finding]:
    """What is wrong with an answer file of setup-alpine."""
    if question.programs:
        yield from check_syntax(question.text)
    given = assignments(question.text)
    for name, (line, value) in given.items():
        if re.fullmatch(r"[A-Z_]+", name) and name not in (*_ASKED, *_OTHERS):
            hint = nearest(name, (*_ASKED, *_OTHERS), 0.7)
            yield warning(line, f"setup-alpine has no variable `{name}`", hint)
        if name == "DISKOPTS" and not re.search(r"/dev/|\$", value) and value != "none":
            yield warning(line, "`DISKOPTS` names no disk", 'write `DISKOPTS="-m sys /dev/vda"`')
    for name, asked in _ASKED.items():
        if name not in given and _version(question.version) >= _LATER.get(name, (0,)):
            yield warning(0, f"setup-alpine asks for {asked}", f"set `{name}`, to `none` if there is none")


def _version(text: str) -> tuple[int, ...]:
    """The version as numbers; a very high one when it is not known."""
    numbers = re.findall(r"\d+", text)
    return tuple(map(int, numbers)) if numbers else (99,)
