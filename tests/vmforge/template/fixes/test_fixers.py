"""Each fixer: what goes in and what comes out."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from vmforge.template.fixes import FIXERS, fix_document, fix_template

Case = tuple[str, dict[str, Any], dict[str, Any]]

# Fixer, component, the same as it is written today. Packer 1.6.6 gives the same.
BUILDERS: list[Case] = [
    ("iso-md5", {"iso_md5": "a"}, {"iso_checksum": "md5:a"}),
    ("iso-md5", {"iso_md5": "a", "iso_checksum": "b"}, {"iso_checksum": "md5:a"}),
    ("iso-md5", {"iso_md5": 5}, {"iso_md5": 5}),
    (
        "createtime",
        {"ami_name": "a-{{.CreateTime}}-{{ .CreateTime }}"},
        {"ami_name": "a-{{timestamp}}-{{timestamp}}"},
    ),
    ("createtime", {"snapshot_name": "{{\t.CreateTime}}"}, {"snapshot_name": "{{timestamp}}"}),
    ("createtime", {"vm_name": "{{.CreateTime}}"}, {"vm_name": "{{.CreateTime}}"}),
    (
        "virtualbox-gaattach",
        {"type": "virtualbox", "guest_additions_attach": True},
        {"type": "virtualbox-iso", "guest_additions_mode": "attach"},
    ),
    (
        "virtualbox-gaattach",
        {"type": "virtualbox", "guest_additions_attach": False, "guest_additions_mode": "attach"},
        {"type": "virtualbox-iso", "guest_additions_mode": "upload"},
    ),
    ("virtualbox-rename", {"type": "virtualbox"}, {"type": "virtualbox-iso"}),
    ("vmware-rename", {"type": "vmware"}, {"type": "vmware-iso"}),
    ("parallels-headless", {"type": "parallels-iso", "headless": True}, {"type": "parallels-iso"}),
    (
        "parallels-deprecations",
        {"type": "parallels-pvm", "parallels_tools_host_path": "p", "guest_os_distribution": "centos"},
        {"type": "parallels-pvm", "guest_os_type": "centos"},
    ),
    ("sshkeypath", {"ssh_key_path": "k"}, {"ssh_private_key_file": "k"}),
    ("sshkeypath", {"ssh_key_path": "k", "ssh_private_key_file": "n"}, {"ssh_private_key_file": "n"}),
    ("sshdisableagent", {"ssh_disable_agent": False}, {"ssh_disable_agent_forwarding": False}),
    (
        "scaleway-access-key",
        {"type": "scaleway", "access_key": "a"},
        {"type": "scaleway", "organization_id": "a"},
    ),
    (
        "amazon-shutdown_behavior",
        {"type": "amazon-ebs", "shutdown_behaviour": "stop", "shutdown_behavior": "terminate"},
        {"type": "amazon-ebs", "shutdown_behavior": "stop"},
    ),
    (
        "amazon-enhanced-networking",
        {"type": "amazon-ebs", "enhanced_networking": True},
        {"type": "amazon-ebs", "ena_support": True},
    ),
    (
        "amazon-private-ip",
        {"type": "amazon-chroot", "ssh_private_ip": "true"},
        {"type": "amazon-chroot", "ssh_interface": "private_ip"},
    ),
    (
        "amazon-private-ip",
        {"type": "amazon-ebs", "ssh_private_ip": False},
        {"type": "amazon-ebs", "ssh_interface": "public_ip"},
    ),
    (
        "amazon-private-ip",
        {"type": "amazon-ebs", "ssh_private_ip": True, "ssh_interface": "session_manager"},
        {"type": "amazon-ebs", "ssh_private_ip": True, "ssh_interface": "session_manager"},
    ),
    (
        "amazon-temp-sec-cidrs",
        {"type": "amazon-ebs", "temporary_security_group_source_cidr": "10.0.0.0/8"},
        {"type": "amazon-ebs", "temporary_security_group_source_cidrs": ["10.0.0.0/8"]},
    ),
    (
        "vmware-compaction",
        {"type": "vmware-iso", "remote_type": "esx5"},
        {
            "type": "vmware-iso",
            "remote_type": "esx5",
            "disk_type_id": "zeroedthick",
            "skip_compaction": True,
        },
    ),
    (
        "vmware-compaction",
        {
            "type": "vmware-iso",
            "remote_type": "esx5",
            "disk_type_id": "eagerzeroedthick",
            "skip_compaction": "{{user `s`}}",
        },
        {
            "type": "vmware-iso",
            "remote_type": "esx5",
            "disk_type_id": "eagerzeroedthick",
            "skip_compaction": "{{user `s`}}",
        },
    ),
    (
        "vmware-compaction",
        {"type": "vmware-iso", "remote_type": "esx5", "disk_type_id": "thin"},
        {"type": "vmware-iso", "remote_type": "esx5", "disk_type_id": "thin"},
    ),
    ("hyperv-deprecations", {"type": "hyperv-iso", "vhd_temp_path": "v"}, {"type": "hyperv-iso"}),
    (
        "hyperv-vmxc-typo",
        {"type": "hyperv-vmcx", "clone_from_vmxc_path": "c"},
        {"type": "hyperv-vmcx", "clone_from_vmcx_path": "c"},
    ),
    (
        "hyperv-cpu-and-ram",
        {"type": "hyperv-iso", "cpu": 2, "ram_size": "1024"},
        {"type": "hyperv-iso", "cpus": 2, "memory": "1024"},
    ),
    (
        "clean-image-name",
        {"image_name": "{{clean_image_name `a`}}", "tags": {"ami": "{{ clean_ami_name `a` }}"}},
        {"image_name": "{{clean_resource_name `a`}}", "tags": {"ami": "{{ clean_resource_name `a` }}"}},
    ),
    (
        "spot-price-auto-product",
        {"type": "amazon-ebs", "spot_price_auto_product": "L"},
        {"type": "amazon-ebs"},
    ),
    ("qemu-disk-size", {"type": "qemu", "disk_size": 40960}, {"type": "qemu", "disk_size": "40960M"}),
    ("qemu-disk-size", {"type": "qemu", "disk_size": 1.5}, {"type": "qemu", "disk_size": "1M"}),
    ("qemu-disk-size", {"type": "qemu", "disk_size": "40G"}, {"type": "qemu", "disk_size": "40G"}),
    (
        "comm-config",
        {
            "type": "virtualbox-ovf",
            "ssh_host_port_min": 1,
            "ssh_host_port_max": 2,
            "host_port_max": 3,
            "ssh_skip_nat_mapping": True,
        },
        {"type": "virtualbox-ovf", "host_port_min": 1, "host_port_max": 3, "skip_nat_mapping": True},
    ),
    ("ssh-wait-timeout", {"ssh_wait_timeout": "5m"}, {"ssh_timeout": "5m"}),
    (
        "vsphere-iso-net-disk",
        {"type": "vsphere-iso", "network": "n", "network_card": "vmxnet3", "disk_size": 1},
        {
            "type": "vsphere-iso",
            "network_adapters": [{"network": "n", "network_card": "vmxnet3"}],
            "storage": [{"disk_size": 1}],
        },
    ),
    (
        "vsphere-iso-net-disk",
        {"type": "vsphere-iso", "disk_thin_provisioned": True, "storage": [{"disk_size": 1}]},
        {"type": "vsphere-iso", "storage": [{"disk_thin_provisioned": True}, {"disk_size": 1}]},
    ),
    (
        "iso-checksum-type-and-url",
        {"iso_checksum_type": "sha256", "iso_checksum": "a"},
        {"iso_checksum": "sha256:a"},
    ),
    (
        "iso-checksum-type-and-url",
        {"iso_checksum_type": "{{user `t`}}", "iso_checksum": "{{user `c`}}"},
        {"iso_checksum": "{{user `t`}}:{{user `c`}}"},
    ),
    (
        "iso-checksum-type-and-url",
        {"iso_checksum_type": "sha1", "iso_checksum_url": "http://h/s", "iso_checksum": "a"},
        {"iso_checksum": "file:http://h/s"},
    ),
    ("iso-checksum-type-and-url", {"iso_checksum_type": "", "iso_checksum": "a"}, {"iso_checksum": "a"}),
    (
        "qemu-host-port",
        {"type": "qemu", "ssh_host_port_min": 1, "ssh_host_port_max": 2, "host_port_max": 3},
        {"type": "qemu", "host_port_min": 1, "host_port_max": 2},
    ),
    (
        "azure-exclude_from_latest",
        {"type": "azure-chroot", "shared_image_destination": {"exlude_from_latest": True}},
        {"type": "azure-chroot", "shared_image_destination": {"exclude_from_latest": True}},
    ),
    ("proxmox-type", {"type": "proxmox"}, {"type": "proxmox-iso"}),
]
PROVISIONERS: list[Case] = [
    (
        "powershell-escapes",
        {
            "type": "powershell",
            "elevated_user": "a`$b",
            "elevated_password": "```$c`\"`'`n",
            "environment_vars": ["A=`$x", "B=``$y"],
            "inline": ["`$kept"],
        },
        {
            "type": "powershell",
            "elevated_user": "a$b",
            "elevated_password": "`$c\"'`n",
            "environment_vars": ["A=$x", "B=`$y"],
            "inline": ["`$kept"],
        },
    ),
    (
        "galaxy-command",
        {"type": "ansible-local", "galaxycommand": "g"},
        {"type": "ansible-local", "galaxy_command": "g"},
    ),
]
POST_PROCESSORS: list[Case] = [
    (
        "pp-vagrant-override",
        {"type": "vagrant", "aws": {"a": 1}, "virtualbox": {"b": 2}, "libvirt": {}},
        {"type": "vagrant", "override": {"aws": {"a": 1}, "virtualbox": {"b": 2}}, "libvirt": {}},
    ),
    ("manifest-filename", {"type": "manifest", "filename": "f"}, {"type": "manifest", "output": "f"}),
    ("docker-email", {"type": "docker-push", "login_email": "e"}, {"type": "docker-push"}),
    ("docker-tag-tags", {"type": "docker-tag", "tag": "a, b"}, {"type": "docker-tag", "tags": ["a", "b"]}),
    (
        "docker-tag-tags",
        {"type": "docker-tag", "tag": ["a", "c"], "tags": ["b", "c"]},
        {"type": "docker-tag", "tags": ["a", "c", "b"]},
    ),
]
# Where Packer's answer breaks the template, forgets a value or leaves an option that it knows to be gone.
BETTER: list[Case] = [
    (
        "iso-checksum-type-and-url",
        {"iso_checksum_type": "none", "iso_checksum": "a"},
        {"iso_checksum": "none"},
    ),
    ("iso-checksum-type-and-url", {"iso_checksum_type": "none"}, {"iso_checksum": "none"}),
    (
        "iso-checksum-type-and-url",
        {"iso_checksum_type": "sha1", "iso_checksum": "sha1:a"},
        {"iso_checksum": "sha1:a"},
    ),
    ("sshdisableagent", {"ssh_disable_agent": "true"}, {"ssh_disable_agent_forwarding": "true"}),
    ("ssh-wait-timeout", {"ssh_wait_timeout": 5}, {"ssh_timeout": 5}),
    (
        "amazon-private-ip",
        {"type": "amazon-ebs", "ssh_private_ip": "{{user `p`}}"},
        {"type": "amazon-ebs", "ssh_private_ip": "{{user `p`}}"},
    ),
    (
        "clean-image-name",
        {"snapshot_tags": ["{{clean_ami_name `a`}}"]},
        {"snapshot_tags": ["{{clean_resource_name `a`}}"]},
    ),
    (
        "vsphere-iso-net-disk",
        {"type": "vsphere-iso", "disk_size": 1, "storage": "x"},
        {"type": "vsphere-iso", "disk_size": 1, "storage": "x"},
    ),
    ("vmware-rename", {"type": 5}, {"type": 5}),
]
BETTER_POST_PROCESSORS: list[Case] = [
    (
        "pp-vagrant-override",
        {"type": "vagrant", "aws": {"a": 1}, "override": {"lxc": {}}},
        {"type": "vagrant", "override": {"aws": {"a": 1}, "lxc": {}}},
    ),
    ("docker-tag-tags", {"type": "docker-tag", "tag": 5}, {"type": "docker-tag", "tag": 5}),
    ("docker-tag-tags", {"type": "docker-tag"}, {"type": "docker-tag"}),
]
AS_PACKER = [
    *(("builders", case) for case in BUILDERS),
    *(("provisioners", case) for case in PROVISIONERS),
    *(("post-processors", case) for case in POST_PROCESSORS),
]
ALL = [
    *AS_PACKER,
    *(("builders", case) for case in BETTER),
    *(("post-processors", case) for case in BETTER_POST_PROCESSORS),
]


def fix(document: dict[str, Any], folder: Path) -> tuple[Any, list[str]]:
    path = folder / "template.json"
    path.write_text(json.dumps(document))
    fixed = fix_template(path)
    return json.loads(fixed.text), [change.fixer.name for change in fixed.changes]


@pytest.mark.parametrize(("part", "case"), ALL, ids=[f"{case[0]}-{i}" for i, (_, case) in enumerate(ALL)])
def test_a_fixer(part: str, case: Case, tmp_path: Path) -> None:
    name, before, after = case
    fixed, changed_by = fix({part: [before]}, tmp_path)
    assert fixed == {part: [after]}
    assert (name in changed_by) == (before != after)
    if name != "powershell-escapes":  # two backquotes become one, which may be half of an escape again
        assert fix(fixed, tmp_path) == (fixed, [])


def test_every_fixer_has_a_case_in_which_it_does_something() -> None:
    assert [f.name for f in FIXERS if f.name not in {case[0] for _, case in ALL if case[1] != case[2]}] == []
    assert len({fixer.name for fixer in FIXERS}) == len(FIXERS)


def test_packer_agrees(tmp_path: Path) -> None:
    packer = shutil.which("packer")
    if packer is None:
        pytest.skip("packer is not installed")
    document: dict[str, Any] = {"builders": [], "provisioners": [], "post-processors": []}
    for part, (_, before, _) in AS_PACKER:
        document[part].append({"type": "null", **before})
    path = tmp_path / "template.json"
    path.write_text(json.dumps(document))
    done = subprocess.run(
        [packer, "fix", "-validate=false", path], check=True, capture_output=True, text=True
    )
    assert fix_template(path).text + "\n" == done.stdout


def test_the_order_is_that_of_packers_help() -> None:
    packer = shutil.which("packer")
    if packer is None:
        pytest.skip("packer is not installed")
    done = subprocess.run([packer, "fix", "-h"], check=False, capture_output=True, text=True)
    words = (done.stdout + done.stderr).split()
    assert [word for word in words if word in {f.name for f in FIXERS}] == [f.name for f in FIXERS]


def test_components_in_lists_of_lists_and_keys_in_any_case() -> None:
    manifest: Any = {"type": "manifest", "filename": "f"}
    fixed, changes = fix_document({"Post-Processors": ["manifest", [manifest, 5]], "builders": None})
    assert fixed == {
        "Post-Processors": ["manifest", [{"type": "manifest", "output": "f"}, 5]],
        "builders": None,
    }
    assert [change.place for change in changes] == ["Post-Processors[1][0]"]


def test_nothing_else_is_changed(tmp_path: Path) -> None:
    path = tmp_path / "template.json"
    text = (
        '{\n  "_comment": "ssh_key_path <&>",\n  "big": 123456789012345678901234567890,\n  "f": 1.50e-7\n}\n'
    )
    path.write_text(text)
    fixed = fix_template(path)
    assert fixed.text == text.replace("&", "\\u0026")  # as Go's encoder has it
    assert fixed.changes == ()


def test_characters_are_written_as_packer_does(tmp_path: Path) -> None:
    path = tmp_path / "template.json"
    path.write_text(r'{"b": [], "a": {}, "\u00e9": "\"\\\/\b\n\u2028\u007f\ud83d\ude00", "\ud800": [{}]}')
    assert fix_template(path).text == (
        '{\n  "a": {},\n  "b": [],\n  "é": "\\"\\\\/\\u0008\\n\\u2028\x7f😀",'
        '\n  "\ufffd": [\n    {}\n  ]\n}\n'
    )
