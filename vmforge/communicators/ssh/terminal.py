"""A shell in the guest for the user: on this terminal, or fed from a pipe."""

from __future__ import annotations

import os
import select
import signal
import sys
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import paramiko

from vmforge.communicators.ssh.ending import end_input
from vmforge.communicators.ssh.session import Session

_CHUNK = 32 * 1024
_INPUT, _OUTPUT, _ERRORS = 0, 1, 2


def interact(session: Session) -> int:
    """Connect standard input and output to a shell in the guest until it ends; returns its exit status.

    On a terminal the guest gets every key, Ctrl-C too. Raises `CommunicatorError` when the connection breaks.
    """
    with session.guard("a shell was open"):
        channel = session.open_channel()
        if sys.stdin.isatty() and sys.stdout.isatty():
            size = os.get_terminal_size()
            channel.get_pty(os.environ.get("TERM", "vt100"), size.columns, size.lines)
            channel.invoke_shell()
            with _raw(_INPUT), _resizing(channel):
                _exchange(channel)
        else:
            channel.invoke_shell()
            _exchange(channel)
        return channel.recv_exit_status()


def _exchange(channel: paramiko.Channel) -> None:
    """Pass everything on, both ways, until the guest has closed its end."""
    sources: list[paramiko.Channel | int] = [channel, _INPUT]
    while True:
        ready, _, _ = select.select(sources, [], [])
        if channel in ready and not _show(channel):
            return
        if _INPUT in ready:
            typed = os.read(_INPUT, _CHUNK)
            if typed:
                channel.sendall(typed)
            else:
                end_input(channel)
                sources.remove(_INPUT)


def _show(channel: paramiko.Channel) -> bool:
    """Write what has arrived; False at the end."""
    if channel.recv_stderr_ready():
        _write(_ERRORS, channel.recv_stderr(_CHUNK))
        return True
    arrived = channel.recv(_CHUNK)
    _write(_OUTPUT, arrived)
    return bool(arrived)


def _write(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


@contextmanager
def _raw(descriptor: int) -> Iterator[None]:
    before = termios.tcgetattr(descriptor)
    try:
        tty.setraw(descriptor)
        yield
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


@contextmanager
def _resizing(channel: paramiko.Channel) -> Iterator[None]:
    """Tell the guest when the window's size changes; only the main thread gets signals."""

    def resize(number: int, frame: FrameType | None) -> None:
        size = os.get_terminal_size()
        channel.resize_pty(size.columns, size.lines)

    try:
        before = signal.signal(signal.SIGWINCH, resize)
    except ValueError:
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGWINCH, before)
