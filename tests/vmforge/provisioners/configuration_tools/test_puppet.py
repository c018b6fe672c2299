"""The provisioners `puppet-masterless` and `puppet-server`: what they upload and how Puppet is called."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vmforge.errors import CommandFailed
from vmforge.provisioners.puppet.masterless import PuppetMasterlessProvisioner
from vmforge.provisioners.puppet.server import PuppetServerProvisioner
from vmforge.sdk.testing import configure

Guest = Any


@pytest.fixture
def manifests(work: Path) -> Path:
    (work / "site.pp").write_text("include nginx")
    (work / "modules" / "nginx").mkdir(parents=True)
    (work / "modules" / "nginx" / "init.pp").write_text("class nginx {}")
    (work / "more").mkdir()
    (work / "more" / "other.pp").write_text("")
    (work / "hiera.yaml").write_text("version: 5")
    return work


def test_the_whole_command(guest: Guest, manifests: Path) -> None:
    guest.has("puppet")
    guest.has_sudo()
    guest.run(
        PuppetMasterlessProvisioner,
        manifest_file="site.pp",
        manifest_dir="more",
        module_paths=["modules"],
        hiera_config_path="hiera.yaml",
        facter={"role": "it's web"},
        extra_arguments=["--verbose"],
        staging_directory=guest.staging,
        puppet_bin_dir=str(guest.programs),
    )
    staging = guest.staging
    assert guest.call.arguments == [
        "apply",
        "--detailed-exitcodes",
        "--color=false",
        f"--modulepath={staging}/module-0",
        f"--hiera_config={staging}/hiera.yaml",
        f"{staging}/manifests/site.pp",
        "--verbose",
    ]
    assert guest.call.folder == staging
    assert guest.call.environment["FACTER_role"] == "it's web"
    assert guest.call.environment["FACTER_packer_build_name"] == "base"
    assert f"sudo -E {guest.programs}/puppet apply" in (guest.folder / "sudo").read_text()
    assert Path(staging, "module-0", "nginx", "init.pp").is_file()
    assert Path(staging, "manifests", "other.pp").is_file()


def test_without_sudo_elsewhere_and_cleaned(guest: Guest, manifests: Path) -> None:
    guest.has("puppet")
    guest.run(
        PuppetMasterlessProvisioner,
        manifest_file="site.pp",
        prevent_sudo=True,
        working_directory="/",
        clean_staging_directory=True,
        staging_directory=guest.staging,
        guest_os_type="unix",
    )
    assert guest.call.folder == "/"
    assert not Path(guest.staging).exists()


@pytest.mark.parametrize(("status", "fails"), [(0, False), (2, False), (4, True), (6, True), (1, True)])
def test_exit_statuses(guest: Guest, manifests: Path, status: int, fails: bool) -> None:
    guest.has("puppet")
    guest.answers("puppet", status)
    options = {"manifest_file": "site.pp", "prevent_sudo": True, "staging_directory": guest.staging}
    guest.run(PuppetMasterlessProvisioner, **options, ignore_exit_codes=True)
    if not fails:
        guest.run(PuppetMasterlessProvisioner, **options)
        return
    with pytest.raises(CommandFailed) as caught:
        guest.run(PuppetMasterlessProvisioner, **options)
    assert caught.value.status == status


def test_a_guest_without_puppet_is_told_so(guest: Guest, manifests: Path) -> None:
    options = {"prevent_sudo": True, "staging_directory": guest.staging, "puppet_bin_dir": "/nowhere"}
    with pytest.raises(CommandFailed) as caught:
        guest.run(PuppetMasterlessProvisioner, manifest_file="site.pp", **options)
    assert "install `puppet` in the guest" in caught.value.hint


def test_a_command_of_the_users_own(guest: Guest, manifests: Path) -> None:
    guest.run(
        PuppetMasterlessProvisioner,
        manifest_file="site.pp",
        module_paths=["modules"],
        staging_directory=guest.staging,
        prevent_sudo=True,
        facter={"role": "web"},
        execute_command="{{ if .Sudo }}sudo {{ end }}{{.FacterVars}} echo {{.ModulePath}} {{.ManifestFile}}",
    )
    assert guest.ui.texts("stdout") == [f"{guest.staging}/module-0 {guest.staging}/manifests/site.pp"]


def test_windows(make_guest: Callable[..., Guest], manifests: Path) -> None:
    ran: list[str] = []

    def answer(command: str) -> tuple[int, str]:
        ran.append(command)
        return 0, ""

    guest = make_guest(kind="winrm", answer=answer)
    (guest.folder / "staging" / "manifests").mkdir(parents=True)
    guest.run(
        PuppetMasterlessProvisioner,
        manifest_file="site.pp",
        staging_directory=str(guest.folder / "staging"),
        facter={"role": "web"},
    )
    assert "New-Item" in ran[0]
    assert 'SET "FACTER_role=web" & ' in ran[-1] and "sudo" not in ran[-1]


def test_windows_with_all_rights(make_guest: Callable[..., Guest], manifests: Path) -> None:
    uploads: list[bytes] = []
    guest = make_guest(kind="winrm", answer=lambda command: (0, ""))
    guest.communicator.upload = lambda source, destination, mode=None: uploads.append(
        source.read_bytes() if isinstance(source, Path) else source.read()
    )
    guest.run(
        PuppetMasterlessProvisioner,
        manifest_file="site.pp",
        elevated_user="Administrator",
        elevated_password="s3cret-pass",
    )
    (task,) = [content for content in uploads if b"s3cret-pass" in content]
    assert b"puppet apply" in task and b"Administrator" in task
    assert not any("s3cret-pass" in command for command in guest.commands)


def test_layers_depend_on_all_that_is_uploaded(manifests: Path) -> None:
    made = configure(
        PuppetMasterlessProvisioner,
        {"manifest_file": "site.pp", "module_paths": ["modules"], "hiera_config_path": "hiera.yaml"},
    )
    assert isinstance(made, PuppetMasterlessProvisioner) and made.cacheable
    assert set(made.input_files()) == {Path("site.pp"), Path("modules"), Path("hiera.yaml")}


def test_what_is_wrong_is_said_before_the_build(work: Path) -> None:
    with pytest.raises(ValueError) as caught:
        configure(
            PuppetMasterlessProvisioner,
            {"manifest_file": "none.pp", "execute_command": "{{ .Oops }}", "elevated_password": "x"},
        )
    said = str(caught.value)
    assert "`none.pp`" in said and "Oops" in said and "`elevated_password`" in said


def test_the_agent(guest: Guest, work: Path) -> None:
    for name in ("certs", "keys"):
        (work / name).mkdir()
        (work / name / "node.pem").write_text(name)
    guest.has("puppet")
    guest.run(
        PuppetServerProvisioner,
        puppet_server="puppet.example",
        puppet_node="web-1",
        client_cert_path="certs",
        client_private_key_path="keys",
        staging_dir=guest.staging,
        prevent_sudo=True,
        extra_arguments=["--test"],
    )
    assert guest.call.arguments == [
        "agent",
        "--onetime",
        "--no-daemonize",
        "--detailed-exitcodes",
        "--color=false",
        "--server=puppet.example",
        "--certname=web-1",
        f"--certdir={guest.staging}/certs",
        f"--privatekeydir={guest.staging}/private_keys",
        "--test",
    ]
    assert Path(guest.staging, "private_keys", "node.pem").read_text() == "keys"


def test_no_layer_stands_for_a_server() -> None:
    made = configure(PuppetServerProvisioner, {})
    assert isinstance(made, PuppetServerProvisioner) and not made.cacheable


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("puppet") is None, reason="needs Puppet: apt-get install puppet-agent")
def test_the_real_puppet(guest: Guest, work: Path) -> None:
    target = work / "made"
    (work / "site.pp").write_text(f'file {{ "{target}": content => "by ${{facts[\'role\']}}" }}')
    guest.run(
        PuppetMasterlessProvisioner,
        manifest_file="site.pp",
        facter={"role": "vmforge"},
        prevent_sudo=True,
        staging_directory=guest.staging,
    )
    assert target.read_text() == "by vmforge"
