"""What the families' templates make of parameters on which an installation stands or falls."""

from __future__ import annotations

import json
from xml.etree import ElementTree

import pytest

from boot_configs import BootConfig, Firmware, load, names

SYSTEMS = [load(name) for name in names()]


def texts(config: BootConfig, firmware: Firmware = Firmware.BIOS, **params: object) -> dict[str, str]:
    """The answer files by their names."""
    rendered = config.render(params, firmware=firmware, salt="salt")
    return {file.path.lstrip("/"): file.text for file in rendered.answer_files}


@pytest.mark.parametrize("config", SYSTEMS, ids=lambda config: config.name)
def test_the_key_of_the_build_lets_it_in(config: BootConfig) -> None:
    wanted = {"communicator": "ssh"} if "communicator" in config.parameters else {}
    assert "{{ .SSHPublicKey }}" in "".join(texts(config, **wanted).values())


@pytest.mark.parametrize("config", SYSTEMS, ids=lambda config: config.name)
def test_no_password_means_one_that_nothing_matches(config: BootConfig) -> None:
    if config.family == "windows":
        pytest.skip("Windows has no account without a password that could log in over a network")
    written = "".join(texts(config).values())
    signs = ("--lock", "*", '"!"', ">!<", "-w no")
    assert any(sign in written for sign in signs)
    assert "$6$" not in written


@pytest.mark.parametrize("name", ["rocky-9", "oracle-8", "centos-stream-10"])
def test_packages_come_from_the_disc_unless_it_is_told_otherwise(name: str) -> None:
    config = load(name)
    assert "\ncdrom\n" in texts(config)["ks.cfg"]
    online = texts(config, source="network")["ks.cfg"]
    assert "\ncdrom\n" not in online
    assert f"url --url={config.values['mirror']}/{config.values['tree']} " in online
    mirrored = texts(config, mirror="http://mirror.example.org/x")["ks.cfg"]
    assert f"url --url=http://mirror.example.org/x/{config.values['tree']} " in mirrored
    assert "repo --name=AppStream" in mirrored


def test_fedora_on_the_network_finds_a_mirror_by_itself() -> None:
    assert "url --mirrorlist=" in texts(load("fedora-42"), source="network")["ks.cfg"]


def test_anaconda_is_told_where_its_answers_are() -> None:
    config = load("almalinux-9")
    served = config.render({}, salt="")
    assert served.kernel is not None
    assert "inst.ks=http://{{ .HTTPIP }}:{{ .HTTPPort }}/ks.cfg" in served.kernel.cmdline
    on_disc = config.render({"delivery": "cd"}, salt="")
    assert on_disc.kernel is not None
    assert ("inst.ks=hd:LABEL=OEMDRV:/ks.cfg" in on_disc.kernel.cmdline, on_disc.label) == (True, "OEMDRV")


@pytest.mark.parametrize(
    ("firmware", "kinds", "windows"),
    [("uefi", ["EFI", "MSR", "Primary"], "3"), ("bios", ["Primary", "Primary"], "2")],
)
def test_windows_is_put_where_the_firmware_finds_it(firmware: str, kinds: list[str], windows: str) -> None:
    text = texts(load("windows-server-2022"), Firmware(firmware))["autounattend.xml"]
    tree = ElementTree.fromstring(text)
    space = "{urn:schemas-microsoft-com:unattend}"
    assert [node.text for node in tree.iter(f"{space}Type")] == kinds
    target = next(tree.iter(f"{space}InstallTo")).find(f"{space}PartitionID")
    assert target is not None
    assert target.text == windows


def test_windows_11_passes_over_what_the_machine_lacks() -> None:
    assert "BypassTPMCheck" in texts(load("windows-11"))["autounattend.xml"]
    assert "BypassTPMCheck" not in texts(load("windows-server-2022"))["autounattend.xml"]


def test_windows_takes_drivers_from_a_folder() -> None:
    config = load("windows-server-2019")
    bare, driven = config.render({}, salt=""), config.render({"drivers": "/srv/virtio"}, salt="")
    assert (bare.options["disk_interface"], "cd_files" in bare.options) == ("sata", False)
    assert (driven.options["disk_interface"], driven.options["cd_files"]) == ("virtio", "/srv/virtio/*")
    assert r"E:\viostor\2k19\amd64" in driven.answer_files[0].text


@pytest.mark.parametrize(
    "config", [one for one in SYSTEMS if one.family == "windows"], ids=lambda one: one.name
)
def test_a_name_of_windows_is_short_enough(config: BootConfig) -> None:
    text = texts(config)["autounattend.xml"]
    name = text.partition("<ComputerName>")[2].partition("<")[0]
    assert 0 < len(name) <= 15


def test_agama_gets_json_whatever_the_texts_say() -> None:
    config = load("sles-16")
    late = ["echo \"quoted\" 'and' \\ more", "cat <<X\nlines\nX"]
    profile = json.loads(
        texts(config, full_name='A "B" C', encryption='"\\', layout="lvm", late_commands=late[:1])[
            "profile.json"
        ]
    )
    assert profile["user"]["fullName"] == 'A "B" C'
    assert late[0] in profile["scripts"]["post"][0]["content"]
    groups = profile["storage"]["volumeGroups"]
    assert groups[0]["physicalVolumes"][0]["generate"]["encryption"]["luks2"]["password"] == '"\\'


def test_a_script_in_a_control_file_cannot_end_its_section() -> None:
    text = texts(load("opensuse-leap-15.6"), late_commands=["echo ']]>'"])["autoinst.xml"]
    root = ElementTree.fromstring(text)
    source = next(root.iter("{http://www.suse.com/1.0/yast2ns}source"))
    assert "echo ']]>'" in (source.text or "")


@pytest.mark.parametrize(("layout", "sign"), [("ufs", "PARTITIONS="), ("zfs", "ZFSBOOT_DISKS=")])
def test_freebsd_has_one_kind_of_file_system(layout: str, sign: str) -> None:
    text = texts(load("freebsd-14"), layout=layout)["installerconfig"]
    assert sign in text
    assert text.count("PARTITIONS=") + text.count("ZFSBOOT_DISKS=") == 1


@pytest.mark.parametrize("name", ["alpine-3.22", "arch", "freebsd-14", "openbsd-7.8", "rocky-9"])
def test_the_proxy_of_the_build_leaves_no_trace(name: str) -> None:
    """It may be in the environment of what runs during the installation, and in no file that stays."""
    config = load(name)
    params = {"source": "network", "packages": ["vim"]}
    known = {key: value for key, value in params.items() if key in config.parameters}
    for text in texts(config, **known).values():
        for line in text.splitlines():
            if ".PackageProxy" in line:
                assert ">>" not in line
                assert "/etc/" not in line
