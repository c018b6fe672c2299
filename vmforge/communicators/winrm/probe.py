"""Finds out whether a WinRM service answers at an address, with one quick request."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import ssl
import time

from vmforge.communicators.readiness import Requirement, Sighting
from vmforge.sdk import Cancellation, Endpoint

_WAIT = (
    "look at the guest's console: is the installation over? If it only needs longer, raise `winrm_timeout`"
)
_ENABLE = f"{_WAIT}. In the guest, `winrm quickconfig` starts the service and opens its firewall"
_WRONG_PORT = "check `winrm_port` and `winrm_use_ssl`: 5985 is HTTP, 5986 is HTTPS"
_REQUEST = "POST /wsman HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


def look(where: Endpoint, tls: bool, patience: float, cancellation: Cancellation) -> Sighting | None:
    """What is missing at `where`, judged within `patience` seconds; None when a WinRM service is there.

    The request carries no login: the service answers it with 401.
    """
    patience = max(0.1, patience)
    try:
        connection = socket.create_connection((where.host, where.port), patience)
    except OSError as error:
        cancellation.check()
        return _no_connection(error)
    with connection, cancellation.on_cancel(lambda: _shut(connection)):
        try:
            answer = _ask(connection, where, tls, time.monotonic() + patience)
        except ssl.SSLError as error:
            answer = None
            seen = Sighting(Requirement.HANDSHAKE, f"TLS: {error.reason or error}", _WRONG_PORT)
        except TimeoutError:
            answer = None
            seen = Sighting(Requirement.SERVICE, "connected, but nothing answers yet", _ENABLE)
        except OSError:
            answer = b""
    cancellation.check()
    return seen if answer is None else _judge(answer)


def _ask(connection: socket.socket, where: Endpoint, tls: bool, end: float) -> bytes:
    """The first line of the answer."""
    stream = connection
    if tls:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        # the guest's certificate is judged at the login; here only whether something talks TLS
        stream = context.wrap_socket(connection, server_hostname=where.host)
    stream.sendall(_REQUEST.format(host=where.host).encode("ascii"))
    answer = b""
    while b"\n" not in answer and len(answer) < 4096:
        stream.settimeout(max(0.05, end - time.monotonic()))
        data = stream.recv(1024)
        if not data:
            break
        answer += data
    return answer


def _judge(answer: bytes) -> Sighting | None:
    line = answer.partition(b"\n")[0].decode("latin-1").strip()
    if not line:
        text = "connection closed at once, nothing listens in the guest yet"
        return Sighting(Requirement.PORT, text, _ENABLE)
    if not line.startswith("HTTP/"):
        shown = "".join(c for c in line if c.isprintable())[:60]
        return Sighting(Requirement.SERVICE, f"`{shown}` came in place of HTTP", _WRONG_PORT)
    status = line.split()[1:2]
    if status == ["404"]:
        return Sighting(Requirement.SERVICE, "a web server without WinRM answers", _WRONG_PORT)
    if status == ["503"]:
        return Sighting(Requirement.SERVICE, "the WinRM service is not up yet (HTTP 503)", _WAIT)
    return None


def _no_connection(error: OSError) -> Sighting:
    code = error.errno or 0
    if isinstance(error, socket.gaierror):
        text = f"the address cannot be resolved: {error.strerror}"
        return Sighting(Requirement.ADDRESS, text, "correct `winrm_host`, or write an address")
    if code == errno.ECONNREFUSED:
        return Sighting(Requirement.PORT, "connection refused", _ENABLE)
    if isinstance(error, TimeoutError):
        hint = "check the guest's address and firewall; set `winrm_host`"
        return Sighting(Requirement.ADDRESS, "no answer to the connection, packets are lost", hint)
    hint = "check that this machine reaches the guest's network; set `winrm_host`"
    return Sighting(Requirement.ADDRESS, f"cannot connect: {os.strerror(code)}", hint)


def _shut(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):  # it may be closed by now
        connection.shutdown(socket.SHUT_RDWR)
