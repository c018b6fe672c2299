"""TCP ports of this machine: the ranges that options name, and a port held for another program."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from types import TracebackType

from vmforge.errors import HostError
from vmforge.sdk import Problem

_HIGHEST = 65535


def check_ports(name: str, ports: range | None, *, lowest: int = 1) -> Iterable[Problem]:
    """What is wrong with the options `NAME_min` and `NAME_max`, whose values are in `ports`."""
    if ports is None:
        return
    first, last = ports.start, ports.stop - 1
    for option, port in ((f"{name}_min", first), (f"{name}_max", last)):
        if not lowest <= port <= _HIGHEST:
            yield Problem(f"`{option}` is {port}; it must be from {lowest} to {_HIGHEST}", option)
    if last < first:
        yield Problem(f"`{name}_max` ({last}) is less than `{name}_min` ({first})", f"{name}_max")


class PortReservation:
    """A port of this machine as a resource of a build, held for QEMU to listen on.

    Its socket is bound and does not listen, so neither the kernel nor another program gives the port
    away, not even while QEMU ends and starts again. Linux lets a second socket bind it if both have
    SO_REUSEADDR, which QEMU's user network sets; this one has it only after it was bound, so that two
    builds never hold the same port.
    """

    def __init__(self, ports: range | None = None) -> None:
        """Without `ports` the kernel chooses."""
        self._ports = ports or range(1)
        self._socket: socket.socket | None = None

    def __enter__(self) -> int:
        """Hold the first free port and return it. Raises `HostError` when none is free."""
        for port in self._ports:
            if self._hold(port):
                assert self._socket is not None
                number: int = self._socket.getsockname()[1]
                return number
        raise HostError(
            f"no free port from {self._ports[0]} to {self._ports[-1]}",
            hint="widen `host_port_min` and `host_port_max`, or leave both out: the kernel then chooses",
        )

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._socket is not None:
            self._socket.close()

    def _hold(self, port: int) -> bool:
        held = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            held.bind(("", port))
            held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        except OSError:
            held.close()
            return False
        self._socket = held
        return True
