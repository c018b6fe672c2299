"""The SSH adapter: a server on this machine through which programs that speak SSH reach a guest that is
connected in whatever way the build has."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import StrEnum
from importlib.metadata import entry_points
from pathlib import Path
from typing import Final, Protocol

from vmforge.errors import VmforgeError
from vmforge.sdk.communicator import Communicator
from vmforge.sdk.context import BuildContext

_GROUP: Final = "vmforge.adapters"


class AdapterKeyType(StrEnum):
    """The type of the keys that an adapter makes."""

    ECDSA = "ECDSA"
    RSA = "RSA"


@dataclass(frozen=True, kw_only=True)
class AdapterSettings:
    """How the adapter is to listen. Port 0 is any free one. Without files it makes a host key and a key
    to log in with; `authorized_key_file` holds the public half of a key of the user's own."""

    host: str = "127.0.0.1"
    port: int = 0
    key_type: AdapterKeyType = AdapterKeyType.ECDSA
    host_key_file: Path | None = None
    authorized_key_file: Path | None = None


@dataclass(frozen=True, slots=True)
class AdapterLogin:
    """Where the adapter listens, and the private key that it lets in; None for the user's own."""

    host: str
    port: int
    key_file: Path | None


class MakeAdapter(Protocol):
    """What the entry point `ssh` of the group `vmforge.adapters` names."""

    def __call__(
        self, context: BuildContext, communicator: Communicator, settings: AdapterSettings
    ) -> AbstractContextManager[AdapterLogin]: ...


def ssh_adapter(
    context: BuildContext, communicator: Communicator, settings: AdapterSettings
) -> AbstractContextManager[AdapterLogin]:
    """An adapter that listens while it is held; nobody else may use `communicator` meanwhile."""
    for entry in entry_points(group=_GROUP, name="ssh"):
        make: MakeAdapter = entry.load()
        return make(context, communicator, settings)
    hint = "reinstall it: `pip install --force-reinstall vmforge`"
    raise VmforgeError("the SSH adapter is not installed", hint=hint)
