"""What each system's config comes to for three sets of parameters, as text."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping

import pytest

from boot_configs import BootConfig, Firmware, Rendered, load, names

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOwn5oGLwFZyKX5mKXQnXpB0cXJ3VfF3q0dGxHb6Yk2B me@example.org"

# Those of a set that a system does not know are left out. Texts that need quoting are in it on purpose.
SETS: Mapping[str, Mapping[str, object]] = {
    "default": {},
    "full": {
        "user": "ada",
        "full_name": 'Ada "the Countess" Lovelace & sons',
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
        "encryption": 'open <sesame> & "go"',
        "swap": "2G",
        "packages": ["vim", "tmux"],
        "minimal": False,
        "upgrade": True,
        "mirror": "https://mirror.example.org:8443/some/where/",
        "security_mirror": "http://security.example.org/fixes",
        "proxy": "http://proxy.example.org:3128",
        "network": {"address": "192.0.2.5/24", "gateway": "192.0.2.1", "dns": ["192.0.2.2", "192.0.2.3"]},
        "late_commands": ['echo "it\'s" >/etc/motd', "sync && true"],
        "kernel_options": "console=ttyS0",
    },
    "other": {
        "password_hash": "$6$salt$hashhashhash",
        "sudo": "none",
        "root": "key",
        "layout": "lvm",
        "swap": "512M",
        "mirror": "http://mirror.example.org/pub",
        "minimal": True,
        "upgrade": False,
        "delivery": "cd",
    },
}


def parameters(config: BootConfig, name: str) -> dict[str, object]:
    """A set, as far as the system knows it."""
    known = config.parameters
    chosen = {key: value for key, value in SETS[name].items() if key in known}
    return {
        key: value for key, value in chosen.items() if not known[key].choices or value in known[key].choices
    }


def pages(config: BootConfig, rendered: Rendered) -> Iterator[str]:
    for file in rendered.answer_files:
        kind = " ".join(filter(None, (file.kind, file.dialect)))
        yield f"=== {file.delivery} {file.path} ({kind})\n{file.text}"
    for firmware, command in rendered.boot_command.items():
        yield f"=== boot command, {firmware}\n" + "".join(f"{part}\n" for part in command)
    if rendered.unlock:
        yield f"=== unlock\n{rendered.unlock}\n"
    if rendered.kernel is not None:
        yield f"=== kernel\n{rendered.kernel.cmdline}\n"
    yield f"=== options\n{json.dumps(rendered.options, indent=2)}\n"
    yield f"=== label\n{rendered.label}\n"


def render(config: BootConfig, chosen: str) -> Rendered:
    firmware = Firmware.UEFI if chosen == "other" and Firmware.UEFI in config.boot else Firmware.BIOS
    return config.render(parameters(config, chosen), firmware=firmware, salt="saltsalt")


@pytest.mark.parametrize("chosen", SETS)
@pytest.mark.parametrize("name", names())
def test_a_config_renders(name: str, chosen: str, golden: Callable[[str, str], None]) -> None:
    config = load(name)
    rendered = render(config, chosen)
    golden(f"boot_configs/{name}/{chosen}.txt", "\n".join(pages(config, rendered)))
