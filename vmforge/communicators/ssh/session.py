"""An open SSH session: channels, keep-alives, and paramiko's errors in our words."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import paramiko

from vmforge.communicators.readiness import Deadline
from vmforge.errors import CommunicatorError, HostError
from vmforge.sdk import Cancellation

# How long paramiko's thread may take to notice that the connection has ended, in seconds.
_NOTICE = 0.3

# How long to try for a channel that the server refuses, in seconds.
_CROWDED = 2.0

# The most that paramiko puts into one packet: what servers take, less what it keeps for itself. One byte more
# is a second packet.
PACKET = 32 * 1024 - 64


class Session:
    """One authenticated connection. `keep_alive` is in seconds; 0 or less turns it off. `make_room` closes
    channels that are kept for later."""

    def __init__(
        self, transport: paramiko.Transport, user: str, cancellation: Cancellation, *, keep_alive: float
    ) -> None:
        self.transport, self.user, self.cancellation = transport, user, cancellation
        self._closing = threading.Event()
        self._opening = threading.Lock()
        self._at_close = ExitStack()
        self.make_room: Callable[[], None] = _nothing_to_close
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
        deadline = Deadline(_CROWDED)
        while True:
            try:
                # one at a time: paramiko gives the server's refusal to whichever thread asks first
                with self._opening:
                    return self.transport.open_session()
            except paramiko.ChannelException as error:
                if deadline.passed:
                    raise CommunicatorError(
                        f"the guest's SSH server opens no more sessions on this connection: {error.text}",
                        hint="run less at once, or raise `MaxSessions` in the guest's `sshd_config`",
                    ) from error
            self.make_room()
            # the server counts a channel until its process has ended, and does not say when that is
            self.cancellation.wait(_CROWDED / 20)

    def keep(self, release: Callable[[], None]) -> None:
        """Call `release` when the session is closed; it must be harmless to call twice."""
        self._at_close.callback(release)

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
        self._at_close.close()
        self.transport.close()

    def _keep_alive(self, interval: float) -> None:
        """Ask whether the guest is there. Its answer keeps `PatientSocket` patient; a guest that was reset
        without a word answers that it knows no such connection."""
        while not self._closing.wait(interval) and self.alive:
            try:
                self.transport.global_request("keepalive@openssh.com", wait=True)
            except (paramiko.SSHException, EOFError, OSError):
                return


def in_packets(data: bytes) -> Iterator[bytes]:
    """The pieces that travel in one packet each: of more, paramiko copies all that is left for each."""
    view = memoryview(data)
    for start in range(0, len(view), PACKET):
        yield bytes(view[start : start + PACKET])


def _nothing_to_close() -> None:
    """Where no channels are kept for later, none can make room for another."""


def _local_trouble(error: OSError, doing: str) -> HostError:
    where = f" `{error.filename}`" if error.filename else ""
    return HostError(f"trouble with the local file{where} while {doing}: {error.strerror}")


def lost(doing: str, error: Exception | None = None) -> CommunicatorError:
    """The error for a connection that broke."""
    reason = f": {error}" if error is not None and str(error) else ""
    return CommunicatorError(
        f"the connection to the guest broke while {doing}{reason}",
        hint="did the guest restart? then say `expect_disconnect = true`; else look at its console: what was "
        "under way may still go on there",
    )
