"""`communicator = "none"`: a guest that nobody talks to; the builder waits until it powers off."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NoReturn

from vmforge.errors import CommunicatorError
from vmforge.sdk import BuildContext, Communicator, Config, Connector, Endpoint, Output


class SilentCommunicator:
    """Stands where a connection would; refuses everything that would need one."""

    kind = "none"

    def run(self, command: str, output: Output | None = None, *, timeout: float | None = None) -> int:
        _refuse("run a command in")

    def upload(self, source: Path | BinaryIO, destination: str, *, mode: int | None = None) -> None:
        _refuse(f"upload `{destination}` to")

    def upload_directory(self, source: Path, destination: str) -> None:
        _refuse(f"upload `{destination}` to")

    def download(self, source: str, destination: Path) -> None:
        _refuse(f"download `{source}` from")

    def download_directory(self, source: str, destination: Path) -> None:
        _refuse(f"download `{source}` from")

    def reconnect(self, timeout: float) -> None:
        _refuse("reconnect to")

    def close(self) -> None:
        return None


def _refuse(what: str) -> NoReturn:
    raise CommunicatorError(
        f'cannot {what} the guest: the source says `communicator = "none"`',
        hint='set `communicator = "ssh"`, or use provisioners that run here (`shell-local`)',
    )


@dataclass(frozen=True, kw_only=True)
class NoneConfig(Config):
    """There is nothing to configure."""


class NoneConnector(Connector[NoneConfig]):
    """Connects to nothing."""

    config_type = NoneConfig
    summary = "leaves the guest alone; the build goes on when it powers itself off"
    needs_network = False

    @property
    def port(self) -> int:
        return 0

    @property
    def host(self) -> str:
        return ""

    def prepare(self, context: BuildContext) -> dict[str, str]:
        return {"ConnType": "none"}

    def connect(
        self, context: BuildContext, endpoint: Callable[[], Endpoint], *, time_scale: float = 1.0
    ) -> Communicator:
        return SilentCommunicator()
