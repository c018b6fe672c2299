"""Sets of parameters that every system's config is rendered with."""

from __future__ import annotations

from collections.abc import Mapping

from boot_configs import BootConfig

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOwn5oGLwFZyKX5mKXQnXpB0cXJ3VfF3q0dGxHb6Yk2B me@example.org"

# Those of a set that a system does not know are left out. Texts that need quoting are in it on purpose.
SETS: Mapping[str, Mapping[str, object]] = {
    "default": {},
    "full": {
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
        "security_mirror": "http://security.example.org/fixes",
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
        "layout": "lvm",
        "swap": "512M",
        "mirror": "http://mirror.example.org/pub",
        "minimal": True,
        "upgrade": False,
        "source": "network",
        "filesystem": "ext4",
        "delivery": "cd",
    },
    "encrypted": {
        "password_hash": "$6$salt$hashhashhash",
        "layout": "zfs",
        "encryption": "open sesame",
        "source": "network",
    },
}


def parameters(config: BootConfig, chosen: str) -> dict[str, object]:
    """A set, as far as the system knows it."""
    known = config.parameters
    return {
        name: value
        for name, value in SETS[chosen].items()
        if name in known and (not known[name].choices or value in known[name].choices)
    }
