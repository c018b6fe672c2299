"""Builds that cannot succeed: each ends soon after that can be told, and says what is wrong."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest

from tests.integration.conftest import Finished, Traces, Vmforge

pytestmark = pytest.mark.machine

Golden = Callable[[str, str], None]

# `ssh_timeout` is 5 minutes, times 10 for software emulation; a sign ends the wait sooner, within so many
# seconds after it could first be seen.
_SOON = 30
# On a very busy host the installed system's kernel complains of time that has passed: not on these screens.
_ANSWERS = "hostname=tiny\nuser=forge\npassword=secret-of-forge\nappend=loglevel=3\n"


def staged(vmforge: Vmforge, *changes: str, answers: str = _ANSWERS) -> Finished:
    """A build of the tiny guest with something changed about it."""
    content = "http_content=" + json.dumps({"/tiny.cfg": answers})
    options = [part for change in (content, *changes) for part in ("--set", change)]
    return vmforge.run("build", "-layers=off", *options, "tiny.pkr.hcl")


def typed(line: str) -> str:
    return f'boot_command=["{line}<enter>"]'


def shown(vmforge: Vmforge, ended: Finished) -> str:
    """What is shown of the failure, without what differs from run to run."""
    text = ended.err.replace(str(vmforge.state), "STATE").replace(str(vmforge.folder), "FOLDER")
    text = re.sub(r"(failures/qemu\.tiny)-[0-9a-f]{8}", r"\1-RUN", text)
    text = re.sub(r"(?m)^(  \| (?:SeaBIOS|iPXE|ISOLINUX|SYSLINUX)) .*", r"\1", text)
    text = re.sub(r"Machine UUID \S+", "Machine UUID", text)
    text = re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:PORT", text)
    text = re.sub(r"10\.0\.2\.2:\d+", "10.0.2.2:PORT", text)
    text = re.sub(r"\d+(\.\d+)? s\b|\d+m\d*s?", "N s", text)
    text = re.sub(r"; earlier: .*", "", text)
    text = re.sub(r"(?m)^SSH's last answer: .*\n\n", "", text)  # there may not have been one yet
    return re.sub(r"\(\d+ tries\)", "(N tries)", text)


def check(golden: Golden, name: str, vmforge: Vmforge, ended: Finished, title: str) -> None:
    """The diagnosis says so, soon after it could be told, and the whole message is as it was."""
    assert ended.status == 1, ended.out + ended.err
    assert title in ended.err, ended.err
    seconds = re.search(r"the wait was ended (\d+) s after the sign `\S+` was first seen", ended.err)
    assert seconds is not None and int(seconds[1]) <= _SOON, ended.err
    golden(f"diagnosis/{name}.txt", shown(vmforge, ended))


def test_missing_answer_file(tiny: Vmforge, traces: Traces, golden: Golden) -> None:
    line = "install ks=http://{{ .HTTPIP }}:{{ .HTTPPort }}/other/answers"
    ended = staged(tiny, typed(line))
    check(golden, "missing_answer_file", tiny, ended, "asked for `/other/answers`, which is not among")
    assert traces.left() == []


@pytest.mark.slow
def test_typo_in_the_url(tiny: Vmforge, golden: Golden) -> None:
    ended = staged(tiny, typed("install ks=http://{{ .HTTPIP }}:{{ .HTTPPort }}/tinny.cfg"))
    check(golden, "typo_in_url", tiny, ended, "not among the answer files; `/tiny.cfg` is")


@pytest.mark.slow
def test_wrong_disk_name(tiny: Vmforge, golden: Golden) -> None:
    ended = staged(tiny, answers=_ANSWERS + "disk=/dev/sda\n")
    check(golden, "wrong_disk_name", tiny, ended, "the guest has no disk `/dev/sda`")


def test_wrong_password(tiny: Vmforge, golden: Golden) -> None:
    ended = staged(tiny, "ssh_password=not-it")
    check(golden, "wrong_password", tiny, ended, "does not let the user in: login of `forge` refused")


@pytest.mark.slow
def test_no_ssh_server(tiny: Vmforge, golden: Golden) -> None:
    ended = staged(tiny, answers=_ANSWERS + "ssh=no\n")
    check(golden, "no_ssh_server", tiny, ended, "shows its login prompt, but no SSH server listens")


def test_kernel_panic(tiny: Vmforge, golden: Golden) -> None:
    ended = staged(tiny, typed("install rdinit=/missing root=/dev/missing"))
    assert re.search(r"(?m)^  \| .*Kernel panic - not syncing", ended.err)
    # the kernel's own lines are another kernel's tomorrow
    ended.err = re.sub(r"(?m)^  \| .*\n", "", ended.err)
    check(golden, "kernel_panic", tiny, ended, "the kernel found no root file system")


@pytest.mark.slow
def test_full_disk(tiny: Vmforge, golden: Golden) -> None:
    ended = staged(tiny, "disk_size=24M")
    check(golden, "full_disk", tiny, ended, "the guest's disk is full")


@pytest.mark.slow
def test_no_dhcp(tiny: Vmforge, golden: Golden) -> None:
    network = 'qemuargs=[["-netdev", "user,id=user.0,ipv4=off"]]'
    ended = staged(tiny, network)
    check(golden, "no_dhcp", tiny, ended, "the guest got no address by DHCP")


@pytest.mark.slow
def test_wrong_iso(tiny: Vmforge, golden: Golden) -> None:
    iso = tiny.folder / "not-bootable.iso"
    iso.write_bytes(bytes(1024 * 1024))
    ended = staged(tiny, f"iso_url={iso}")
    check(golden, "wrong_iso", tiny, ended, "the firmware found nothing to boot from")


_QUESTION = """
[tiny-question]
title = "the tiny installer asks: {question}"
next = "answer it in `tiny.cfg`"
certain = true
waiting = true
screen = '^(?P<question>Which [^:]+): *\\Z'
"""


@pytest.mark.slow
def test_installer_that_asks(tiny: Vmforge, golden: Golden) -> None:
    """A sign of the user's own ends the wait."""
    (tiny.folder / "tiny.toml").write_text(_QUESTION)
    tiny.environment["VMFORGE_SIGNS"] = str(tiny.folder)
    ended = staged(tiny, answers="hostname=tiny\n")
    check(golden, "installer_question", tiny, ended, "the tiny installer asks: Which user is to be created")
