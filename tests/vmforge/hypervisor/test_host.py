"""What this host has: acceleration, firmware, and the findings of `vmforge doctor`."""

from __future__ import annotations

import json
import os
import platform
from pathlib import Path

import pytest

from vmforge.errors import HostError
from vmforge.hypervisor import capabilities, firmware, inspection
from vmforge.hypervisor.capabilities import Acceleration, probe_local, probe_remote
from vmforge.hypervisor.connection import Hypervisor, connect
from vmforge.sdk import Cancellation
from vmforge.sdk.host import Health

X86 = pytest.mark.skipif(platform.machine() != "x86_64", reason="about x86 processors")


def never() -> bool:
    raise AssertionError("libvirt is asked last")


@pytest.fixture
def host(tmp_path: Path) -> dict[str, Path]:
    """A host with everything that KVM needs."""
    (tmp_path / "cpuinfo").write_text("processor : 0\nflags\t\t: fpu vme vmx sse\n")
    (tmp_path / "kvm").write_text("")
    return {"cpuinfo": tmp_path / "cpuinfo", "device": tmp_path / "kvm"}


@X86
def test_kvm_where_all_is_there(host: dict[str, Path]) -> None:
    assert probe_local("x86_64", lambda: True, need_device=True, **host) == Acceleration("kvm")
    assert probe_local("i686", lambda: True, need_device=True, **host) == Acceleration("kvm")
    assert probe_local("x86_64", lambda: False, need_device=True, **host).kind == "tcg"


@X86
def test_the_device_is_there_but_the_processor_cannot(host: dict[str, Path]) -> None:
    host["cpuinfo"].write_text("flags\t\t: fpu vme sse\nbugs : vmx-something\n")
    found = probe_local("x86_64", never, need_device=True, **host)
    assert found.kind == "tcg"
    assert "neither vmx nor svm" in found.reason


@X86
def test_no_device(host: dict[str, Path]) -> None:
    host["device"].unlink()
    assert "does not exist" in probe_local("x86_64", never, need_device=False, **host).reason
    # there, but no device: the daemon's rights are its own
    host["device"].mkdir()
    assert "cannot be opened" in probe_local("x86_64", never, need_device=True, **host).reason
    assert probe_local("x86_64", lambda: True, need_device=False, **host).kind == "kvm"


def test_a_foreign_architecture(host: dict[str, Path]) -> None:
    found = probe_local("s390x", never, need_device=True, **host)
    assert found == Acceleration("tcg", f"this host is {platform.machine()}, the guest s390x")


def test_a_remote_host() -> None:
    able = "<host><cpu><arch>x86_64</arch><feature name='vmx'/></cpu></host>"
    assert probe_remote("x86_64", able, lambda: True).kind == "kvm"
    assert probe_remote("x86_64", able, lambda: False).kind == "tcg"
    assert probe_remote("aarch64", able, lambda: True).kind == "tcg"
    assert "neither vmx nor svm" in probe_remote("x86_64", able.replace("vmx", "sse"), lambda: True).reason


@pytest.mark.machine
def test_this_host(hypervisor: Hypervisor) -> None:
    found = hypervisor.acceleration()
    has_flag = bool(capabilities._CPU_FLAG.search(Path("/proc/cpuinfo").read_text()))
    assert found.kind == "tcg" or has_flag
    assert bool(found.reason) is (found.kind == "tcg")
    assert hypervisor.is_embedded
    assert not hypervisor.is_remote
    assert hypervisor.libvirt_version >= (6, 1, 0)


@pytest.mark.machine
def test_a_daemon_beside_the_embedded_driver_is_refused(hypervisor: Hypervisor, tmp_path: Path) -> None:
    opening = connect("qemu:///system", tmp_path, Cancellation())
    with pytest.raises(HostError, match="in a process that uses its embedded driver"), opening:
        pass


def describe(folder: Path, name: str, code: str, variables: str, *features: str, **changes: object) -> None:
    """Write a description as QEMU's firmware packages have them."""
    flash = {
        "device": "flash",
        "executable": {"filename": str(folder / code), "format": "raw"},
        "nvram-template": {"filename": str(folder / variables), "format": "raw"},
    }
    values = {
        "interface-types": ["uefi"],
        "mapping": flash,
        "targets": [{"architecture": "x86_64", "machines": ["pc-q35-*"]}],
        "features": list(features),
    }
    (folder / name).write_text(json.dumps(values | changes))
    for file in (code, variables):
        (folder / file).write_text("")


def test_firmware_by_its_descriptions(tmp_path: Path) -> None:
    describe(tmp_path, "40.json", "secure.fd", "keys.fd", "secure-boot", "enrolled-keys", "requires-smm")
    describe(tmp_path, "50.json", "smm.fd", "vars.fd", "secure-boot", "requires-smm")
    describe(tmp_path, "55.json", "bios.fd", "vars.fd", **{"interface-types": ["bios"]})
    describe(tmp_path, "60.json", "plain.fd", "vars.fd", "acpi-s3")
    (tmp_path / "10.json").write_text("no json")
    (tmp_path / "20.json").write_text('{"mapping": {"device": "memory"}}')
    found = firmware.find_efi(descriptions=(tmp_path,))
    assert (found.code, found.variables) == (tmp_path / "plain.fd", tmp_path / "vars.fd")
    assert firmware.find_efi(secure_boot=True, descriptions=(tmp_path,)).variables == tmp_path / "keys.fd"
    with pytest.raises(HostError, match="no UEFI with secure boot firmware for aarch64"):
        firmware.find_efi("aarch64", secure_boot=True, descriptions=(tmp_path,))


def test_the_users_descriptions_come_before_the_packages(tmp_path: Path) -> None:
    own, package = tmp_path / "own", tmp_path / "package"
    for folder in (own, package):
        folder.mkdir()
        describe(folder, "60.json", "plain.fd", "vars.fd")
    assert firmware.find_efi(descriptions=(own, package)).code == own / "plain.fd"


@pytest.mark.machine
def test_findings(hypervisor: Hypervisor, tmp_path: Path) -> None:
    found = {finding.name: finding for finding in inspection.inspect_host(tmp_path)}
    assert list(found) == ["KVM", "QEMU", "qemu-img", "state folder", "libvirt", "UEFI firmware"]
    assert found["QEMU"].health is Health.OK
    assert found["libvirt"].health is Health.OK
    assert "qemu:///embed" in found["libvirt"].text


def test_findings_of_a_host_without_anything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    for finding in (inspection.look_at_qemu("x86_64"), inspection.look_at_qemu_img()):
        assert finding.health is Health.BROKEN
        assert finding.remedy.startswith("sudo apt install qemu-")


def test_an_old_qemu_and_a_broken_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    program = tmp_path / "qemu-img"
    program.write_text("#!/bin/sh\necho qemu-img version 4.2.1\n")
    program.chmod(0o755)
    assert "4.2.1" in inspection.look_at_qemu_img().text
    assert inspection.look_at_qemu_img().health is Health.WARNING
    program.write_text("#!/bin/sh\nexit 1\n")
    assert inspection.look_at_qemu_img().health is Health.BROKEN


def test_a_state_folder_that_is_not_there_yet(tmp_path: Path) -> None:
    finding = inspection.look_at_state_folder(tmp_path / "not" / "yet")
    assert "free" in finding.text
    assert not (tmp_path / "not").exists()
