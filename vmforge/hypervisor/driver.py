"""libvirt connections: at most one per URI in this process, shared by the builds that run in it."""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from vmforge.errors import HostError
from vmforge.hypervisor import faults, owners, slots
from vmforge.hypervisor.devices import AgentChannel
from vmforge.hypervisor.events import Dispatcher, EventLoop
from vmforge.hypervisor.library import libvirt, libvirt_qemu
from vmforge.hypervisor.reaper import Reaper

EMBEDDED = ""

_log = logging.getLogger(__name__)

# An idle remote connection is asked for a sign of life; without one it counts as lost.
_KEEPALIVE_SECONDS, _KEEPALIVE_COUNT = 5, 6

_lock = threading.Lock()
_open: dict[str, Driver] = {}
_loop: EventLoop | None = None
_slot: slots.Slot | None = None
_reaper: Reaper | None = None


class Driver:
    """An open connection. Counted: `close` ends it when its last user is done."""

    def __init__(self, uri: str, connection: Any, slot: slots.Slot | None, reaper: Reaper | None) -> None:
        self.uri = uri
        self.connection = connection
        self.slot = slot
        self.users = 0
        self._reaper = reaper
        self.events = Dispatcher(connection)

    @property
    def is_embedded(self) -> bool:
        return self.slot is not None

    @property
    def is_remote(self) -> bool:
        return bool(urlsplit(self.uri).hostname)

    @contextmanager
    def attended(self) -> Iterator[None]:
        """Around calls that start or end QEMU processes."""
        if self._reaper is None:
            yield
            return
        with self._reaper.attending():
            yield

    def adopt(self, emulator: str) -> None:
        """A machine lives from now on, run by this emulator."""
        if self._reaper is not None:
            self._reaper.know(emulator)
            self._reaper.hold()

    def release(self) -> None:
        """A machine lives no longer."""
        if self._reaper is not None:
            self._reaper.drop()

    def start(self, xml: str) -> Any:
        """Start a transient domain. Raises libvirt's error."""
        _log.debug("starting the domain\n%s", xml)
        with self.attended():
            return self.connection.createXML(xml, 0)

    def restore(self, memory: Path, name: str) -> Any:
        """Start a transient domain from a file of memory that names it. Raises libvirt's error."""
        with self.attended():
            self.connection.restoreFlags(str(memory), None, libvirt.VIR_DOMAIN_SAVE_RUNNING)
            return self.connection.lookupByName(name)

    def monitor(self, domain: Any, line: str) -> str:
        """What QEMU's human monitor answers. Raises libvirt's error."""
        flags = libvirt_qemu.VIR_DOMAIN_QEMU_MONITOR_COMMAND_HMP
        return str(libvirt_qemu.qemuMonitorCommand(domain, line, flags))

    def agent_channel(self, name: str) -> AgentChannel:
        """The channel for the agent of a domain. Below an embedded driver's root, the place of libvirt's
        choosing is longer than a socket's path may be (107 bytes)."""
        return AgentChannel(self.slot.root / f"{name}.agent" if self.slot is not None else None)

    def log_path(self, name: str) -> Path | None:
        """Where this driver keeps QEMU's log of a domain; None when that is on another host."""
        if self.is_remote:
            return None
        if self.slot is not None:
            return self.slot.folder / "log/qemu" / f"{name}.log"
        if os.getuid() == 0 or self.uri.endswith("/system"):
            return Path("/var/log/libvirt/qemu") / f"{name}.log"
        cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
        return Path(cache) / "libvirt/qemu/log" / f"{name}.log"


def open_driver(uri: str, state_dir: Path) -> Driver:
    """The connection to `uri`; `EMBEDDED` is the driver inside this process. Raises `HostError`.

    The embedded driver lives where the first call in this process put it: libvirt cannot move it.
    """
    with _lock:
        driver = _open.get(uri)
        if driver is None:
            driver = _open[uri] = _connect(uri, state_dir)
        driver.users += 1
        return driver


def close_driver(driver: Driver) -> None:
    """Give a connection back. Machines on it live on."""
    with _lock:
        driver.users -= 1
        if driver.users:
            return
        _open.pop(EMBEDDED if driver.is_embedded else driver.uri, None)
        driver.events.close()
        try:
            driver.connection.close()
        except libvirt.libvirtError:
            pass  # lost already


def _connect(uri: str, state_dir: Path) -> Driver:
    global _loop, _slot, _reaper
    if uri != EMBEDDED and _slot is not None and not urlsplit(uri).hostname:
        raise HostError(
            f"libvirt cannot use `{uri}` in a process that uses its embedded driver",
            hint="build these sources in separate runs, or give all of them the same `libvirt_uri`",
        )
    if uri == EMBEDDED:
        _slot = _slot or slots.acquire(state_dir)
        _reaper = _reaper or Reaper()
    slot = _slot if uri == EMBEDDED else None
    full_uri = f"qemu:///embed?root={slot.root}" if slot else uri
    if _loop is None:
        _loop = EventLoop()
    connection = _open_connection(full_uri)
    driver = Driver(full_uri, connection, slot, _reaper if slot else None)
    if slot is None:
        connection.setKeepAlive(_KEEPALIVE_SECONDS, _KEEPALIVE_COUNT)
        owners.end_orphans(connection, socket.gethostname())
    return driver


def _open_connection(uri: str) -> Any:
    try:
        return libvirt.open(uri)
    except libvirt.libvirtError as error:
        raise faults.connecting(error, uri) from error
