"""Builds on govmomi's simulator of a vCenter, with sshd as the guest; and what is left when they fail."""

from __future__ import annotations

import hashlib
import http.client
import io
import os
import re
import signal
import ssl
import subprocess
import sys
import tarfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from http_server import Server
from tests.fakes.hypervisor_builds import HypervisorBuilds, write_iso
from tests.fakes.openssh import OpenSsh, wait_until
from vmforge.builders.vsphere import VsphereCloneBuilder, VsphereIsoBuilder
from vmforge.builders.vsphere.client import Access
from vmforge.builders.vsphere.library import Libraries
from vmforge.builders.vsphere.post_processors import VsphereTemplatePostProcessor, VsphereUploadPostProcessor
from vmforge.errors import CommunicatorError, Interrupted, VmforgeError
from vmforge.sdk import Artifact, BuildContext, Cancellation, FileArtifact, Machine, Secret
from vmforge.sdk.testing import configure

# The simulator's guests have no VMware Tools; it takes their address from this setting.
ADDRESS = {"SET.guest.ipAddress": "127.0.0.1"}


@pytest.fixture
def iso(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    return write_iso(tmp_path, monkeypatch)


class Builds(HypervisorBuilds):
    def __init__(self, vcenter: Any, guest: OpenSsh, scratch: Path) -> None:
        super().__init__(guest, scratch)
        self.vcenter = vcenter

    @property
    def access(self) -> dict[str, Any]:
        return {
            "vcenter_server": self.vcenter.server,
            "username": "admin",
            "password": "right",
            "cluster": "DC0_C0",
            "vm_name": "build",
            "configuration_parameters": ADDRESS,
            "ip_settle_timeout": "0s",
        }

    def install(self, iso: str, context: BuildContext | None = None, **options: Any) -> Artifact:
        source = {
            "iso_url": iso,
            "iso_checksum": "none",
            "guest_os_type": "debian10_64Guest",
            "storage": [{"disk_size": 1024, "disk_thin_provisioned": True}],
            "network_adapters": [{"network": "VM Network", "network_card": "vmxnet3"}],
        }
        return self.run(VsphereIsoBuilder, context, **source | options)


@pytest.fixture
def builds(vcenter: Any, guest: OpenSsh, tmp_path: Path) -> Builds:
    return Builds(vcenter, guest, tmp_path / "scratch")


def test_installs_types_provisions_and_leaves_a_template(builds: Builds, iso: str) -> None:
    ran: list[int] = []
    seen: list[list[str]] = []

    def provision(machine: Machine) -> None:
        ran.append(machine.communicator.run("true"))
        seen.append(builds.vcenter.files())

    builds.provision = provision
    artifact = builds.install(
        iso,
        boot_command=["<wait1ms>Ab<enter><leftCtrlOn>c<leftCtrlOff>/"],
        boot_keygroup_interval="1ms",
        boot_wait="1ms",
        notes="as it should be",
        CPUs=2,
        RAM=2048,
        cd_content={"user-data": "x"},
        floppy_content={"answers": "x"},
        convert_to_template=True,
        remove_cdrom=True,
        create_snapshot=True,
    )
    vcenter = builds.vcenter
    assert ran == [0]
    # USB's usages of A, B, Enter, C and the slash, in the upper half, with the page of keyboards
    assert vcenter.typed() == ["0x40007 shift", "0x50007", "0x280007", "0x60007 ctrl", "0x380007"]
    assert (artifact.builder_id, artifact.id, str(artifact)) == ("jetbrains.vsphere", "build", "build")
    machine = vcenter.machine("build")
    assert machine.config.template
    assert machine.config.annotation == "as it should be"
    assert (machine.config.hardware.numCPU, machine.config.hardware.memoryMB) == (2, 2048)
    assert machine.snapshot.currentSnapshot is not None
    kinds = [type(device).__name__.rpartition(".")[2] for device in machine.config.hardware.device]
    assert "VirtualVmxnet3" in kinds
    assert "VirtualCdrom" not in kinds
    assert "VirtualFloppy" not in kinds
    # the build's own CD and floppy are gone, and the installer stays for the next build
    assert len(seen[0]) == 3
    assert [name.partition("-")[2] for name in vcenter.files()] == ["debian.iso"]
    # the build has closed its session: this opens another
    artifact.destroy()
    assert "build" not in vcenter.names()


def test_exports_an_ovf_with_its_manifest(builds: Builds, iso: str, tmp_path: Path) -> None:
    folder = tmp_path / "exported"
    artifact = builds.install(
        iso,
        export={"name": "debian", "output_directory": str(folder), "options": ["mac"], "image_files": True},
        storage=[{"disk_size": 100}, {"disk_size": 200}],
        destroy=True,
    )
    assert [path.name for path in artifact.files] == [
        "debian-disk-0.vmdk",
        "debian-disk-1.vmdk",
        "debian.mf",
        "debian.ovf",
    ]
    assert (folder / "debian-disk-1.vmdk").read_text() == "the disk 1"
    manifest = (folder / "debian.mf").read_text()
    digest = hashlib.sha256(b"the disk 0").hexdigest()
    assert f"SHA256(debian-disk-0.vmdk)= {digest}\n" in manifest
    assert '<File ovf:href="debian-disk-0.vmdk" ovf:size="10"/>' in (folder / "debian.ovf").read_text()
    assert "build" not in builds.vcenter.names()
    assert oct(folder.stat().st_mode & 0o777) == "0o750"


@pytest.mark.parametrize("ovf", [False, True])
def test_puts_a_template_into_a_content_library(builds: Builds, iso: str, ovf: bool) -> None:
    libraries = Libraries(Access(builds.vcenter.server, "admin", Secret("right")), Cancellation())
    library = make_library(libraries, builds.vcenter)
    destination = {"library": "images", "name": "debian", "ovf": ovf, "destroy": True, "description": "made"}
    artifact = builds.install(iso, content_library_destination=destination)
    item = libraries.find_item(library, "debian")
    assert item
    assert artifact.state["content_library_item"] == item
    assert "build" not in builds.vcenter.names()
    libraries.close()


def make_library(libraries: Libraries, vcenter: Any) -> str:
    store = vcenter.connect().searchIndex.FindByInventoryPath("DC0/datastore/LocalDS_0")
    spec = {
        "name": "images",
        "type": "LOCAL",
        "storage_backings": [{"type": "DATASTORE", "datastore_id": store._moId}],
    }
    return str(libraries._post("/com/vmware/content/local-library", {"create_spec": spec}))


def test_a_library_that_is_not_there_is_told(builds: Builds, iso: str) -> None:
    with pytest.raises(VmforgeError, match="there is no content library `none`"):
        builds.install(iso, content_library_destination={"library": "none"})
    assert "build" not in builds.vcenter.names()


def test_an_iso_that_the_datastore_has_is_not_uploaded_again(builds: Builds, iso: str) -> None:
    builds.install(iso)
    builds.install(iso, vm_name="second")
    assert any("is there already" in text for text in builds.ui.texts("message"))
    builds.install(iso, vm_name="third", remote_cache_cleanup=True, remote_cache_overwrite=True)
    assert builds.vcenter.files() == []


def test_installs_from_an_iso_of_the_datastore(builds: Builds, iso: str) -> None:
    builds.install(
        iso, iso_url="", iso_paths=["[LocalDS_0] iso/debian.iso"], cdrom_type="sata", reattach_cdroms=2
    )
    devices = builds.vcenter.machine("build").config.hardware.device
    drives = [device for device in devices if type(device).__name__.endswith("VirtualCdrom")]
    assert len(drives) == 2
    assert not any(hasattr(drive.backing, "fileName") for drive in drives)


def test_clones_adapts_and_customises(builds: Builds) -> None:
    artifact = builds.run(
        VsphereCloneBuilder,
        template="DC0_C0_RP0_VM0",
        folder="images/linux",
        CPUs=4,
        notes="a clone",
        storage=[{"disk_size": 50}],
        network_adapters=[{"network": "VM Network"}, {"network": "DC0_DVPG0", "network_card": "vmxnet3"}],
        cd_content={"meta-data": ""},
        convert_to_template=True,
        customize={
            "linux_options": {"host_name": "clone", "domain": "example.com"},
            "network_interface": [{"ipv4_address": "127.0.0.1", "ipv4_netmask": 8}],
            "ipv4_gateway": "127.0.0.254",
        },
    )
    assert artifact.id == "build"
    machine = builds.vcenter.machine("images/linux/build")
    assert machine.config.template
    assert machine.config.annotation == "a clone"
    kinds = [type(device).__name__.rpartition(".")[2] for device in machine.config.hardware.device]
    assert kinds.count("VirtualDisk") == 2
    assert kinds.count("VirtualVmxnet3") == 1
    assert builds.vcenter.files() == []


def test_a_linked_clone_needs_a_snapshot(builds: Builds) -> None:
    with pytest.raises(VmforgeError, match="has no snapshot"):
        builds.run(VsphereCloneBuilder, template="DC0_C0_RP0_VM0", linked_clone=True)
    task = builds.vcenter.machine("DC0_C0_RP0_VM0").CreateSnapshot_Task("base", "", False, False)
    assert task is not None
    assert builds.run(VsphereCloneBuilder, template="DC0_C0_RP0_VM0", linked_clone=True).id == "build"


def test_deploys_a_remote_ova(builds: Builds, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VMFORGE_CACHE_DIR", str(tmp_path / "cache"))
    (tmp_path / "served").mkdir()
    write_ova(tmp_path / "served" / "debian.ova")
    with Server(tmp_path / "served", None, host="127.0.0.1") as server:
        url = f"http://127.0.0.1:{server.port}/debian.ova"
        builds.run(VsphereCloneBuilder, remote_source={"url": url}, notes="of an OVA")
    machine = builds.vcenter.machine("build")
    assert machine.config.annotation == "of an OVA"
    assert machine.config.hardware.memoryMB == 512


def test_vapp_properties_that_the_template_lacks_are_told(builds: Builds) -> None:
    with pytest.raises(VmforgeError, match="has no vApp property `hostname`"):
        builds.run(VsphereCloneBuilder, template="DC0_C0_RP0_VM0", vapp={"properties": {"hostname": "x"}})


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"password": "wrong"}, "`admin` is not let in"),
        ({"datacenter": "none"}, "there is no datacenter `none`"),
        ({"cluster": "none"}, "there is no cluster `none`"),
        ({"cluster": "", "host": "none"}, "there is no host `none`"),
        ({"datastore": "none"}, "there is no datastore `none`"),
        ({"resource_pool": "none"}, "there is no resource pool `none`"),
        ({"network_adapters": [{"network": "none"}]}, "there is no network `none`"),
        ({"vm_name": "DC0_C0_RP0_VM0"}, "there is a machine `DC0_C0_RP0_VM0`"),
    ],
)
def test_what_cannot_work_is_told_and_leaves_nothing(
    builds: Builds, iso: str, options: dict[str, Any], words: str
) -> None:
    before = builds.vcenter.names()
    with pytest.raises(VmforgeError, match=words):
        builds.install(iso, **options)
    assert builds.vcenter.names() == before


def test_force_replaces_a_machine(builds: Builds, iso: str) -> None:
    builds.install(iso, notes="old")
    builds.changes["force"] = True
    builds.install(iso, notes="new")
    assert builds.vcenter.machine("build").config.annotation == "new"


@pytest.mark.parametrize("moment", ["provision", "address"])
def test_an_interrupted_build_leaves_nothing(builds: Builds, iso: str, moment: str) -> None:
    context = builds.context()
    if moment == "provision":
        builds.provision = lambda machine: context.cancellation.cancel()
    else:
        timer = threading.Timer(2, context.cancellation.cancel)
        timer.start()
    options: dict[str, Any] = {} if moment == "provision" else {"ip_wait_address": "192.0.2.0/24"}
    with pytest.raises(Interrupted):
        builds.install(iso, context, cd_content={"a": "x"}, shutdown_timeout="5s", **options)
    assert "build" not in builds.vcenter.names()
    assert [name.partition("-")[2] for name in builds.vcenter.files()] == ["debian.iso"]


def test_no_address_in_time_is_told(builds: Builds, iso: str) -> None:
    with pytest.raises(
        VmforgeError, match="the guest has no address after 1 s: VMware Tools tell no address"
    ):
        builds.install(iso, ip_wait_timeout="1s", ip_wait_address="192.0.2.0/24")


def test_a_guest_that_ends_is_told(builds: Builds, iso: str) -> None:
    def end(machine: Machine) -> None:
        builds.vcenter.machine("build").PowerOffVM_Task()
        raise CommunicatorError("the connection broke")

    builds.provision = end
    with pytest.raises(VmforgeError):
        builds.install(iso)
    assert "build" not in builds.vcenter.names()


def test_what_builds_left_is_found_by_its_mark(builds: Builds, iso: str) -> None:
    found: list[str] = []

    def look(machine: Machine) -> None:
        builder = configure(
            VsphereIsoBuilder, {**builds.access, "iso_paths": ["[LocalDS_0] a.iso"], "vm_name": "other"}
        )
        assert isinstance(builder, VsphereIsoBuilder)
        left = list(builder.leftovers(builds.context()))
        found.extend(f"{one.kind} {one.id} {one.mark.run} {one.mark.build}" for one in left)
        for one in left:
            one.delete()
            one.delete()  # which does nothing

    builds.provision = look
    with pytest.raises(VmforgeError):
        builds.install(iso, cd_content={"a": "x"})
    run = "00000000-0000-4000-8000-000000000000"
    assert found[0] == f"machine build {run} qemu-base"
    assert re.fullmatch(
        rf"file \[LocalDS_0\] packer_cache/vmforge-[-0-9a-z]+-cd\.iso {run} [0-9a-f]{{4}}", found[1]
    )


TEMPLATE = """
source "vsphere-iso" "killed" {{
  vcenter_server = "{server}"
  username = "admin"
  password = "right"
  cluster = "DC0_C0"
  vm_name = "killed"
  guest_os_type = "debian10_64Guest"
  configuration_parameters = {{ "SET.guest.ipAddress" = "127.0.0.1" }}
  ip_settle_timeout = "0s"
  iso_url = "{iso}"
  iso_checksum = "none"
  boot_command = ["<wait{wait}>"]
  boot_wait = "1ms"
  cd_content = {{ "a" = "x" }}
  ssh_username = "root"
  ssh_private_key_file = "{key}"
  ssh_port = {port}
  storage {{
    disk_size = 100
  }}
  network_adapters {{
    network = "VM Network"
  }}
}}
build {{
  sources = ["vsphere-iso.killed"]
}}
"""


def test_the_next_build_deletes_what_a_killed_one_left(
    builds: Builds, iso: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VMFORGE_STATE_DIR", str(tmp_path / "state"))
    vcenter, guest = builds.vcenter, builds.guest
    values = {"server": vcenter.server, "iso": iso, "key": guest.key, "port": guest.port}
    template = tmp_path / "killed.pkr.hcl"
    template.write_text(TEMPLATE.format(wait="1h", **values))
    command = [sys.executable, "-m", "vmforge", "build", str(template)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def runs() -> bool:
        machine = vcenter.machine("killed")
        return machine is not None and machine.runtime.powerState == "poweredOn"

    try:
        wait_until(runs)
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    assert len(vcenter.files()) == 2
    template.write_text(TEMPLATE.format(wait="1ms", **values))
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "deleting what a killed build left" in done.stdout
    assert vcenter.machine("killed").config.annotation == "built by vmforge"
    assert [name.partition("-")[2] for name in vcenter.files()] == ["debian.iso"]


class Faults:
    """A proxy before the simulator that fails the next requests whose body matches."""

    def __init__(self, vcenter: Any) -> None:
        self.pattern = re.compile(rb"$^")
        self.times, self.status, self.after = 0, 0, False
        self.ends_session = False
        faults, host = self, vcenter.server

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def serve(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                fails = faults.times > 0 and faults.pattern.search(body + self.path.encode()) is not None
                faults.times -= fails
                if fails and not faults.after:
                    self.fail()
                    return
                connection = http.client.HTTPSConnection(host, context=ssl._create_unverified_context())
                headers = {name: value for name, value in self.headers.items() if name.lower() != "host"}
                if faults.ends_session:
                    headers.pop("Cookie", None)
                    faults.ends_session = b"<Login " not in body
                connection.request(self.command, self.path, body, headers)
                answer = connection.getresponse()
                content = answer.read()
                if fails:
                    self.fail()
                    return
                self.send_response(answer.status)
                for name, value in answer.getheaders():
                    if name.lower() not in ("transfer-encoding", "content-length", "connection"):
                        self.send_header(name, value)
                length = answer.getheader("Content-Length") if self.command == "HEAD" else str(len(content))
                self.send_header("Content-Length", length or "0")
                self.end_headers()
                self.wfile.write(content)

            def fail(self) -> None:
                if not faults.status:
                    self.close_connection = True
                    self.connection.close()
                    return
                self.send_response(faults.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            do_GET = do_POST = do_PUT = do_HEAD = serve

            def log_message(self, *arguments: object) -> None:
                return None

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(vcenter.folder / "cert.pem", vcenter.folder / "key.pem")
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,))
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def faults(vcenter: Any) -> Iterator[Faults]:
    proxy = Faults(vcenter)
    yield proxy
    proxy.close()


@pytest.mark.parametrize(
    ("pattern", "status"),
    [
        (b">runtime.powerState<", 503),
        (b">runtime.powerState<", 0),
        (b"CreateVM_Task", 503),
        (b"PowerOnVM_Task", 429),
        (b"Destroy_Task|DeleteDatastoreFile_Task", 503),
        (b"/folder/packer_cache", 503),
        (b"/folder/packer_cache", 0),
    ],
)
def test_what_passes_by_itself_is_waited_for(
    builds: Builds, faults: Faults, iso: str, pattern: bytes, status: int
) -> None:
    faults.pattern, faults.times, faults.status = re.compile(pattern), 2, status
    server = f"127.0.0.1:{faults.server.server_port}"
    assert builds.install(iso, vcenter_server=server, cd_content={"a": "x"}).id == "build"
    assert faults.times == 0
    assert [name.partition("-")[2] for name in builds.vcenter.files()] == ["debian.iso"]


def test_a_session_that_has_ended_is_renewed(builds: Builds, faults: Faults, iso: str) -> None:
    def end(machine: Machine) -> None:
        faults.ends_session = True

    builds.provision = end
    assert builds.install(iso, vcenter_server=f"127.0.0.1:{faults.server.server_port}").id == "build"
    assert not faults.ends_session


def test_a_lost_answer_leaves_no_machine(builds: Builds, faults: Faults, iso: str) -> None:
    faults.pattern, faults.times, faults.after = re.compile(b"CreateVM_Task"), 1, True
    with pytest.raises(VmforgeError, match="does not answer"):
        builds.install(iso, vcenter_server=f"127.0.0.1:{faults.server.server_port}")
    assert "build" not in builds.vcenter.names()


OVF = """<?xml version="1.0" encoding="UTF-8"?>
<Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1" xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1"
 xmlns:rasd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData"
 xmlns:vssd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_VirtualSystemSettingData">
  <References><File ovf:href="disk.vmdk" ovf:id="file1" ovf:size="9"/></References>
  <DiskSection><Info>Disks</Info>
    <Disk ovf:capacity="1" ovf:capacityAllocationUnits="byte * 2^20" ovf:diskId="disk1" ovf:fileRef="file1"
     ovf:format="http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized"/>
  </DiskSection>
  <NetworkSection><Info>Networks</Info><Network ovf:name="nat"><Description>nat</Description></Network>
  </NetworkSection>
  <VirtualSystem ovf:id="vm"><Info>A machine</Info><Name>vm</Name>
    <OperatingSystemSection ovf:id="96"><Info>System</Info></OperatingSystemSection>
    <VirtualHardwareSection><Info>Hardware</Info>
      <System><vssd:ElementName>Hardware</vssd:ElementName><vssd:InstanceID>0</vssd:InstanceID>
        <vssd:VirtualSystemType>vmx-19</vssd:VirtualSystemType></System>
      <Item><rasd:ElementName>cpu</rasd:ElementName><rasd:InstanceID>1</rasd:InstanceID>
        <rasd:ResourceType>3</rasd:ResourceType><rasd:VirtualQuantity>1</rasd:VirtualQuantity></Item>
      <Item><rasd:AllocationUnits>byte * 2^20</rasd:AllocationUnits>
        <rasd:ElementName>memory</rasd:ElementName>
        <rasd:InstanceID>2</rasd:InstanceID><rasd:ResourceType>4</rasd:ResourceType>
        <rasd:VirtualQuantity>512</rasd:VirtualQuantity></Item>
      <Item><rasd:Address>0</rasd:Address><rasd:ElementName>scsi</rasd:ElementName>
        <rasd:InstanceID>3</rasd:InstanceID><rasd:ResourceSubType>lsilogic</rasd:ResourceSubType>
        <rasd:ResourceType>6</rasd:ResourceType></Item>
      <Item><rasd:AddressOnParent>0</rasd:AddressOnParent><rasd:ElementName>disk</rasd:ElementName>
        <rasd:HostResource>ovf:/disk/disk1</rasd:HostResource><rasd:InstanceID>4</rasd:InstanceID>
        <rasd:Parent>3</rasd:Parent><rasd:ResourceType>17</rasd:ResourceType></Item>
      <Item><rasd:AddressOnParent>7</rasd:AddressOnParent><rasd:Connection>nat</rasd:Connection>
        <rasd:ElementName>net</rasd:ElementName><rasd:InstanceID>5</rasd:InstanceID>
        <rasd:ResourceSubType>E1000</rasd:ResourceSubType><rasd:ResourceType>10</rasd:ResourceType></Item>
    </VirtualHardwareSection>
  </VirtualSystem>
</Envelope>
"""


def write_ova(path: Path) -> None:
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as archive:
        for name, content in (("vm.ovf", OVF.encode()), ("disk.vmdk", b"the disk\n")):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


def process(builds: Builds, kind: Any, artifact: Artifact, **options: Any) -> Any:
    access = {"host": builds.vcenter.server, "username": "admin", "password": "right"}
    component: Any = configure(kind, {**access, **options})
    return component.process(builds.context(), artifact)


def test_an_ova_becomes_a_machine_and_then_a_template(builds: Builds, tmp_path: Path) -> None:
    write_ova(tmp_path / "vm.ova")
    local = FileArtifact("transcend.qemu", "VM", (tmp_path / "vm.ova",), "an OVA")
    upload = {
        "cluster": "DC0_C0",
        "datacenter": "DC0",
        "datastore": "LocalDS_0",
        "vm_folder": "uploaded",
        "vm_name": "vm",
        "vm_network": "VM Network",
        "disk_mode": "thin",
        "resource_pool": "",
        "hardware_version": "vmx-13",
        "max_retries": 2,
        "insecure": False,
    }
    processed = process(builds, VsphereUploadPostProcessor, local, **upload)
    assert (processed.artifact.builder_id, processed.artifact.id) == ("packer.post-processor.vsphere", "vm")
    machine = builds.vcenter.machine("uploaded/vm")
    assert machine.config.hardware.memoryMB == 512
    with pytest.raises(VmforgeError, match="there is a machine `vm`"):
        process(builds, VsphereUploadPostProcessor, local, **upload)
    processed = process(builds, VsphereUploadPostProcessor, local, **upload, overwrite=True)
    template = {
        "datacenter": "DC0",
        "folder": "templates",
        "template_name": "debian",
        "snapshot_enable": True,
        "snapshot_name": "base",
        "snapshot_description": "for clones",
        "reregister_vm": False,
    }
    processed = process(builds, VsphereTemplatePostProcessor, processed.artifact, **template)
    assert processed.must_keep
    machine = builds.vcenter.machine("templates/debian")
    assert machine.config.template
    assert machine.snapshot.rootSnapshotList[0].name == "base"


def test_a_machine_is_registered_again_as_a_template(builds: Builds, tmp_path: Path) -> None:
    write_ova(tmp_path / "vm.ova")
    local = FileArtifact("transcend.qemu", "VM", (tmp_path / "vm.ova",), "an OVA")
    uploaded = process(builds, VsphereUploadPostProcessor, local, cluster="DC0_C0", vm_name="vm").artifact
    made = process(builds, VsphereTemplatePostProcessor, uploaded, folder="templates").artifact
    assert made.id == "vm"
    assert builds.vcenter.machine("templates/vm") is not None
    assert builds.vcenter.machine("vm") is None


def test_a_host_is_as_good_as_a_cluster(builds: Builds, tmp_path: Path) -> None:
    write_ova(tmp_path / "vm.ova")
    local = FileArtifact("transcend.qemu", "VM", (tmp_path / "vm.ova",), "an OVA")
    made = process(builds, VsphereUploadPostProcessor, local, cluster="DC0_C0_H0", vm_name="vm")
    assert made.artifact.id == "vm"


def test_what_is_no_ova_is_refused(builds: Builds, tmp_path: Path) -> None:
    disk = FileArtifact("transcend.qemu", "VM", (tmp_path / "vm.qcow2",), "a disk")
    with pytest.raises(VmforgeError, match="there is no OVA or OVF"):
        process(builds, VsphereUploadPostProcessor, disk)
    with pytest.raises(VmforgeError, match="`VM` is no machine on vSphere"):
        process(builds, VsphereTemplatePostProcessor, disk)


def test_a_transfer_that_breaks_off_leaves_no_machine(builds: Builds, faults: Faults, tmp_path: Path) -> None:
    write_ova(tmp_path / "vm.ova")
    local = FileArtifact("transcend.qemu", "VM", (tmp_path / "vm.ova",), "an OVA")
    faults.pattern, faults.times, faults.status = re.compile(b"HttpNfcLeaseComplete"), 99, 500
    with pytest.raises(VmforgeError):
        server = f"127.0.0.1:{faults.server.server_port}"
        process(builds, VsphereUploadPostProcessor, local, host=server, cluster="DC0_C0", vm_name="vm")
    assert "vm" not in builds.vcenter.names()
