"""Starts a machine's domain: the first time, again after the guest's reboot, or from saved memory."""

from __future__ import annotations

import shutil
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from vmforge.errors import HostError
from vmforge.hypervisor import faults, owners
from vmforge.hypervisor.domain import DomainSpec, domain_xml
from vmforge.hypervisor.driver import Driver
from vmforge.hypervisor.library import libvirt
from vmforge.hypervisor.lifecycle import Lifecycle
from vmforge.hypervisor.saved_memory import clone_header, read_header

# How long libvirt may take to forget a domain that has stopped, in seconds.
_SETTLE_LIMIT = 10.0
_RETRY = 0.02
_CHUNK = 4 * 1024 * 1024

# What makes a domain of its XML.
_Launch = Callable[[str], Any]


@dataclass(frozen=True)
class Starter:
    """Starts the domain of one machine. `forget_events` is called before every try."""

    driver: Driver
    life: Lifecycle
    forget_events: Callable[[], None]

    def start(self, spec: DomainSpec, *, again: bool) -> Any:
        """Boot the machine. `again`: an earlier domain of its name is about to be forgotten.

        Raises `MachineError` with QEMU's words, `HostError` when no port is free for VNC.
        """
        return self._on_a_free_port(spec, lambda xml: self._boot(xml, again))

    def restore(self, spec: DomainSpec, memory: Callable[[], BinaryIO], scratch: Path) -> Any:
        """Let a saved machine go on as a clone that is `spec`. `memory` opens a file of libvirt's; `scratch`
        is where the clone's is written, and deleted. Raises as `start` does."""

        def launch(xml: str) -> Any:
            self.forget_events()
            with memory() as saved, scratch.open("wb") as clone:
                clone.write(clone_header(read_header(saved), xml).write())
                shutil.copyfileobj(saved, clone, _CHUNK)
            return self.driver.restore(scratch, spec.name)

        try:
            return self._on_a_free_port(spec, launch)
        finally:
            scratch.unlink(missing_ok=True)

    def _on_a_free_port(self, spec: DomainSpec, launch: _Launch) -> Any:
        vnc = spec.graphics
        on_tcp = vnc is not None and vnc.address
        ports = range(vnc.port_min, vnc.port_max + 1) if vnc is not None and on_tcp else [None]
        refused: libvirt.libvirtError | None = None
        description = "" if self.driver.is_embedded else owners.describe(socket.gethostname())
        for port in ports:
            try:
                return launch(domain_xml(spec, description=description, vnc_port=port))
            except libvirt.libvirtError as error:
                refused = error
                if port is None or not faults.is_port_in_use(error):
                    raise faults.starting(error, spec.name) from error
        raise HostError(f"no free port for VNC from {ports[0]} to {ports[-1]}") from refused

    def _boot(self, xml: str, again: bool) -> Any:
        """Boot, waiting for an earlier domain of the name: libvirt tells of the end of a domain shortly
        before it forgets it. Raises libvirt's error."""
        deadline = time.monotonic() + _SETTLE_LIMIT
        while True:
            self.forget_events()
            try:
                return self.driver.start(xml)
            except libvirt.libvirtError as error:
                waits = again and not self.life.destroying and time.monotonic() < deadline
                if not (waits and faults.is_still_there(error)):
                    raise
            self.life.wait_news(lambda: self.life.destroying, _RETRY)
