"""Which host key a server must show: the guest's after the first contact, a bastion's by `known_hosts`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import paramiko

from vmforge.errors import CommunicatorError

_KNOWN_HOSTS = "~/.ssh/known_hosts"

_SERVER_CHANGED = (
    "something else answers at this address, or the guest made itself new keys: then set "
    "`ssh_host_key_changes = true`"
)


class HostKeyPin:
    """The guest's host key, once it is known. `may_change` is for guests that get another on purpose."""

    def __init__(self, *, may_change: bool = False) -> None:
        self._may_change = may_change
        self._known: paramiko.PKey | None = None

    def forget(self) -> None:
        """The next key will do, whichever it is."""
        self._known = None

    def order(self, algorithms: Sequence[str]) -> tuple[str, ...]:
        """The host key algorithms to offer: first those of the known key, for servers have several keys."""
        return _first(algorithms, [self._known] if self._known else [])

    def differs(self, key: paramiko.PKey) -> bool:
        return self._known is not None and self._known != key

    def check(self, key: paramiko.PKey) -> None:
        """Raises `CommunicatorError` with both fingerprints when this is not the key that it should be."""
        if self._known is None or self._known == key or self._may_change:
            return
        raise CommunicatorError(
            "the guest's SSH host key changed in the middle of the build: it was "
            f"{fingerprint(self._known)}, now it is {fingerprint(key)}",
            hint=_SERVER_CHANGED,
        )

    def pin(self, key: paramiko.PKey) -> None:
        """This is the guest's: it let the user in."""
        self._known = key


class KnownHosts:
    """What the user's `known_hosts` says of one server."""

    def __init__(self, host: str, port: int) -> None:
        self._name = host if port == 22 else f"[{host}]:{port}"
        known = paramiko.HostKeys()
        try:
            known.load(str(Path(_KNOWN_HOSTS).expanduser()))
        except (OSError, ValueError):
            pass  # there is none, or none that is text
        self._keys = list((known.lookup(self._name) or {}).values())

    def order(self, algorithms: Sequence[str]) -> tuple[str, ...]:
        """Like `HostKeyPin.order`."""
        return _first(algorithms, self._keys)

    def check(self, key: paramiko.PKey) -> bool:
        """Whether the key is known. Raises `CommunicatorError` when others are known for this server."""
        if key in self._keys:
            return True
        if not self._keys:
            return False
        known = ", ".join(fingerprint(one) for one in self._keys)
        raise CommunicatorError(
            f"the bastion `{self._name}` shows the host key {fingerprint(key)}, "
            f"but `{_KNOWN_HOSTS}` has {known}",
            hint=f"if the bastion was installed anew, remove its old key: `ssh-keygen -R '{self._name}'`",
        )


def fingerprint(key: paramiko.PKey) -> str:
    """As `ssh-keygen -l` shows it, with the key's kind: `ssh-ed25519 SHA256:...`."""
    return f"`{key.get_name()} {key.fingerprint}`"


def _first(algorithms: Sequence[str], keys: Iterable[paramiko.PKey]) -> tuple[str, ...]:
    # an RSA key goes with several algorithms (RFC 8332), the others with the one of their name
    kinds = {"rsa" if key.get_name() == "ssh-rsa" else key.get_name() for key in keys}
    return tuple(sorted(algorithms, key=lambda name: ("rsa" if "rsa-" in name else name) not in kinds))
