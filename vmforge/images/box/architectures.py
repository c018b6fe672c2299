"""Architectures as Vagrant names them."""

from __future__ import annotations

# From the kernel's names to those of Go, which Vagrant 2.4 took over
# (https://developer.hashicorp.com/vagrant/docs/boxes/format).
_NAMES = {
    "x86_64": "amd64",
    "aarch64": "arm64",
    "i386": "i386",
    "i486": "i386",
    "i586": "i386",
    "i686": "i386",
    "armv6l": "arm",
    "armv7l": "arm",
    "ppc64le": "ppc64le",
    "ppc64": "ppc64",
    "mips64el": "mips64le",
    "mipsel": "mipsle",
}


def vagrant_architecture(architecture: str) -> str:
    """The name of a kernel's architecture for Vagrant; unknown ones are the same."""
    return _NAMES.get(architecture, architecture)
