"""Which files are taken for answer files, and of which kind."""

from __future__ import annotations

import pytest

from vmforge.builders.answer_checks import AnswerKind, recognise

EXAMPLES = {
    ("preseed.cfg", "# comment\nd-i debian-installer/locale string en_US\n"): AnswerKind.PRESEED,
    ("any", "d-i\tpasswd/root-login boolean false\n"): AnswerKind.PRESEED,
    ("ks.cfg", "lang en_US.UTF-8\nrootpw secret\n"): AnswerKind.KICKSTART,
    ("any", "text\n%packages\n@core\n%end\n"): AnswerKind.KICKSTART,
    ("centos.ks", "cmdline\n"): AnswerKind.KICKSTART,
    ("user-data", "#cloud-config\nautoinstall:\n  version: 1\n"): AnswerKind.AUTOINSTALL,
    ("user-data", "#cloud-config\nusers: []\n"): AnswerKind.CLOUD_CONFIG,
    (
        "autoinst.xml",
        '<?xml version="1.0"?>\n<!DOCTYPE profile>\n<profile xmlns="http://www.suse.com/1.0/yast2ns">\n',
    ): AnswerKind.AUTOYAST,
    ("Autounattend.xml", '<?xml version="1.0"?>\n<unattend xmlns="x">\n'): AnswerKind.UNATTEND,
    ("profile.json", '{\n  "product": {"id": "SLES"}\n}\n'): AnswerKind.AGAMA,
    ("config.json", '{\n  "disk_config": {}\n}\n'): AnswerKind.ARCHINSTALL,
    ("answers", 'KEYMAPOPTS="us us"\n'): AnswerKind.ALPINE,
    ("installerconfig", "PARTITIONS=DEFAULT\n"): AnswerKind.BSDINSTALL,
    ("install.conf", "System hostname = x\n"): AnswerKind.OPENBSD,
    ("finish.sh", "#!/bin/sh\necho\n"): AnswerKind.SHELL,
    ("any", "#!/usr/bin/env bash\n"): AnswerKind.SHELL,
}


@pytest.mark.parametrize(("file", "kind"), EXAMPLES.items(), ids=[kind.value for kind in EXAMPLES.values()])
def test_a_kind_is_told_by_name_and_text(file: tuple[str, str], kind: AnswerKind) -> None:
    assert recognise(f"folder/{file[0]}", file[1]) is kind


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("README.md", "Write `d-i a/b string c` into the file.\n"),
        ("package.json", '{"name": "x", "version": "1"}\n'),
        ("meta-data", "instance-id: x\n"),
        ("notes.txt", "lang is set further down\n"),
        ("ks.cfg", "vmaccepteula\ninstall --firstdisk\nrootpw x\n"),
        ("main.py", "#!/usr/bin/python3\n"),
        ("empty", ""),
    ],
)
def test_what_is_no_answer_file_is_left_alone(name: str, text: str) -> None:
    assert recognise(name, text) is None
