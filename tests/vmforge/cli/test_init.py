"""`vmforge init`: what is built in, what a package brings, what nothing brings."""

from __future__ import annotations

from pathlib import Path

import pytest

from vmforge.cli.app import run
from vmforge.cli.init import describe, install, missing_packages
from vmforge.diagnostics import SourceRange
from vmforge.errors import HostError
from vmforge.pipeline.plugins import Plugin
from vmforge.sdk.registry import Kind, Registry
from vmforge.template import RequiredPlugin

TEMPLATE = """
packer {
  required_plugins {
    hypervisor = { version = ">= 1.1", source = "github.com/hashicorp/qemu" }
    parallels  = { version = "~> 1.2", source = "github.com/hashicorp/parallels" }
    mine       = { version = "1.0.0", source = "example.com/me/packer-plugin-mine" }
  }
}
variable "without_value" {}
"""
CLOUD = Plugin("cloud", ((Kind.BUILDER, "cloud"), (Kind.BUILDER, "qemu")), "vmforge[cloud]")
QEMU = Plugin("qemu", ((Kind.BUILDER, "qemu"),), "vmforge[qemu]")


def test_every_plugin_gets_its_answer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "main.pkr.hcl"
    path.write_text(TEMPLATE, encoding="utf-8")
    assert run(["init", "-upgrade", str(path)]) == 0
    qemu, parallels, mine = capsys.readouterr().out.splitlines()
    assert qemu == "github.com/hashicorp/qemu: built in"
    assert parallels.startswith(
        "github.com/hashicorp/parallels: no package exists yet for builder `parallels-iso`"
    )
    assert mine == "example.com/me/packer-plugin-mine: not known to vmforge; no package exists for it"


def test_a_template_without_plugins_needs_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "main.pkr.hcl"
    path.write_text('source "null" "x" {}\n', encoding="utf-8")
    assert run(["init", str(path)]) == 0
    assert "nothing to install" in capsys.readouterr().out


def test_a_package_is_named_with_what_it_brings() -> None:
    required = RequiredPlugin("cloud", "", "github.com/me/cloud", SourceRange.whole("x"))
    assert list(describe(required, CLOUD, Registry())) == [
        "github.com/me/cloud: in part built in (builder `qemu`)",
        "github.com/me/cloud: `pip install 'vmforge[cloud]'` brings builder `cloud`",
    ]


def test_only_what_is_missing_is_installed_and_all_of_it_upgraded() -> None:
    plugins = [CLOUD, QEMU, CLOUD, Plugin("none", ((Kind.BUILDER, "none"),))]
    assert missing_packages(plugins, Registry(), upgrade=False) == ["vmforge[cloud]"]
    assert missing_packages(plugins, Registry(), upgrade=True) == ["vmforge[cloud]", "vmforge[qemu]"]


def test_pip_installs_and_its_failure_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    install(["pip"], upgrade=False)
    assert "already satisfied: pip" in capfd.readouterr().out
    with pytest.raises(HostError, match="pip could not install `vmforge-does-not-exist`"):
        install(["vmforge-does-not-exist"], upgrade=False)
