"""The `goss` provisioner: fetching goss, and how it is called."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vmforge.errors import CommandFailed
from vmforge.provisioners.goss import GossProvisioner
from vmforge.sdk.testing import configure

Guest = Any


@pytest.fixture
def tests(work: Path) -> Path:
    (work / "goss.yaml").write_text("file: {}")
    (work / "more").mkdir()
    (work / "more" / "ports.yaml").write_text("port: {}")
    (work / "vars.yaml").write_text("a: 1")
    return work


def test_every_option(guest: Guest, tests: Path) -> None:
    guest.has("goss")
    guest.has_sudo()
    folder = guest.staging
    guest.run(
        GossProvisioner,
        tests=["more"],
        goss_file="goss.yaml",
        vars_file="vars.yaml",
        vars_inline={"port": "22"},
        vars_env={"ENVIRONMENT": "a b"},
        skip_install=True,
        download_path=str(guest.programs / "goss"),
        use_sudo=True,
        remote_path=folder,
        format="json",
        format_options="pretty",
        retry_timeout="30s",
        sleep="2s",
    )
    call = guest.call
    assert call.arguments == [
        "--gossfile",
        "goss.yaml",
        "--vars",
        f"{folder}/vars.yaml",
        "--vars-inline",
        json.dumps({"port": "22"}),
        "validate",
        "--retry-timeout",
        "30s",
        "--sleep",
        "2s",
        "--format",
        "json",
        "--format-options",
        "pretty",
    ]
    assert call.folder == folder and call.environment["ENVIRONMENT"] == "a b"
    assert not Path(folder).exists()


def test_goss_is_fetched(guest: Guest, tests: Path) -> None:
    guest.has("curl", "chmod", "goss-0.4.9-linux-arm64")
    options = {"tests": ["goss.yaml"], "arch": "arm64", "version": "0.4.9", "skip_ssl": True}
    guest.run(
        GossProvisioner,
        **options,
        username="me",
        password="s3cret-pass",
        remote_folder=str(guest.programs),
    )
    fetched = guest.calls[0]
    path = str(guest.programs / "goss-0.4.9-linux-arm64")
    assert fetched.arguments[:3] == ["-fsSL", "-k", "-K"]
    assert fetched.arguments[-3:] == [
        "-o",
        path,
        "https://github.com/goss-org/goss/releases/download/v0.4.9/goss-linux-arm64",
    ]
    text, mode = fetched.files[fetched.arguments[3]]
    assert text == 'user = "me:s3cret-pass"\n' and mode == 0o600
    assert not any("s3cret-pass" in command for command in guest.commands)
    assert guest.calls[-1].arguments == ["--gossfile", "goss.yaml", "validate"]


def test_a_failing_test_fails_the_build(guest: Guest, tests: Path) -> None:
    guest.has("goss")
    guest.answers("goss", 1)
    options = {"tests": ["goss.yaml"], "skip_download": True, "remote_folder": guest.staging}
    with pytest.raises(CommandFailed, match="tests of goss failed"):
        guest.run(GossProvisioner, **options)
    guest.run(GossProvisioner, **options, inspect=True)
    assert any("going on" in text for text in guest.ui.texts("message"))


def test_windows(make_guest: Callable[..., Guest], tests: Path) -> None:
    ran: list[str] = []

    def answer(command: str) -> tuple[int, str]:
        ran.append(command)
        return 0, ""

    guest = make_guest(kind="winrm", answer=answer)
    folder = guest.folder / "windows"
    (folder / "goss").mkdir(parents=True)
    options = {"target_os": "Windows", "url": "https://mirror.example/goss.exe", "vars_env": {"A": "1"}}
    guest.run(GossProvisioner, tests=["goss.yaml"], remote_folder=str(folder), **options)
    assert "Invoke-WebRequest" in ran[1] and "https://mirror.example/goss.exe" in ran[1]
    assert 'set "A=1" && ' in ran[2] and "windows-amd64.exe --gossfile goss.yaml validate" in ran[2]


def test_what_is_wrong_is_said_before_the_build(work: Path) -> None:
    for options, part in (
        ({"tests": []}, "`tests` is empty"),
        ({"tests": ["none"], "goss_file": "no-file"}, "`no-file`"),
        ({"tests": ["."], "password": "x"}, "`password` needs `username`"),
        ({"tests": ["."], "sleep": "1s"}, "no effect without `retry_timeout`"),
    ):
        with pytest.raises(ValueError, match=part):
            configure(GossProvisioner, options)
