"""libvirt's events: the loop that they need, and their way to the machine that they concern."""

from __future__ import annotations

import atexit
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from vmforge.hypervisor.library import libvirt, libvirt_qemu


@dataclass(frozen=True, slots=True)
class GuestShutdown:
    """QEMU stops the guest; `reason` is QEMU's ShutdownCause (`guest-reset`, `guest-shutdown` ...)."""

    reason: str


@dataclass(frozen=True, slots=True)
class Stopped:
    """The process is gone. `clean` when QEMU ended in order."""

    clean: bool


@dataclass(frozen=True, slots=True)
class Paused:
    """The guest stands still, and nobody of ours asked for it."""

    reason: str


@dataclass(frozen=True, slots=True)
class DiskError:
    """A disk could not be read or written; `reason` is `enospc` when it was for want of space."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class ConnectionLost:
    """The libvirt daemon went away, and with it all knowledge of the machine."""


Event: TypeAlias = GuestShutdown | Stopped | Paused | DiskError | ConnectionLost
Listener: TypeAlias = Callable[[Event], None]

# The causes of a pause that nobody asked for (virDomainEventSuspendedDetailType).
_PAUSES = {
    libvirt.VIR_DOMAIN_EVENT_SUSPENDED_PAUSED: "",
    libvirt.VIR_DOMAIN_EVENT_SUSPENDED_IOERROR: "an I/O error",
    libvirt.VIR_DOMAIN_EVENT_SUSPENDED_WATCHDOG: "its watchdog",
    libvirt.VIR_DOMAIN_EVENT_SUSPENDED_API_ERROR: "an error inside libvirt",
}


class EventLoop:
    """libvirt's event loop in a thread of its own; must exist before the first connection."""

    def __init__(self) -> None:
        libvirt.virEventRegisterDefaultImpl()
        self._ending = False
        # a timer that is off; setting it off wakes the loop
        self._waker = libvirt.virEventAddTimeout(-1, lambda timer, opaque: None, None)
        self._thread = threading.Thread(target=self._run, name="vmforge-libvirt", daemon=True)
        self._thread.start()
        atexit.register(self._end)

    def _run(self) -> None:
        while not self._ending:
            libvirt.virEventRunDefaultImpl()

    def _end(self) -> None:
        """Stop before the interpreter does: libvirt would call into what is being torn down."""
        self._ending = True
        libvirt.virEventUpdateTimeout(self._waker, 0)
        self._thread.join(timeout=2)


class Dispatcher:
    """Hands a connection's events to the machines, by UUID. Listeners run in the loop's thread: they
    take note and return, and never call libvirt."""

    def __init__(self, connection: Any) -> None:
        self._lock = threading.Lock()
        self._listeners: dict[str, Listener] = {}
        self._connection = connection
        ids = libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, libvirt.VIR_DOMAIN_EVENT_ID_IO_ERROR_REASON
        self._registered = [
            connection.domainEventRegisterAny(None, ids[0], self._on_lifecycle, None),
            connection.domainEventRegisterAny(None, ids[1], self._on_disk_error, None),
        ]
        self._qemu = libvirt_qemu.qemuMonitorEventRegister(
            connection, None, "SHUTDOWN", self._on_shutdown, None, 0
        )
        try:
            connection.registerCloseCallback(self._on_close, None)
        except libvirt.libvirtError:
            pass  # the embedded driver cannot go away

    def listen(self, uuid: str, listener: Listener) -> None:
        with self._lock:
            self._listeners[uuid] = listener

    def forget(self, uuid: str) -> None:
        with self._lock:
            self._listeners.pop(uuid, None)

    def close(self) -> None:
        """Undo the registrations: each holds a reference to the connection."""
        try:
            for registered in self._registered:
                self._connection.domainEventDeregisterAny(registered)
            libvirt_qemu.qemuMonitorEventDeregister(self._connection, self._qemu)
            self._connection.unregisterCloseCallback()
        except libvirt.libvirtError:
            pass  # the connection is gone, or had no such callback

    def _tell(self, uuid: str, event: Event) -> None:
        with self._lock:
            listener = self._listeners.get(uuid)
        if listener is not None:
            listener(event)

    def _on_lifecycle(self, connection: Any, domain: Any, kind: int, detail: int, opaque: Any) -> None:
        if kind == libvirt.VIR_DOMAIN_EVENT_STOPPED:
            clean = detail == libvirt.VIR_DOMAIN_EVENT_STOPPED_SHUTDOWN
            self._tell(domain.UUIDString(), Stopped(clean))
        elif kind == libvirt.VIR_DOMAIN_EVENT_SUSPENDED and detail in _PAUSES:
            self._tell(domain.UUIDString(), Paused(_PAUSES[detail]))
        elif kind == libvirt.VIR_DOMAIN_EVENT_CRASHED:
            self._tell(domain.UUIDString(), Paused("a panic of its kernel"))

    def _on_disk_error(
        self, connection: Any, domain: Any, path: str, alias: str, action: int, reason: str, opaque: Any
    ) -> None:
        if action == libvirt.VIR_DOMAIN_EVENT_IO_ERROR_PAUSE:
            self._tell(domain.UUIDString(), DiskError(path, reason))

    def _on_shutdown(
        self, connection: Any, domain: Any, event: str, seconds: int, micros: int, details: str, opaque: Any
    ) -> None:
        reason = json.loads(details).get("reason", "") if details else ""
        self._tell(domain.UUIDString(), GuestShutdown(reason))

    def _on_close(self, connection: Any, reason: int, opaque: Any) -> None:
        with self._lock:
            listeners = list(self._listeners.values())
        for listener in listeners:
            listener(ConnectionLost())
