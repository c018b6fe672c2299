"""Which texts of a template are taken for answer files, and what comes of what is wrong in them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from vmforge.builders.answer_texts import check_own_answers, own_texts, validate_answers
from vmforge.builders.boot_config import Installation
from vmforge.builders.qemu.config import QemuConfig
from vmforge.errors import VmforgeError
from vmforge.sdk.testing import RecordingUi, fake_context

MakeConfig = Callable[..., QemuConfig]

WRONG = "d-i passwd/root-login bolean false\n"
FIELDS = {"HTTPIP": "10.0.2.2", "HTTPPort": "8000", "Name": "x", "SSHPublicKey": "", "PackageProxy": ""}


def found(config: QemuConfig) -> list[str]:
    return [problem.summary for problem in check_own_answers(config)]


def test_texts_in_the_template_are_answer_files(qemu: MakeConfig) -> None:
    config = qemu(
        http_content={"/preseed.cfg": WRONG, "/readme": "nothing"},
        cd_content={"ks.cfg": "%packages\n%end\n"},
        floppy_content={"Autounattend.xml": "<unattend/>"},
    )
    assert [(text.name, text.option, text.kind.value) for text in own_texts(config)] == [
        ("/preseed.cfg", "http_content", "preseed"),
        ("ks.cfg", "cd_content", "kickstart"),
        ("Autounattend.xml", "floppy_content", "unattend"),
    ]


def test_a_problem_names_the_file_and_its_line(qemu: MakeConfig) -> None:
    problems = list(check_own_answers(qemu(http_content={"/preseed.cfg": "\n" + WRONG})))
    assert [(one.summary, one.option, one.hint, one.warning) for one in problems] == [
        (
            "/preseed.cfg:2: debconf knows no type `bolean`, and passes over the answer",
            "http_content",
            "did you mean `boolean`?",
            True,
        )
    ]


def test_of_a_folder_only_what_the_installer_is_told_of_counts(qemu: MakeConfig, tmp_path: Path) -> None:
    for name in ("a/preseed.cfg", "b/preseed.cfg", "preseed.cfg.bak", "other.cfg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(WRONG)
    told = ("auto url=http://{{ .HTTPIP }}:{{ .HTTPPort }}/b/preseed.cfg<enter>",)
    config = qemu(http_directory=str(tmp_path), boot_command=told)
    assert [Path(text.name).relative_to(tmp_path).as_posix() for text in own_texts(config)] == [
        "b/preseed.cfg"
    ]


def test_a_seed_of_a_folder_is_told_by_its_folder_alone(qemu: MakeConfig, tmp_path: Path) -> None:
    (tmp_path / "user-data").write_text("#cloud-config\nautoinstall:\n  vresion: 1\n")
    told = ("autoinstall ds=nocloud-net;s=http://{{ .HTTPIP }}:{{ .HTTPPort }}/",)
    assert "no `autoinstall.vresion`" in " ".join(
        found(qemu(http_directory=str(tmp_path), boot_command=told))
    )
    assert found(qemu(http_directory=str(tmp_path), boot_command=("something else",))) == []


def test_files_for_the_disc_are_read(qemu: MakeConfig, tmp_path: Path) -> None:
    (tmp_path / "autoinst.xml").write_text('<profile xmlns="http://www.suse.com/1.0/yast2ns">\n<users>')
    (tmp_path / "drivers.bin").write_bytes(bytes(range(256)))
    config = qemu(
        cd_files=[str(tmp_path / "autoinst.xml"), str(tmp_path / "drivers.bin"), str(tmp_path / "*")]
    )
    assert found(config) == [f"{tmp_path}/autoinst.xml:2: this is no XML: no element found"]


def test_what_a_program_rejects_ends_the_build(qemu: MakeConfig, tmp_path: Path) -> None:
    if shutil.which("bash") is None:
        pytest.skip("this host has no bash")
    config = qemu(http_content={"/one.sh": "#!/bin/sh\nif\n", "/two.sh": "#!/bin/sh\nfi\n"})
    assert found(config) == []
    with pytest.raises(VmforgeError) as caught:
        validate_answers(config, Installation(config, False), fake_context(tmp_path), FIELDS)
    assert caught.value.message.startswith("/one.sh:")
    assert caught.value.detail.startswith("/two.sh:2: ")


def test_what_was_told_before_is_not_told_again(qemu: MakeConfig, tmp_path: Path) -> None:
    ui = RecordingUi()
    config = qemu(http_content={"/preseed.cfg": WRONG})
    validate_answers(config, Installation(config, False), fake_context(tmp_path, ui=ui), FIELDS)
    assert found(config)
    assert ui.events == []


def test_the_texts_of_a_boot_config_are_asked_about_too(qemu: MakeConfig, tmp_path: Path) -> None:
    config = qemu(boot_config="debian-12", boot_params={"late_commands": ["if true"]})
    with pytest.raises(VmforgeError, match=r"^/finish\.sh:\d+: .* cannot read the script"):
        validate_answers(config, Installation(config, False), fake_context(tmp_path), FIELDS)
