"""A tunnel through the Identity-Aware Proxy, which the program `gcloud` opens."""

from __future__ import annotations

import os
import shutil
import threading
from dataclasses import dataclass, field
from pathlib import Path

from vmforge.errors import HostError, Interrupted, MachineError, VmforgeError
from vmforge.scripts.process import run_process
from vmforge.sdk import Cancellation

PROGRAM = "gcloud"
_OPEN = "Listening on port"
_LAST_LINES = 5


def require_gcloud() -> None:
    """Raise `HostError` when the program is not installed."""
    if shutil.which(PROGRAM) is None:
        hint = "install it: https://cloud.google.com/sdk/docs/install"
        raise HostError(f"`use_iap` needs the program `{PROGRAM}`, which is not installed", hint=hint)


@dataclass(frozen=True, kw_only=True)
class Leading:
    """Where a tunnel leads: a port of an instance, from a port of this machine."""

    instance: str
    port: int
    local_port: int
    project: str
    zone: str

    @property
    def command(self) -> list[str]:
        """See https://cloud.google.com/sdk/gcloud/reference/compute/start-iap-tunnel."""
        return [
            *(PROGRAM, "compute", "start-iap-tunnel", self.instance, str(self.port)),
            f"--local-host-port=localhost:{self.local_port}",
            f"--zone={self.zone}",
            f"--project={self.project}",
        ]


@dataclass
class Tunnel:
    """A running tunnel. `token_file` is a file with an access token, if `gcloud`'s own login is not to be
    used."""

    leading: Leading
    token_file: Path | None = None
    _over: Cancellation = field(default_factory=Cancellation, init=False)
    _news: threading.Event = field(default_factory=threading.Event, init=False)
    _said: list[str] = field(default_factory=list, init=False)
    _is_open: bool = field(default=False, init=False)
    _failure: VmforgeError | None = field(default=None, init=False)

    def open(self, cancellation: Cancellation, seconds: float) -> None:
        """Wait until it is open. Raises `MachineError` with `gcloud`'s words, `HostError`, `Interrupted`."""
        self._thread = threading.Thread(target=self._run, name="iap-tunnel", daemon=True)
        self._thread.start()
        with cancellation.on_cancel(self._news.set):
            self._news.wait(seconds)
        if cancellation.cancelled or not self._is_open:
            self.close()
            cancellation.check()
            raise self._failure or self._error(f"the tunnel was not open after {seconds:.0f} s")

    def close(self) -> None:
        """End the program, and all that it has started."""
        self._over.cancel()
        self._thread.join()

    def __str__(self) -> str:
        return f"localhost:{self.leading.local_port} -> {self.leading.instance}:{self.leading.port}"

    def _run(self) -> None:
        environment = {"CLOUDSDK_CORE_DISABLE_PROMPTS": "1", "PYTHONUNBUFFERED": "1"}
        if self.token_file is not None:
            environment["CLOUDSDK_AUTH_ACCESS_TOKEN_FILE"] = os.fspath(self.token_file)
        try:
            status = run_process(
                self.leading.command, environment=environment, output=self._hear, cancellation=self._over
            )
            self._failure = self._error(f"`{PROGRAM}` ended with status {status}")
        except Interrupted:
            pass  # that is how it is closed
        except VmforgeError as error:
            self._failure = error
        finally:
            self._news.set()

    def _hear(self, line: str, error: bool) -> None:
        self._said.append(line)
        if _OPEN in line:
            self._is_open = True
            self._news.set()

    def _error(self, message: str) -> MachineError:
        hint = "it takes the role `IAP-secured Tunnel User`, and a firewall that lets 35.235.240.0/20 in"
        failure = MachineError(f"there is no tunnel to the instance: {message}", hint=hint)
        failure.detail = "\n".join(self._said[-_LAST_LINES:])
        return failure
