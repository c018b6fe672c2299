"""What can be taken out of a guest, and the script that does it.

Each operation is a file of POSIX shell below `guest/`, made of the verbs that `guest/prelude.sh` defines.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from enum import StrEnum
from importlib.resources import files


class Operation(StrEnum):
    """The operations, in the order of their running: what is identity first, what they write to last."""

    MACHINE_ID = "machine-id"
    SSH_HOST_KEYS = "ssh-host-keys"
    REGISTRATIONS = "registrations"
    NETWORK = "network"
    CLOUD_INIT = "cloud-init"
    INSTALLER_FILES = "installer-files"
    ACCOUNT_BACKUPS = "account-backups"
    RANDOM_SEED = "random-seed"
    HISTORIES = "histories"
    PACKAGE_CACHES = "package-caches"
    TEMPORARY_FILES = "temporary-files"
    LOGS = "logs"


# It runs when the guest is to have another name, so nobody has to ask for it.
_RENAMING = "hostname"


def script(operations: Sequence[Operation], hostname: str = "") -> str:
    """The script that runs these operations in a guest, as root or through sudo or doas.

    `hostname`, when there is one, becomes the guest's name. The script's lines that report.py reads begin
    with `generalize: `; its exit status is 0 when nothing failed.
    """
    names = [operation.value for operation in Operation if operation in operations]
    if hostname:
        names.append(_RENAMING)
    functions = [f"{_function(name)}() {{\n{_shell(name)}}}\n" for name in names]
    calls = [f"operation {name} {_function(name)}\n" for name in names]
    name = [f"hostname={shlex.quote(hostname)}\n"] if hostname else []
    return "\n".join([_shell("prelude"), *functions, "".join([*name, *calls]), "sync\nexit $status\n"])


def _function(name: str) -> str:
    return f"operation_{name.replace('-', '_')}"


def _shell(name: str) -> str:
    return files(__package__).joinpath("guest", f"{name}.sh").read_text(encoding="utf-8")
