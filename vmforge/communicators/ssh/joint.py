"""Joins a channel of an SSH connection to a socket, so that what comes out of one goes into the other."""

from __future__ import annotations

import contextlib
import socket
import threading

import paramiko

from vmforge.communicators.ssh.ending import end_input
from vmforge.communicators.ssh.session import PACKET


def join(channel: paramiko.Channel, connection: socket.socket, *, half_close: bool) -> None:
    """Pass on both ways until both ends are done, then close both; returns at once.

    With `half_close` an end of what comes from `connection` leaves the other way open, as it does in TCP;
    without, it ends the whole.
    """
    args = (channel, connection, half_close)
    threading.Thread(target=_run, args=args, daemon=True, name="vmforge-ssh-joint").start()


def as_socket(channel: paramiko.Channel) -> socket.socket:
    """A socket whose other end is the channel. Closing it closes the channel."""
    near, far = socket.socketpair()
    join(channel, far, half_close=False)
    return near


def _run(channel: paramiko.Channel, connection: socket.socket, half_close: bool) -> None:
    args = (channel, connection, half_close)
    outward = threading.Thread(target=_send, args=args, daemon=True, name="vmforge-ssh-joint-out")
    outward.start()
    with contextlib.suppress(OSError):
        while data := channel.recv(PACKET):
            connection.sendall(data)
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR if channel.closed or not half_close else socket.SHUT_WR)
    outward.join()
    connection.close()
    _close(channel)


def _send(channel: paramiko.Channel, connection: socket.socket, half_close: bool) -> None:
    with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
        while data := connection.recv(PACKET):
            channel.sendall(data)
        if half_close:
            end_input(channel)
            return
    # also when the channel broke: the other way waits for it
    _close(channel)


def _close(channel: paramiko.Channel) -> None:
    with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
        channel.close()
