"""What tests of builds on counterparts of remote hypervisors share: sshd as the guest, an ISO, and builds
within the test's process."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.openssh import SSHD, USER, OpenSsh
from vmforge.communicators.ssh import SshConnector
from vmforge.sdk import Artifact, BuildContext, Machine
from vmforge.sdk.testing import RecordingUi, configure, fake_context

ISO = b"the installer's ISO"


@contextmanager
def running_guest(folder: Path) -> Iterator[OpenSsh]:
    """sshd on this machine, as the guest of whatever machine says that it has its address."""
    if SSHD is None:
        pytest.skip("needs OpenSSH's server: apt-get install openssh-server")
    guest = OpenSsh(folder, settings=("Subsystem sftp internal-sftp",))
    guest.prepare()
    guest.start()
    try:
        yield guest
    finally:
        guest.stop()


def write_iso(folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An installer's ISO, and a cache for it."""
    monkeypatch.setenv("VMFORGE_CACHE_DIR", str(folder / "cache"))
    file = folder / "debian.iso"
    file.write_bytes(ISO)
    return str(file)


class HypervisorBuilds(ABC):
    """Runs builds on a counterpart."""

    def __init__(self, guest: OpenSsh, scratch: Path) -> None:
        self.guest, self.scratch = guest, scratch
        self.ui = RecordingUi()
        self.provision: Callable[[Machine], None] = lambda machine: None
        self.changes: dict[str, Any] = {"started": 1_700_000_000.0}
        (scratch / "state").mkdir(parents=True)
        (scratch / "state" / "host-id").write_text("0badcafe")

    @property
    @abstractmethod
    def access(self) -> dict[str, Any]:
        """The options of every source."""

    def context(self) -> BuildContext:
        options = {
            "ssh_username": USER,
            "ssh_private_key_file": str(self.guest.key),
            "ssh_port": self.guest.port,
            "ssh_timeout": "20s",
        }
        return fake_context(
            self.scratch,
            ui=self.ui,
            connector=configure(SshConnector, options),
            provision=lambda machine: self.provision(machine),  # noqa: PLW0108  # it is set later
            **self.changes,
        )

    def run(self, kind: Any, context: BuildContext | None = None, **options: Any) -> Artifact:
        context = context or self.context()
        builder: Any = configure(kind, {**self.access, **options})
        error: BaseException | None = None
        try:
            artifact: Artifact | None = builder.build(context)
            assert artifact is not None
            return artifact
        except BaseException as raised:
            error = raised
            raise
        finally:
            context.steps.release(error)
