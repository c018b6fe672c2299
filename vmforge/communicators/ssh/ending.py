"""Ends the input of what runs on a channel."""

from __future__ import annotations

from typing import Any

import paramiko

# While keys are agreed on anew nothing may be sent; no longer than paramiko itself waits then.
_NEW_KEYS_SECONDS = 30.0


def end_input(channel: paramiko.Channel) -> None:
    """Say that nothing more comes (RFC 4254, section 5.3).

    In place of `channel.shutdown_write`, which sends after it has let go of the channel: when the other side
    closes it just then, paramiko's reader may answer first, and OpenSSH ends the whole connection because of
    an EOF for a channel that is gone.
    """
    transport: Any = channel.get_transport()
    inside: Any = channel
    transport.clear_to_send.wait(_NEW_KEYS_SECONDS)
    with inside.lock:
        message = inside._send_eof()
        if message is not None:
            transport._send_user_message(message)
