"""From templates to the API's specifications, and what is wrong with a source by its values."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pyVmomi import vim

from vmforge.builders.vsphere import VsphereCloneBuilder, VsphereIsoBuilder, hardware
from vmforge.builders.vsphere.client import Access
from vmforge.builders.vsphere.config import VsphereCloneConfig, VsphereIsoConfig, WaitOptions
from vmforge.builders.vsphere.customization import customization
from vmforge.builders.vsphere.library import Libraries
from vmforge.builders.vsphere.machine import SettledAddress
from vmforge.builders.vsphere.media import DatastoreFiles
from vmforge.builders.vsphere.origin import remote_medium
from vmforge.builders.vsphere.post_processors import VsphereTemplatePostProcessor, VsphereUploadPostProcessor
from vmforge.diagnostics import has_errors
from vmforge.errors import CommunicatorError, HostError, VmforgeError
from vmforge.pipeline.plan import PlannedBuild, Planner
from vmforge.sdk import Cancellation, Duration, Secret
from vmforge.sdk.body import Body
from vmforge.sdk.decoding import decode
from vmforge.sdk.interpolate import interpolator
from vmforge.sdk.mark import RunMark
from vmforge.sdk.network import RemoteKind
from vmforge.sdk.registry import Registry
from vmforge.sdk.testing import configure, fake_context
from vmforge.template import VariableInputs, load

STARTED = datetime(2026, 11, 20, tzinfo=UTC)
BASE: dict[str, Any] = {"vcenter_server": "vcenter", "username": "a", "password": "b", "cluster": "c"}
ISO = {"iso_paths": ["[store] a.iso"]}


def planned() -> tuple[PlannedBuild, ...]:
    template = load(Path(__file__).parent / "every_option.pkr.hcl", VariableInputs(), started=STARTED)
    planner = Planner(template, Registry(), STARTED)
    plan = planner.plan()
    assert not has_errors(planner.diagnostics), planner.diagnostics
    return plan.builds


def as_text(value: Any, indent: str = "") -> str:
    """One of the API's objects, without what is not set."""
    if isinstance(value, list):
        return "".join(f"\n{indent}- {as_text(one, indent + '  ').lstrip()}" for one in value)
    if not isinstance(value, vim.vm.ConfigSpec.__mro__[1]):
        return str(value)
    lines = []
    for info in value._GetPropertyList():
        inner = getattr(value, info.name)
        if inner is not None and inner != []:
            lines.append(f"\n{indent}{info.name} = {as_text(inner, indent + '  ')}")
    return f"{type(value).__name__}{''.join(lines)}"


def test_every_option_in_its_specification(golden: Callable[[str, str], None]) -> None:
    texts = []
    for build in planned():
        config: Any = build.builder.config
        if isinstance(config, VsphereIsoConfig):
            network = vim.vm.device.VirtualEthernetCard.NetworkBackingInfo(deviceName="VM Network")
            spec = hardware.machine_spec(
                config, "LocalDS_0", [network], config.iso_paths, config.floppy_img_path
            )
        else:
            spec = customization(config.customize, "clone", config.customize.windows_sysprep_text)
        texts.append(f"{build.full_name}: {as_text(spec)}")
    golden("vsphere/specifications.txt", "\n\n".join((*texts, "")))


def iso_config(**options: Any) -> VsphereIsoConfig:
    decoded = decode(Body.of({**BASE, **options}), [VsphereIsoConfig], interpolator())
    assert not has_errors(decoded.diagnostics), decoded.diagnostics
    return decoded.get(VsphereIsoConfig)


def clone_config(**options: Any) -> VsphereCloneConfig:
    decoded = decode(Body.of({**BASE, **options}), [VsphereCloneConfig], interpolator())
    assert not has_errors(decoded.diagnostics), decoded.diagnostics
    return decoded.get(VsphereCloneConfig)


@pytest.mark.parametrize(
    ("options", "summary"),
    [
        ({"vcenter_server": ""}, "`vcenter_server` is empty"),
        ({"iso_paths": []}, "there is no ISO to install from"),
        ({"iso_paths": ["a.iso"]}, "`iso_paths`: `a.iso` has no datastore"),
        ({"iso_url": "https://x/a.iso"}, "`iso_checksum` is not set"),
        ({"cluster": ""}, "it is not said where the machine runs"),
        ({"datastore": "a", "datastore_cluster": "b"}, "`datastore` and `datastore_cluster` are both set"),
        (
            {"RAM_reservation": 1, "RAM_reserve_all": True},
            "`RAM_reservation` and `RAM_reserve_all` are both set",
        ),
        ({"CPUs": 3, "cpu_cores": 2}, "`CPUs` is no multiple of `cpu_cores`"),
        ({"vTPM": True}, "`vTPM` needs UEFI"),
        ({"vbs_enabled": True}, "`vbs_enabled` needs more"),
        ({"precision_clock": "sun"}, "there is no precision clock `sun`"),
        ({"reattach_cdroms": 5}, "`reattach_cdroms` must be from 0 to 4"),
        (
            {"floppy_img_path": "[a] b", "floppy_content": {"a": "b"}},
            "`floppy_img_path` and `floppy_files` are both set",
        ),
        ({"network_adapters": [{"network_card": "ne2000"}]}, "there is no network card `ne2000`"),
        ({"boot_order": "tape"}, "`tape` cannot be booted from"),
        ({"ip_wait_address": "x"}, "`ip_wait_address`: 'x' does not appear to be an IPv4 or IPv6 network"),
        ({"usb_controller": ["usb", "usb"]}, "a machine has one USB controller of a kind"),
        ({"storage": [{"disk_size": 1, "disk_controller_index": 1}]}, "there is no disk controller 1"),
        ({"storage": [{"disk_size": 0}]}, "`disk_size` is 0"),
        (
            {"storage": [{"disk_size": 1, "disk_thin_provisioned": True, "disk_eagerly_scrub": True}]},
            "a disk is either thin or scrubbed",
        ),
        ({"disk_controller_type": ["pvscsi"] * 5}, "a machine has at most 4 disk controllers of a kind"),
        ({"export": {"options": ["all"]}}, "there is no export option `all`"),
        ({"export": {"images": True}}, "`images` is an old name of `image_files`"),
        ({"export": {"directory_permission": "rwx"}}, "`directory_permission` is no octal number"),
        (
            {"convert_to_template": True, "content_library_destination": {"library": "a"}},
            "`convert_to_template` and `content_library_destination` are both set",
        ),
        ({"content_library_destination": {"ovf": True}}, "there is no content library to put it into"),
        (
            {"vm_name": "a", "content_library_destination": {"library": "b", "name": "a"}},
            "a VM template must be called otherwise than the machine",
        ),
        (
            {"content_library_destination": {"library": "b", "cluster": "a", "host": "a"}},
            "a VM template has either a `cluster` or a `host`",
        ),
        (
            {"boot_command": ['<wait "login:">']},
            "the screen of this hypervisor's machines cannot be waited for",
        ),
    ],
)
def test_what_is_wrong_with_an_installation(options: dict[str, Any], summary: str) -> None:
    found = VsphereIsoBuilder.check(iso_config(**{**ISO, **options}))
    assert summary in [problem.summary for problem in found]


@pytest.mark.parametrize(
    ("options", "summary"),
    [
        ({"template": ""}, "a clone has either `template` or `remote_source`"),
        ({"remote_source": {"url": "https://a/b.ova"}}, "a clone has either `template` or `remote_source`"),
        ({"linked_clone": True, "disk_size": 1}, "a linked clone's disk has its origin's size"),
        ({"mac_address": "00:50:56:00:00:01"}, "`mac_address` needs `network`"),
        ({"template": "", "remote_source": {"url": "ftp://a"}}, "`remote_source` has no `https://` URL"),
        (
            {"template": "", "remote_source": {"url": "https://a", "skip_tls_verify": True}},
            "certificates of downloads are always verified",
        ),
        ({"customize": {"network_interface": [{}]}}, "`customize` does not say what the guest is"),
        ({"customize": {"linux_options": {}}}, "`customize` has no `network_interface`"),
        (
            {"customize": {"linux_options": {}, "network_interface": [{"ipv4_address": "x"}]}},
            "`x` is no address",
        ),
        (
            {"customize": {"windows_options": {"workgroup": "A"}, "windows_sysprep_file": "a.xml"}},
            "`customize` does not say what the guest is",
        ),
    ],
)
def test_what_is_wrong_with_a_clone(options: dict[str, Any], summary: str) -> None:
    found = VsphereCloneBuilder.check(clone_config(**{"template": "t", **options}))
    assert summary in [problem.summary for problem in found]


def test_packers_json_has_lower_case_names_too() -> None:
    config = iso_config(**ISO, cpus=2, ram=1024, nestedhv=True)
    assert (config.CPUs, config.RAM, config.NestedHV) == (2, 1024, True)


def test_what_is_fetched_and_what_is_sent() -> None:
    remote = VsphereIsoBuilder.remote_inputs(iso_config(iso_url="https://x/a.iso", iso_checksum="none"))
    assert [one.kind for one in remote] == [RemoteKind.MEDIUM]
    assert list(VsphereIsoBuilder.remote_inputs(iso_config(**ISO))) == []
    clone = clone_config(remote_source={"url": "https://x/a.ova"})
    assert [one.kind for one in VsphereCloneBuilder.remote_inputs(clone)] == [RemoteKind.MEDIUM]
    for kind in (VsphereUploadPostProcessor, VsphereTemplatePostProcessor):
        options = {"host": "v", "username": "a", "password": "b"}
        decoded = decode(Body.of(options), [kind.config_type], interpolator()).get(kind.config_type)
        inputs = kind.remote_inputs(decoded)  # type: ignore[arg-type]
        assert [one.kind for one in inputs] == [RemoteKind.UPLOAD]


@pytest.mark.parametrize(
    ("kind", "options", "summary"),
    [
        (VsphereUploadPostProcessor, {"options": ["--X"]}, "`options` are for `ovftool`, which is not used"),
        (VsphereUploadPostProcessor, {"hardware_version": "new"}, "`hardware_version` is none"),
        (
            VsphereUploadPostProcessor,
            {"datastore": "a", "datastore_cluster": "b", "esxi_host": "c"},
            "`datastore` and `datastore_cluster` are both set",
        ),
        (
            VsphereTemplatePostProcessor,
            {"snapshot_enable": True, "reregister_vm": True},
            "`snapshot_enable` needs `snapshot_name` and `snapshot_description`",
        ),
    ],
)
def test_what_is_wrong_with_a_post_processor(kind: Any, options: dict[str, Any], summary: str) -> None:
    body = Body.of({"host": "v", "username": "a", "password": "b", **options})
    found = kind.check(decode(body, [kind.config_type], interpolator()).get(kind.config_type))
    assert summary in [problem.summary for problem in found]


def test_the_login_of_a_remote_source_goes_with_its_url() -> None:
    clone = clone_config(remote_source={"url": "https://x/a.ova", "username": "a@b", "password": "p:w"})
    assert clone.remote_source is not None
    assert remote_medium(clone.remote_source).iso_url == "https://a%40b:p%3Aw@x/a.ova"


def test_an_address_counts_once_it_has_settled() -> None:
    now, told = [0.0], [["fe80::1", "192.0.2.9"]]
    options = WaitOptions(ip_settle_timeout=Duration(5), ip_wait_address="192.0.2.0/24")
    address = SettledAddress(options, lambda: told[0], lambda: now[0])
    with pytest.raises(CommunicatorError, match="is to stay the same"):
        address.look()
    now[0], told[0] = 4.0, ["192.0.2.7"]
    with pytest.raises(CommunicatorError, match=re.escape("`192.0.2.7` is to stay the same")):
        address.look()
    now[0] = 9.0
    assert address.look() == "192.0.2.7"
    told[0] = []  # a guest that restarts tells none for a moment
    assert address.look() == "192.0.2.7"


@pytest.mark.parametrize(
    ("wanted", "address"),
    [("0.0.0.0/0", "198.51.100.3"), ("::/0", "2001:db8::3"), ("", "2001:db8::3"), ("203.0.113.0/24", "")],
)
def test_the_address_in_the_network_that_is_wanted(wanted: str, address: str) -> None:
    options = WaitOptions(ip_settle_timeout=Duration(0), ip_wait_address=wanted)
    told = ["fe80::3", "169.254.7.7", "2001:db8::3", "198.51.100.3"]
    looking = SettledAddress(options, lambda: told)
    if address:
        assert looking.look() == address
        return
    with pytest.raises(CommunicatorError, match="tell no address of the guest in"):
        looking.look()


class StoredItem:
    """vCenter's REST API with one item in one library."""

    def __init__(self, stored: list[dict[str, Any]]) -> None:
        self.stored = stored

    def get(self, path: str) -> Any:
        assert path == "/com/vmware/content/library/item/storage?library_item_id=item-1"
        return {"value": self.stored}

    def post(self, path: str, body: Any) -> Any:
        wanted = body["spec"]["name"]
        known = {"isos": "library-1", "debian": "item-1"}
        return {"value": [known[wanted]] if wanted in known else []}


def test_an_iso_of_a_content_library_is_found_on_its_datastore() -> None:
    entry = {
        "name": "debian.iso",
        "storage_backing": {"type": "DATASTORE", "datastore_id": "datastore-7"},
        "storage_uris": ["ds:///vmfs/volumes/5f-ab/contentlib-1/2/debian_3.iso?serverId=4"],
    }
    libraries = Libraries(Access("v", "a", Secret("b")), Cancellation())
    libraries._rest = StoredItem([entry])  # type: ignore[assignment]
    found = libraries.iso_path("isos/debian/debian.iso", {"datastore-7": "store"}.__getitem__)
    assert found == "[store] contentlib-1/2/debian_3.iso"
    with pytest.raises(VmforgeError, match="in the content libraries"):
        libraries.iso_path("isos/other/a.iso", str)
    with pytest.raises(VmforgeError, match="there is no content library `none`"):
        libraries.iso_path("none/other/a.iso", str)


def test_a_host_takes_uploads_with_a_ticket_for_each(tmp_path: Path) -> None:
    asked: list[Any] = []

    def ticket(spec: Any) -> Any:
        asked.append(spec)
        return SimpleNamespace(id="ticket-1")

    sessions = SimpleNamespace(AcquireGenericServiceTicket=ticket)
    vsphere: Any = SimpleNamespace(
        ask=lambda work: work(),
        do=lambda work: work(),
        content=SimpleNamespace(sessionManager=sessions),
        access=Access("v", "a", Secret("b")),
        cancellation=Cancellation(),
        cookie="",
    )
    context = fake_context(tmp_path)
    files = DatastoreFiles(
        vsphere,
        SimpleNamespace(),  # type: ignore[arg-type]
        context,
        RunMark.of(context),
        SimpleNamespace(name="store 1"),
        "packer_cache",
        SimpleNamespace(name="esx.example"),
    )
    url = "https://esx.example/folder/packer_cache/a.iso?dcPath=ha-datacenter&dsName=store+1"
    assert files._host_place("a.iso") == (url, "vmware_cgi_ticket=ticket-1")
    assert (asked[0].method, asked[0].url) == ("httpPut", url)


def test_a_missing_library_is_told_with_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyVmomi", None)
    for name in [name for name in sys.modules if name.startswith("vmforge.builders.vsphere.")]:
        monkeypatch.delitem(sys.modules, name)
    builder = configure(VsphereIsoBuilder, {**BASE, **ISO})
    assert isinstance(builder, VsphereIsoBuilder)
    with pytest.raises(HostError, match="the library `pyVmomi` is not installed") as caught:
        builder.build(fake_context(tmp_path))
    assert caught.value.hint == "install it: `pip install 'vmforge[vsphere]'`"


def test_validating_loads_no_library() -> None:
    template = Path(__file__).parent / "every_option.pkr.hcl"
    code = (
        "import sys; from vmforge.cli import main; sys.argv = ['vmforge', 'validate', sys.argv[1]]\n"
        "try: main()\nexcept SystemExit as end: assert not end.code, end.code\n"
        "print(sorted({'pyVmomi', 'pyVim', 'requests', 'proxmoxer'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(template)], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.stdout.splitlines()[-1:] == ["[]"], done.stdout + done.stderr
