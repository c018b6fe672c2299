"""An open SSH session: channels, keep-alives, and paramiko's errors in our words."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import paramiko

from vmforge.errors import CommunicatorError, HostError
from vmforge.sdk import Cancellation

# How long paramiko's thread may take to notice that the connection has ended, in seconds.
_NOTICE = 0.3


class Session:
    """One authenticated connection. `keep_alive` is in seconds; 0 or less turns it off."""

    def __init__(
        self, transport: paramiko.Transport, user: str, cancellation: Cancellation, *, keep_alive: float
    ) -> None:
        self.transport, self.user, self.cancellation = transport, user, cancellation
        self._closing = threading.Event()
        if keep_alive > 0:
            threading.Thread(
                target=self._keep_alive, args=(keep_alive,), daemon=True, name="vmforge-ssh-keep-alive"
            ).start()

    @property
    def alive(self) -> bool:
        return self.transport.is_active()

    def survived(self) -> bool:
        """Whether the connection stands after an error; paramiko's thread may notice its end a moment later
        than the caller."""
        self.transport.join(_NOTICE)
        return self.alive

    def open_channel(self) -> paramiko.Channel:
        """A new channel for a command or a subsystem; only within `guard`."""
        return self.transport.open_session()

    @contextmanager
    def guard(self, doing: str) -> Iterator[None]:
        """Within it, cancellation ends every wait, and paramiko's errors become `CommunicatorError`s.

        `doing` completes "the connection broke while ...". Trouble with a local file is a `HostError`.
        """
        self.cancellation.check()
        try:
            with self.cancellation.on_cancel(self.transport.close):
                yield
        except (paramiko.SSHException, EOFError, OSError) as error:
            self.cancellation.check()
            if isinstance(error, OSError) and error.filename:
                raise _local_trouble(error, doing) from error
            if not self.survived():
                raise lost(doing, error) from error
            if isinstance(error, OSError) and error.strerror:
                raise _local_trouble(error, doing) from error
            raise CommunicatorError(f"the guest's SSH server failed while {doing}: {error}") from error
        except CommunicatorError:
            self.cancellation.check()  # what is told to stop may look like a connection that broke
            raise

    def wait_for_end(self, seconds: float) -> bool:
        """Wait up to `seconds` for the connection to break, as a guest's reboot makes it; returns
        whether it did."""
        self.cancellation.check()
        with self.cancellation.on_cancel(self.close):
            self.transport.join(seconds)
        self.cancellation.check()
        return not self.alive

    def close(self) -> None:
        self._closing.set()
        self.transport.close()

    def _keep_alive(self, interval: float) -> None:
        """Ask whether the guest is there. Its answer keeps `PatientSocket` patient; a guest that was reset
        without a word answers that it knows no such connection."""
        while not self._closing.wait(interval) and self.alive:
            try:
                self.transport.global_request("keepalive@openssh.com", wait=True)
            except (paramiko.SSHException, EOFError, OSError):
                return


def _local_trouble(error: OSError, doing: str) -> HostError:
    where = f" `{error.filename}`" if error.filename else ""
    return HostError(f"trouble with the local file{where} while {doing}: {error.strerror}")


def lost(doing: str, error: Exception | None = None) -> CommunicatorError:
    """The error for a connection that broke."""
    reason = f": {error}" if error is not None and str(error) else ""
    return CommunicatorError(
        f"the connection to the guest broke while {doing}{reason}",
        hint="did the guest restart? then say `expect_disconnect = true`; else look at its console",
    )
