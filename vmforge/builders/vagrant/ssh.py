"""How Vagrant logs into a machine: the output of `vagrant ssh-config`, and a connector that does the same."""

from __future__ import annotations

import dataclasses
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from vmforge.errors import HostError
from vmforge.sdk import Connector, Endpoint

# Stands for the user that Vagrant tells, in a source that names none; no user is called so.
TOLD_BY_VAGRANT: Final = "told by vagrant"


@dataclass(frozen=True)
class SshLogin:
    """What `ssh-config` says of a machine."""

    endpoint: Endpoint
    user: str
    key: Path | None


def read_ssh_config(text: str) -> SshLogin:
    """Read it (ssh_config(5)). Raises `HostError` when it does not say where the machine is."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        words = shlex.split(line)
        if len(words) >= 2:
            found.setdefault(words[0].lower(), words[1])
    if "hostname" not in found:
        raise HostError("`vagrant ssh-config` does not say where the machine is", hint="set `ssh_host`")
    key = Path(found["identityfile"]).expanduser() if "identityfile" in found else None
    endpoint = Endpoint(found["hostname"], int(found.get("port", "22")))
    return SshLogin(endpoint, found.get("user", "vagrant"), key)


def logging_in_as(connector: Connector[Any], login: SshLogin) -> Connector[Any]:
    """The source's connector, with Vagrant's user and key where the source names no user. Raises `HostError`
    for one that has no users."""
    names = {field.name for field in dataclasses.fields(connector.config)}
    if "ssh_username" not in names:
        hint = 'use `communicator = "ssh"`'
        raise HostError("Vagrant tells only how to log in by SSH", hint=hint)
    if connector.config.ssh_username != TOLD_BY_VAGRANT:
        return connector
    changes: dict[str, object] = {"ssh_username": login.user}
    if login.key is not None and not connector.config.ssh_password:
        changes["ssh_private_key_file"] = login.key
    return type(connector)(dataclasses.replace(connector.config, **changes))
