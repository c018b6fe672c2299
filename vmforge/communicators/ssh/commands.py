"""Runs a command in the guest and streams what it prints, as it comes."""

from __future__ import annotations

import logging
import os
import selectors
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack

import paramiko
from paramiko.agent import AgentRequestHandler

from vmforge.communicators.readiness import Deadline
from vmforge.communicators.ssh.discretion import Discretion
from vmforge.communicators.ssh.ending import end_input
from vmforge.communicators.ssh.session import Session, in_packets, lost
from vmforge.errors import CommunicatorError
from vmforge.sdk import Output
from vmforge.sdk.lines import LineSplitter
from vmforge.sdk.values import format_seconds

_log = logging.getLogger(__name__)

# How long output may stay silent after the command itself has ended, before the rest is taken to belong to
# a process that it left behind: that one may hold the channel open for ever.
_LINGER = 3.0

# How long a connection without an exit status may take to break: a guest that shuts down ends its
# sessions a moment before its network.
_LAST_GASP = 3.0

_READ = 256 * 1024
_TITLE_LENGTH = 60


def run_command(
    session: Session,
    command: str,
    output: Output | None,
    *,
    timeout: float | None,
    pty: bool,
    forward_agent: bool,
    discretion: Discretion,
) -> int:
    """The command's exit status. Its standard input is empty.

    Raises `CommunicatorError` when the connection breaks, the time-out (in seconds) passes or no exit
    status comes; `Interrupted` as soon as the build is told to stop.
    """
    title = _title_of(discretion.hide(command))  # half a secret would not be recognized
    _log.debug("in the guest: %s", discretion.hide(command))
    with session.guard(f"`{title}` ran"), ExitStack() as stack:
        line, said = command, b""
        if discretion.concerns(command, session):
            line, said = discretion.wrap(command, session, pty=pty)
        channel = session.open_channel()
        stack.callback(channel.close)
        if pty:
            channel.get_pty("xterm", 80, 40)
        if forward_agent and "SSH_AUTH_SOCK" in os.environ:
            stack.callback(AgentRequestHandler(channel).close)
        channel.exec_command(line)
        for piece in in_packets(said):
            channel.sendall(piece)
        end_input(channel)
        deadline = Deadline(timeout)
        _stream(channel, output or _ignore, deadline)
        if not _ended(channel, deadline):
            raise CommunicatorError(f"`{title}` did not end within {format_seconds(timeout or 0)}")
        status = channel.recv_exit_status()
    _log.debug("`%s` ended with status %d", title, status)
    return status if status >= 0 else _no_status(session, title)


def _stream(channel: paramiko.Channel, output: Output, deadline: Deadline) -> None:
    """Pass lines on until the command's output ends or the deadline comes."""
    streams = (
        _Stream(channel.recv_ready, channel.recv, lambda line: output(line, False)),
        _Stream(channel.recv_stderr_ready, channel.recv_stderr, lambda line: output(line, True)),
    )
    heard = time.monotonic()
    with selectors.DefaultSelector() as selector:
        selector.register(channel.fileno(), selectors.EVENT_READ)
        while not deadline.passed:
            over = channel.eof_received or channel.closed
            if sum(stream.drain() for stream in streams):
                heard = time.monotonic()
                continue
            if over or (channel.exit_status_ready() and time.monotonic() - heard > _LINGER):
                break
            # the time-out is for the lingering only: data and ends wake the selector
            selector.select(deadline.cap(1.0))
    for stream in streams:
        stream.finish()


class _Stream:
    """One of a channel's two outputs."""

    def __init__(
        self, ready: Callable[[], bool], receive: Callable[[int], bytes], emit: Callable[[str], None]
    ) -> None:
        self._ready, self._receive = ready, receive
        self._lines = LineSplitter(emit)
        self.finish = self._lines.finish

    def drain(self) -> bool:
        """Take what is there; returns whether there was anything."""
        if not self._ready():
            return False
        self._lines.feed(self._receive(_READ))
        return True


def _ended(channel: paramiko.Channel, deadline: Deadline) -> bool:
    """Wait for the exit status, which may come after the end of the output."""
    return channel.status_event.wait(deadline.cap(threading.TIMEOUT_MAX))


def _no_status(session: Session, title: str) -> int:
    if session.wait_for_end(_LAST_GASP):
        raise lost(f"`{title}` ran")
    raise CommunicatorError(
        f"`{title}` ended without an exit status: something in the guest killed it",
        hint="is the guest's memory too small (`dmesg`), or is it shutting down?",
    )


def _title_of(command: str) -> str:
    line = " ".join(command.split())
    return line if len(line) <= _TITLE_LENGTH else f"{line[: _TITLE_LENGTH - 1]}…"


def _ignore(line: str, error: bool) -> None:
    return None
