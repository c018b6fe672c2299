"""Builds on a counterpart of Proxmox's API, with sshd as the guest; and what is left when they fail."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.hypervisor_builds import ISO, HypervisorBuilds, write_iso
from tests.fakes.openssh import OpenSsh, wait_until
from vmforge.builders.proxmox import ProxmoxCloneBuilder, ProxmoxIsoBuilder
from vmforge.communicators.none import NoneConnector
from vmforge.errors import Interrupted, MachineError, VmforgeError
from vmforge.sdk import Artifact, BuildContext, Machine
from vmforge.sdk.cloud import CloudError
from vmforge.sdk.testing import RecordingUi, configure

BASE: dict[str, Any] = {"username": "root@pam", "password": "right", "node": "pve", "vm_interface": "eth0"}
DISK = {"storage_pool": "local-lvm", "disk_size": "10G"}


@pytest.fixture
def iso(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    return write_iso(tmp_path, monkeypatch)


class Builds(HypervisorBuilds):
    def __init__(self, proxmox: Any, guest: OpenSsh, scratch: Path) -> None:
        super().__init__(guest, scratch)
        self.proxmox = proxmox

    @property
    def access(self) -> dict[str, Any]:
        return {"proxmox_url": self.proxmox.url, **BASE}

    def install(self, iso: str, context: BuildContext | None = None, **options: Any) -> Artifact:
        source = {"iso_url": iso, "iso_checksum": "none", "iso_storage_pool": "local", "disks": [DISK]}
        return self.run(ProxmoxIsoBuilder, context, **source | options)


@pytest.fixture
def builds(proxmox: Any, guest: OpenSsh, tmp_path: Path) -> Builds:
    return Builds(proxmox, guest, tmp_path / "scratch")


def test_installs_types_provisions_and_leaves_a_template(
    builds: Builds, iso: str, golden: Callable[[str, str], None]
) -> None:
    ran: list[int] = []
    builds.provision = lambda machine: ran.append(machine.communicator.run("true"))
    artifact = builds.install(
        iso,
        vm_name="build",
        boot_command=["<wait1ms>Ab<enter><leftCtrlOn>c<leftCtrlOff>/"],
        boot_key_interval="1ms",
        boot_wait="1ms",
        unmount_iso=True,
        cloud_init=True,
        template_name="debian",
        template_description="as it should be",
        additional_iso_files=[
            {"cd_content": {"user-data": "x"}, "cd_label": "cidata", "iso_storage_pool": "local"}
        ],
        network_adapters=[{"model": "virtio", "bridge": "vmbr0"}],
    )
    proxmox = builds.proxmox
    assert ran == [0]
    assert proxmox.typed == ["shift-a", "b", "ret", "ctrl-c", "slash"]
    assert (artifact.builder_id, artifact.id, str(artifact)) == (
        "proxmox.iso",
        "100",
        "A template was created: 100",
    )
    golden("proxmox/install.txt", proxmox.writes())
    machine = proxmox.vms[100]
    assert machine.template
    assert machine.config["name"] == "debian"
    assert machine.config["description"] == "as it should be"
    # the CD of the build is gone, and the installer stays for the next build
    assert list(proxmox.isos.values()) == [ISO]
    artifact.destroy()
    assert proxmox.vms == {}


def test_an_iso_that_the_storage_has_is_not_uploaded_again(builds: Builds, iso: str) -> None:
    builds.install(iso)
    builds.install(iso)
    assert sum(path.endswith("/upload") for _, path, _ in builds.proxmox.calls) == 1
    assert any("is there already" in text for text in builds.ui.texts("message"))


def test_the_node_downloads_the_iso_itself(builds: Builds) -> None:
    digest = "ab" * 32
    source = {"iso_checksum": f"sha256:{digest}", "iso_download_pve": True}
    builds.install("https://example.com/a b.iso", **source)
    sent = next(sent for _, path, sent in builds.proxmox.calls if path.endswith("download-url"))
    assert sent["checksum"] == digest
    assert sent["checksum-algorithm"] == "sha256"
    assert sent["filename"] == f"{digest[:16]}-a_b.iso"


def test_clones_with_a_login_by_cloud_init(builds: Builds, golden: Callable[[str, str], None]) -> None:
    proxmox = builds.proxmox
    config = {"name": "debian", "scsi0": "local-lvm:base-900-disk-0,size=2G", "ide2": "local-lvm:cloudinit"}
    proxmox.put(900, config)
    artifact = builds.run(
        ProxmoxCloneBuilder,
        clone_vm="debian",
        vm_name="clone",
        memory=2048,
        disks=[DISK],
        ipconfig=[{"ip": "dhcp"}],
        nameserver="192.0.2.1",
        cloud_init=True,
        full_clone=False,
    )
    assert artifact.builder_id == "proxmox.clone"
    golden("proxmox/clone.txt", proxmox.writes())
    made = proxmox.vms[100]
    assert made.template
    assert made.config["scsi1"].startswith("local-lvm:10,")
    assert made.config["ide2"] == "local-lvm:cloudinit"
    assert 900 in proxmox.vms


def test_an_api_token_is_enough(builds: Builds, iso: str) -> None:
    builds.install(iso, username="root@pam!packer", token="right", password=None)
    assert builds.proxmox.logins == 0


def test_a_session_that_has_expired_is_renewed(builds: Builds, iso: str) -> None:
    builds.provision = lambda machine: builds.proxmox.tickets.clear()
    assert builds.install(iso).id == "100"
    assert builds.proxmox.logins >= 2


@pytest.mark.parametrize(
    ("method", "path", "status", "reason"),
    [
        ("GET", "status/current", 595, "No route to host"),
        ("GET", "status/current", 500, "Internal Server Error"),
        ("POST", "qemu$", 596, "Broken pipe"),
        ("POST", "/config", 500, "VM 100 is locked (clone)"),
        ("POST", "status/start", 500, "can't lock file '/var/lock/qemu-server/lock-100.conf' - got timeout"),
        ("DELETE", "content/", 503, "Service Unavailable"),
        ("POST", "/upload", 500, "Internal Server Error"),
        ("POST", "/upload", 595, "Connection refused"),
        ("GET", "tasks/", 599, "Too many redirections"),
    ],
)
def test_what_passes_by_itself_is_waited_for(
    builds: Builds, iso: str, method: str, path: str, status: int, reason: str
) -> None:
    builds.proxmox.fail(method, path, status, reason, times=2)
    cd = {"cd_content": {"user-data": "x"}, "iso_storage_pool": "local"}
    assert builds.install(iso, additional_iso_files=[cd]).id == "100"
    assert all(not fault.times for fault in builds.proxmox.faults)


@pytest.mark.parametrize(
    ("task", "words"),
    [("qmcreate", "unable to create image"), ("qmstart", "start failed"), ("qmtemplate", "got no lv")],
)
def test_a_task_that_fails_is_told_with_its_log_and_leaves_nothing(
    builds: Builds, iso: str, task: str, words: str
) -> None:
    builds.proxmox.failing_tasks[task] = words
    with pytest.raises(CloudError) as caught:
        builds.install(iso, additional_iso_files=[{"cd_content": {"a": "x"}, "iso_storage_pool": "local"}])
    assert words in caught.value.message
    assert caught.value.detail == "the task's log"
    assert builds.proxmox.vms == {}
    assert list(builds.proxmox.isos.values()) == [ISO]


def test_a_lost_answer_leaves_no_machine(builds: Builds, iso: str) -> None:
    builds.proxmox.fail("POST", "qemu$", 500, "something broke", after=True)
    with pytest.raises(CloudError, match="something broke"):
        builds.install(iso)
    assert builds.proxmox.vms == {}


def test_a_number_that_another_build_took_is_left_alone(builds: Builds, iso: str) -> None:
    proxmox = builds.proxmox

    def take(method: str, path: str) -> None:
        if path == "nodes/pve/qemu" and method == "POST" and 100 not in proxmox.vms:
            proxmox.put(100, {"name": "another"})

    proxmox.on_call = take
    assert builds.install(iso).id == "101"
    assert proxmox.vms[100].config == {"name": "another"}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"password": "wrong"}, "`root@pam` is not let in"),
        ({"node": "other"}, "there is no node `other`"),
        ({"vm_id": 900}, "there is a machine with the number 900"),
        ({"cpu_type": "x", "qemu_additional_args": "-x"}, ""),
    ],
)
def test_what_cannot_work_is_told_before_anything_is_made(
    builds: Builds, iso: str, options: dict[str, Any], words: str
) -> None:
    builds.proxmox.put(900, {"name": "debian"})
    if not words:
        builds.install(iso, **options)
        return
    with pytest.raises(VmforgeError, match=words):
        builds.install(iso, **options)
    assert set(builds.proxmox.vms) == {900}
    assert builds.proxmox.isos == {}


def test_force_makes_room_where_a_template_was(builds: Builds, iso: str) -> None:
    builds.proxmox.put(900, {"name": "debian"})
    builds.changes["force"] = True
    assert builds.install(iso, vm_id=900).id == "900"


def test_a_guest_that_does_not_shut_down_is_cut_off(builds: Builds, iso: str) -> None:
    builds.proxmox.stuck_guest = True
    builds.install(iso, shutdown_timeout="1s")
    assert any(path.endswith("status/stop") for _, path, _ in builds.proxmox.calls)


def test_a_guest_that_dies_ends_the_wait_for_it(builds: Builds, iso: str) -> None:
    proxmox = builds.proxmox
    proxmox.agent_polls = 10**6

    def die(method: str, path: str) -> None:
        if path.endswith("network-get-interfaces"):
            proxmox.vms[100].status = "stopped"

    proxmox.on_call = die
    with pytest.raises(MachineError, match="has ended"):
        builds.install(iso)
    assert proxmox.vms == {}


def test_an_installer_without_a_communicator_powers_itself_off(builds: Builds, iso: str) -> None:
    proxmox = builds.proxmox

    def end(method: str, path: str) -> None:
        if path.endswith("status/current") and any(p.endswith("status/start") for _, p, _ in proxmox.calls):
            proxmox.vms[100].status = "stopped"

    proxmox.on_call = end
    context = replace(builds.context(), connector=configure(NoneConnector, {}))
    assert builds.install(iso, context).id == "100"


@pytest.mark.parametrize("where", ["upload", "qemu$", "status/start", "network-get-interfaces", "tasks/"])
def test_an_interrupted_build_leaves_nothing(builds: Builds, iso: str, where: str) -> None:
    context = builds.context()
    proxmox = builds.proxmox
    proxmox.agent_polls = 10**6

    def interrupt(method: str, path: str) -> None:
        if re.search(where, path):
            context.cancellation.cancel()

    proxmox.on_call = interrupt
    with pytest.raises(Interrupted):
        builds.install(
            iso, context, additional_iso_files=[{"cd_content": {"a": "x"}, "iso_storage_pool": "local"}]
        )
    assert proxmox.vms == {}
    assert all(content == ISO for content in proxmox.isos.values())


def test_what_builds_left_is_found_by_its_mark(builds: Builds, iso: str) -> None:
    proxmox = builds.proxmox
    proxmox.put(500, {"name": "no build's"})
    found: list[str] = []

    def look(machine: Machine) -> None:
        builder = configure(
            ProxmoxIsoBuilder, {"proxmox_url": proxmox.url, **BASE, "iso_file": "local:iso/x.iso"}
        )
        assert isinstance(builder, ProxmoxIsoBuilder)
        left = list(builder.leftovers(builds.context()))
        found.extend(f"{one.kind} {one.id} {one.mark.run} {one.mark.build}" for one in left)
        for one in left:
            one.delete()
            one.delete()  # which does nothing

    builds.provision = look
    with pytest.raises(VmforgeError):
        builds.install(iso, additional_iso_files=[{"cd_content": {"a": "x"}, "iso_storage_pool": "local"}])
    run = "00000000-0000-4000-8000-000000000000"
    assert found[0] == f"machine 100 {run} qemu-base"
    assert re.fullmatch(rf"CD image local:iso/vmforge-0{{12}}[-0-9a-z]+-0\.iso {run} [0-9a-f]{{4}}", found[1])
    assert set(proxmox.vms) == {500}


TEMPLATE = """
source "proxmox-iso" "killed" {{
  proxmox_url = "{url}"
  username = "root@pam"
  password = "right"
  node = "pve"
  iso_url = "{iso}"
  iso_checksum = "none"
  iso_storage_pool = "local"
  vm_interface = "eth0"
  boot_command = ["<wait{wait}>"]
  boot_wait = "1ms"
  ssh_username = "{user}"
  ssh_private_key_file = "{key}"
  ssh_port = {port}
  disks {{
    storage_pool = "local-lvm"
    disk_size = "1G"
  }}
  additional_iso_files {{
    cd_content = {{ "a" = "x" }}
    iso_storage_pool = "local"
  }}
}}
build {{
  sources = ["proxmox-iso.killed"]
}}
"""


def kill_a_build(builds: Builds, iso: str, folder: Path) -> Path:
    """Kill a build whose machine runs; its template, which then waits no more."""
    proxmox, guest = builds.proxmox, builds.guest
    values = {"url": proxmox.url, "iso": iso, "key": guest.key, "port": guest.port, "user": "root"}
    template = folder / "killed.pkr.hcl"
    template.write_text(TEMPLATE.format(wait="1h", **values))
    command = [sys.executable, "-m", "vmforge", "build", str(template)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: any(vm.status == "running" for vm in proxmox.vms.values()))
        alive = vmforge("cleanup", "--cloud", str(template))
        assert "is running" in alive.stdout, alive.stdout + alive.stderr
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    assert (len(proxmox.vms), len(proxmox.isos)) == (1, 2)
    template.write_text(TEMPLATE.format(wait="1ms", **values))
    return template


def vmforge(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "vmforge", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def test_the_next_build_deletes_what_a_killed_one_left(
    builds: Builds, iso: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VMFORGE_STATE_DIR", str(tmp_path / "state"))
    template = kill_a_build(builds, iso, tmp_path)
    done = vmforge("build", str(template))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "deleting what a killed build left" in done.stdout
    assert [vm.template for vm in builds.proxmox.vms.values()] == [True]
    assert list(builds.proxmox.isos.values()) == [ISO]


def test_cleanup_deletes_what_a_killed_build_left(
    builds: Builds, iso: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VMFORGE_STATE_DIR", str(tmp_path / "state"))
    template = kill_a_build(builds, iso, tmp_path)
    done = vmforge("cleanup", "--cloud", "--yes", str(template))
    assert done.returncode == 0, done.stdout + done.stderr
    assert builds.proxmox.vms == {}
    assert list(builds.proxmox.isos.values()) == [ISO]


def test_uploads_stop_with_the_build(builds: Builds, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A large ISO is sent in pieces, never held in memory, and given up in the middle."""
    monkeypatch.setenv("VMFORGE_CACHE_DIR", str(tmp_path / "cache"))
    large = tmp_path / "large.iso"
    with large.open("wb") as file:
        file.truncate(300 * 1024**2)
    context = builds.context()
    sent = threading.Event()

    class Watched(RecordingUi):
        def progress(self, title: str, total: int | None, *, unit: str = "B") -> Any:
            if title.startswith("uploading"):
                sent.set()
                context.cancellation.cancel()
            return super().progress(title, total, unit=unit)

    context = replace(context, ui=Watched())
    with pytest.raises(Interrupted):
        builds.install(str(large), context)
    assert sent.is_set()
    assert builds.proxmox.isos == {}
