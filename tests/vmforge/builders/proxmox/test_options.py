"""From templates to the parameters of Proxmox's calls, and what is wrong with a source by its values."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from vmforge.builders.proxmox import ProxmoxCloneBuilder, ProxmoxIsoBuilder
from vmforge.builders.proxmox.config import ProxmoxCloneConfig, ProxmoxIsoConfig
from vmforge.builders.proxmox.hardware import changes, new_machine, places
from vmforge.builders.proxmox.machine import first_address
from vmforge.diagnostics import has_errors
from vmforge.errors import HostError
from vmforge.pipeline.plan import PlannedBuild, Planner
from vmforge.sdk.body import Body
from vmforge.sdk.decoding import decode
from vmforge.sdk.interpolate import interpolator
from vmforge.sdk.network import RemoteKind
from vmforge.sdk.registry import Registry
from vmforge.sdk.testing import configure, fake_context
from vmforge.template.loader import load
from vmforge.template.variables import VariableInputs

STARTED = datetime(2026, 11, 20, tzinfo=UTC)

BASE: dict[str, Any] = {
    "proxmox_url": "https://pve.example:8006/api2/json",
    "username": "root@pam",
    "password": "x",
    "node": "pve",
}
ISO = {"iso_file": "local:iso/debian.iso"}
DISK = {"storage_pool": "local", "disk_size": "1G"}


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PROXMOX_URL", "PROXMOX_USERNAME", "PROXMOX_PASSWORD", "PROXMOX_TOKEN"):
        monkeypatch.delenv(name, raising=False)


def iso_config(**options: Any) -> ProxmoxIsoConfig:
    decoded = decode(Body.of({**BASE, **options}), [ProxmoxIsoConfig], interpolator())
    assert not decoded.diagnostics, decoded.diagnostics
    return decoded.get(ProxmoxIsoConfig)


def clone_config(**options: Any) -> ProxmoxCloneConfig:
    decoded = decode(Body.of({**BASE, **options}), [ProxmoxCloneConfig], interpolator())
    assert not decoded.diagnostics, decoded.diagnostics
    return decoded.get(ProxmoxCloneConfig)


def problems(config: Any) -> list[str]:
    kind = ProxmoxIsoBuilder if isinstance(config, ProxmoxIsoConfig) else ProxmoxCloneBuilder
    return [problem.summary for problem in kind.check(config)]  # type: ignore[attr-defined]


def planned(path: Path) -> tuple[PlannedBuild, ...]:
    template = load(path, VariableInputs(), started=STARTED)
    planner = Planner(template, Registry(), STARTED)
    plan = planner.plan()
    assert not has_errors(planner.diagnostics), planner.diagnostics
    return plan.builds


def test_every_option_in_its_parameter(
    golden: Callable[[str, str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROXMOX_URL", "https://pve.example:8006/api2/json")
    lines = []
    for build in planned(Path(__file__).parent / "every_option.pkr.hcl"):
        config: Any = build.builder.config
        clone = isinstance(config, ProxmoxCloneConfig)
        at = places(config, config.iso_files, ("scsi0", "ide2") if clone else ())
        volumes = [iso.iso_file or "local:iso/downloaded.iso" for iso in config.iso_files]
        found = (changes if clone else new_machine)(config, at, volumes, 321)
        lines += [build.full_name, *(f"    {option} = {value}" for option, value in sorted(found.items()))]
    golden("proxmox/parameters.txt", "\n".join((*lines, "")))


@pytest.mark.parametrize(
    ("options", "summary"),
    [
        ({"password": None}, "neither `password` nor `token` is set"),
        ({"proxmox_url": ""}, "`proxmox_url` is not set"),
        ({"proxmox_url": "http://pve"}, "`http://pve` is no `https://` URL of an API"),
        ({"username": ""}, "`username` is not set"),
        ({"token": "x"}, "`username` does not say which token it is"),
        ({"vm_id": 7}, "`vm_id` must be from 100 to 999999999"),
        ({"iso_file": ""}, "an ISO has no place"),
        ({"iso_url": "https://x/a.iso", "iso_checksum": "none"}, "an ISO has several places"),
        ({"boot_iso": ISO}, "`iso_file` and `boot_iso` are both set"),
        ({"iso_device": "ide7"}, "there is no drive `ide7`"),
        ({"additional_iso_files": [{"cd_content": {"a": "b"}}]}, "there is no storage for the ISO"),
        (
            {"additional_iso_files": [{**ISO, "device": "ide2"}], "iso_device": "ide2"},
            "two drives are at `ide2`",
        ),
        ({"disks": [{**DISK, "type": "ide"}] * 5}, "`ide` has room for 4 drives"),
        ({"disks": [{**DISK, "io_thread": True}]}, "`io_thread` has no controller of its own"),
        ({"disks": [{**DISK, "type": "virtio", "ssd": True}]}, "`ssd` has no effect on `virtio` disks"),
        ({"serials": ["tty"]}, "`tty` is no serial port"),
        ({"serials": ["socket"] * 5}, "a machine has at most 4 serial ports"),
        ({"pci_devices": [{}]}, "a PCI device has either `host` or `mapping`"),
        ({"pci_devices": [{"host": "1", "pcie": True}]}, '`pcie` needs `machine = "q35"`'),
        ({"floppy_content": {"a": "b"}}, "Proxmox's machines have no floppy"),
        ({"cd_content": {"a": "b"}}, "there is no storage for the CD"),
        ({"bios": "ovmf"}, "without `efi_config` the machine forgets its UEFI variables"),
        ({"cloud_init": True}, "there is no storage for the cloud-init drive"),
        (
            {"boot_command": ['<wait "login:">']},
            "the screen of this hypervisor's machines cannot be waited for",
        ),
        (
            {"boot_wait": "auto", "boot_command": ["x"]},
            "the screen of this hypervisor's machines cannot be waited for",
        ),
    ],
)
def test_what_is_wrong_with_an_installation(options: dict[str, Any], summary: str) -> None:
    assert summary in problems(iso_config(**{**ISO, **options}))


@pytest.mark.parametrize(
    ("options", "hint"),
    [
        ({"boot_wait": "auto", "boot_command": ["x"]}, "set a time"),
        ({"boot_command": ['<wait "login:">']}, "wait for a time instead"),
        ({"boot_command": ['<wait "login:">'], "boot_config": "debian-13"}, "a `boot_command` of your own"),
    ],
)
def test_what_to_do_about_a_screen_that_cannot_be_waited_for(options: dict[str, Any], hint: str) -> None:
    problems = ProxmoxIsoBuilder.check(iso_config(**{**ISO, **options}))
    (unseen,) = [problem for problem in problems if "cannot be waited for" in problem.summary]
    assert hint in unseen.hint


@pytest.mark.parametrize(
    ("options", "summary"),
    [
        ({}, "a clone has either `clone_vm` or `clone_vm_id`"),
        ({"clone_vm": "x", "clone_vm_id": 100}, "a clone has either `clone_vm` or `clone_vm_id`"),
        ({"clone_vm_id": 1}, "`clone_vm_id` must be from 100 to 999999999"),
        (
            {"clone_vm": "x", "full_clone": False, "target_storage_pool": "y"},
            "`target_storage_pool` has no effect on a linked clone",
        ),
    ],
)
def test_what_is_wrong_with_a_clone(options: dict[str, Any], summary: str) -> None:
    assert summary in problems(clone_config(**options))


def test_a_list_of_checksums_is_nothing_for_the_node() -> None:
    source = {
        "iso_url": "https://x/a.iso",
        "iso_checksum": "file:https://x/SUMS",
        "iso_storage_pool": "local",
    }
    assert problems(iso_config(**source)) == []
    assert problems(iso_config(**source, iso_download_pve=True)) == [
        "the node cannot read a list of checksums"
    ]


def test_access_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROXMOX_URL", "https://other/api2/json")
    monkeypatch.setenv("PROXMOX_TOKEN", "secret")
    monkeypatch.setenv("PROXMOX_USERNAME", "me@pve!build")
    config = iso_config(**ISO, proxmox_url="", username="", password=None)
    assert problems(config) == []
    assert str(config.access()) == (
        "Access(url='https://other/api2/json', username='me@pve!build', password=None, token=<sensitive>, "
        "verifies_tls=True)"
    )


def test_what_is_fetched_by_whom() -> None:
    own = {"iso_url": "https://x/a.iso", "iso_checksum": "none", "iso_storage_pool": "local"}
    kinds = [
        [one.kind for one in ProxmoxIsoBuilder.remote_inputs(iso_config(**own, iso_download_pve=by_node))]
        for by_node in (False, True)
    ]
    assert kinds == [[RemoteKind.MEDIUM], [RemoteKind.PROGRAM]]


@pytest.mark.parametrize(
    ("wanted", "address"),
    [("", "192.0.2.7"), ("docker0", "172.17.0.1"), ("six", "2001:db8::1"), ("none", ""), ("lo", "127.0.0.1")],
)
def test_the_guests_address(wanted: str, address: str) -> None:
    interfaces = [
        {"name": "lo", "ip-addresses": [{"ip-address": "127.0.0.1"}, {"ip-address": "::1"}]},
        {"name": "down"},
        {"name": "six", "ip-addresses": [{"ip-address": "fe80::1%2"}, {"ip-address": "2001:db8::1"}]},
        {"name": "eth0", "ip-addresses": [{"ip-address": "169.254.1.1"}, {"ip-address": "192.0.2.7"}]},
        {"name": "docker0", "ip-addresses": [{"ip-address": "172.17.0.1"}]},
    ]
    assert first_address(interfaces, wanted) == address


def test_a_missing_library_is_told_with_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "proxmoxer", None)
    builder = configure(ProxmoxIsoBuilder, {**BASE, **ISO})
    assert isinstance(builder, ProxmoxIsoBuilder)
    with pytest.raises(HostError, match="the library `proxmoxer` is not installed") as caught:
        builder.build(fake_context(tmp_path))
    assert caught.value.hint == "install it: `pip install 'vmforge[proxmox]'`"
