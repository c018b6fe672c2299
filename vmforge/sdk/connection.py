"""The open connection to a guest, as a resource of a build."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType

from vmforge.errors import VmforgeError
from vmforge.sdk.communicator import Communicator, Endpoint
from vmforge.sdk.context import BuildContext


@dataclass
class Connection:
    """Waits until the guest answers; closes the connection when the build ends."""

    context: BuildContext
    endpoint: Callable[[], Endpoint]
    time_scale: float = 1.0
    _communicator: Communicator | None = field(default=None, init=False)

    def __enter__(self) -> Communicator:
        connector = self.context.connector
        self._communicator = connector.connect(self.context, self.endpoint, time_scale=self.time_scale)
        return self._communicator

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._communicator is not None:
            self._communicator.close()

    def keep(self) -> str:
        """With `-on-error=abort` the guest goes on: say how to reach it, if it is still there."""
        try:
            where = self.endpoint()
        except VmforgeError:
            return ""
        kind = self.context.data.get("ConnType", "ssh")
        if kind != "ssh":
            return f"the guest, reachable by `{kind}`" + (f" at `{where}`" if where.port else "")
        user = self.context.data.get("User", "")
        login = f"{user}@{where.host}" if user else where.host
        return f"the guest, reachable with `ssh -p {where.port} {login}`"
