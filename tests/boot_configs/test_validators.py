"""Every system's answer files, for three sets of parameters and either firmware, pass their validators.

The validators are the system's own where there is one: pykickstart (each version of Fedora and RHEL),
`debconf-set-selections -c`, the shells; else vmforge's (vmforge/builders/answer_checks).
"""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from boot_configs import BootConfig, Firmware, load, names
from vmforge.builders.answer_checks import AnswerKind, check, recognise
from vmforge.console.boot_command import check_boot_command
from vmforge.sdk.interpolate import interpolator

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOwn5oGLwFZyKX5mKXQnXpB0cXJ3VfF3q0dGxHb6Yk2B me@example.org"

# Those of a set that a system does not know are left out. Texts that need quoting are in it on purpose.
SETS: Mapping[str, Mapping[str, object]] = {
    "default": {},
    "everything": {
        "user": "ada",
        "full_name": 'Ada "the Countess" Lovelace & sons <1815>',
        "password": "pass $word's <1> \\ & #2",
        "authorized_keys": [KEY],
        "sudo": "password",
        "root": "password",
        "hostname": "engine",
        "domain": "example.org",
        "locale": "de_DE.UTF-8",
        "keyboard": "de",
        "timezone": "Europe/Berlin",
        "disk": "/dev/sda",
        "layout": "lvm",
        "encryption": 'open <sesame> & "go" it\'s $5',
        "swap": "2G",
        "packages": ["vim", "tmux"],
        "minimal": False,
        "upgrade": True,
        "mirror": "https://mirror.example.org:8443/some/where/",
        "proxy": "http://proxy.example.org:3128",
        "network": {"address": "192.0.2.5/24", "gateway": "192.0.2.1", "dns": ["192.0.2.2", "192.0.2.3"]},
        "late_commands": ['echo "it\'s" >/etc/motd', "sync && true"],
        "kernel_options": "console=ttyS0",
        "registration_code": "code & <more>",
        "rhsm_organization": "12345",
        "rhsm_activation_key": "a key",
        "drivers": "/srv/virtio-win",
        "communicator": "ssh",
        "sysprep": True,
    },
    "other": {
        "password_hash": "$6$salt$hashhashhash",
        "sudo": "none",
        "root": "key",
        "layout": "zfs",
        "encryption": "open sesame",
        "swap": "512M",
        "source": "network",
        "filesystem": "ext4",
        "delivery": "cd",
    },
}

# What the build fills in: with a key of its own and the proxy, and with neither.
FIELDS = {
    "HTTPIP": "10.0.2.2",
    "HTTPPort": "8000",
    "Name": "sample",
    "SSHPublicKey": KEY,
    "PackageProxy": "http://10.0.2.2:3128",
}
BARE = FIELDS | {"SSHPublicKey": "", "PackageProxy": ""}


def parameters(config: BootConfig, chosen: str) -> dict[str, object]:
    """A set, as far as the system knows it."""
    known = config.parameters
    return {
        name: value
        for name, value in SETS[chosen].items()
        if name in known and (not known[name].choices or value in known[name].choices)
    }


@pytest.mark.parametrize("chosen", SETS)
@pytest.mark.parametrize("name", names())
def test_its_validator_has_nothing_against_it(name: str, chosen: str) -> None:
    config = load(name)
    for firmware in config.boot:
        rendered = config.render(parameters(config, chosen), firmware=firmware, salt="salt")
        for file in rendered.answer_files:
            for fields in (FIELDS, BARE):
                text = interpolator().with_fields(fields).render(file.text)
                if file.kind in list(AnswerKind):
                    found = check(AnswerKind(file.kind), text, file.dialect, programs=True)
                    assert found == [], f"{file.path}, {firmware}"


@pytest.mark.parametrize("chosen", SETS)
@pytest.mark.parametrize("name", names())
def test_its_boot_command_can_be_typed(name: str, chosen: str) -> None:
    config = load(name)
    rendered = config.render(parameters(config, chosen), salt="")
    for command in rendered.boot_command.values():
        text = interpolator().with_fields(FIELDS).render("".join((*command, rendered.unlock)))
        checked = check_boot_command(text)
        assert checked.errors == ()


@pytest.mark.parametrize("name", names())
def test_its_answer_files_are_recognised_by_themselves(name: str) -> None:
    """So a user's own copy of one is checked as well."""
    rendered = load(name).render({}, firmware=Firmware.BIOS, salt="")
    for file in rendered.answer_files:
        if file.kind in list(AnswerKind):
            assert recognise(file.path, file.text) == file.kind
