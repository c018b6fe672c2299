"""What tests of builds in fake clouds share: a server on a thread, the command in an environment of its own,
and builds within the test's process."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any
from uuid import UUID

from tests.integration.conftest import Vmforge
from vmforge.sdk import Artifact, BuildContext, Builder, Value
from vmforge.sdk.cloud import RunMark
from vmforge.sdk.cloud.records import Record
from vmforge.sdk.testing import FakeCommunicator, FakeConnector, RecordingUi, configure, fake_context

HOST = "0a1b2c3d"
STARTED = 1_800_000_000


@contextmanager
def serving(server: ThreadingHTTPServer) -> Iterator[None]:
    """The server answers while the block runs."""
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()


def command(folder: Path, *, without: tuple[str, ...], **environment: str) -> Vmforge:
    """The command with nothing of the user's logins: without the variables that begin with these words."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(without)}
    own = {
        "VMFORGE_STATE_DIR": str(folder / "state"),
        "VMFORGE_CACHE_DIR": str(folder / "cache"),
        "PYTHONPATH": str(Path(__file__).resolve().parents[2]),
        "HOME": str(folder),
    }
    return Vmforge(folder, kept | own | environment)


class KeyedConnector(FakeConnector):
    """Has a key, as the SSH connector has."""

    data: Mapping[str, str] = {"ConnType": "ssh", "User": "admin", "SSHPublicKey": "ssh-ed25519 AAAA key\n"}

    def prepare(self, context: BuildContext) -> dict[str, str]:
        return dict(self.data)


@dataclass
class CloudHarness:
    """Builds as the pipeline runs them, with a guest that is a folder."""

    builder: type[Builder[Any]]
    folder: Path
    ui: RecordingUi = field(default_factory=RecordingUi)

    def values(self, **changes: Value) -> dict[str, Value]:
        """A source that builds."""
        raise NotImplementedError

    def context(self, **changes: Any) -> BuildContext:
        state = self.folder / "state"
        state.mkdir(exist_ok=True)
        (state / "host-id").write_text(HOST)
        connector = KeyedConnector(FakeCommunicator(self.folder))
        usual = {"connector": connector, "full_name": "cloud.base", "started": STARTED}
        return fake_context(self.folder, ui=self.ui, **(usual | changes))

    def kill_at(self, place: str, context: BuildContext | None = None) -> RunMark:
        """A build that was killed at a place: its mark, of which there is a record."""
        mark = RunMark.of(context or self.context(run_uuid=str(UUID(int=7))))
        record = Record(self.context(), mark, place)
        record.__enter__()
        os.close(record._lock)
        return mark

    def build(self, context: BuildContext | None = None, **options: Value) -> Artifact | None:
        context = context or self.context()
        builder = configure(self.builder, self.values(**options))
        assert isinstance(builder, Builder)
        try:
            made = builder.build(context)
        except BaseException as error:
            context.steps.release(error)
            raise
        context.steps.release()
        return made
