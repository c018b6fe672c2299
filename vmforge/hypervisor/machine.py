"""A running virtual machine: its life, its console, its ports, its end.

libvirt's events arrive in a thread of libvirt's loop and only change the state here; whoever waits is
woken. Work that calls libvirt in answer to an event (starting again after a guest's reboot) is done in
a thread of its own, because libvirt must not be called from its own loop.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, TypeVar
from xml.etree import ElementTree as ET

from vmforge.errors import HostError, MachineError, VmforgeError
from vmforge.hypervisor import faults, keyboard, network, owners, processors, screenshot, text_memory
from vmforge.hypervisor.checkpoint import freeze
from vmforge.hypervisor.domain import DomainSpec
from vmforge.hypervisor.driver import Driver
from vmforge.hypervisor.events import (
    ConnectionLost,
    DiskError,
    Event,
    GuestShutdown,
    Paused,
    Stopped,
)
from vmforge.hypervisor.guest_agent import LibvirtAgent
from vmforge.hypervisor.library import libvirt
from vmforge.hypervisor.lifecycle import Lifecycle, State
from vmforge.hypervisor.starting import Starter
from vmforge.sdk.cancellation import Cancellation
from vmforge.sdk.communicator import GuestAgent

T = TypeVar("T")

# How long libvirt may take to report that a domain has stopped, in seconds.
_NEWS_LIMIT = 3.0
# QEMU's causes of a shutdown (ShutdownCause in its QMP reference) that the guest brought about.
_RESET, _POWER_OFF = "guest-reset", "guest-shutdown"
_BAD_STATUS = ("internal-error", "io-error", "guest-panicked", "watchdog")


@dataclass(frozen=True, slots=True)
class SavedMemory:
    """What a machine's memory was: `open` gives the contents of the file that `checkpoint` wrote; `scratch`
    is where there is room for a copy of it, which is gone again once the machine runs."""

    open: Callable[[], BinaryIO]
    scratch: Path


class VirtualMachine:
    """A machine that was started. Leaving its `with` block destroys it. Safe to use from several threads."""

    def __init__(self, driver: Driver, spec: DomainSpec, cancellation: Cancellation) -> None:
        self.spec = spec
        self._driver = driver
        self._cancellation = cancellation
        self._life = Lifecycle(spec.name, cancellation)
        self._early: list[Event] = []
        self._cause = ""
        self._domain: Any = None
        self._log_start = 0
        self._forwards: dict[int, int] = {}
        self._worker: threading.Thread | None = None
        self._starter = Starter(driver, self._life, self._early.clear)

    @classmethod
    def start(
        cls,
        driver: Driver,
        spec: DomainSpec,
        cancellation: Cancellation,
        *,
        saved: SavedMemory | None = None,
    ) -> VirtualMachine:
        """Start a machine, from its firmware or from saved memory. Raises `MachineError` with QEMU's own
        words, `HostError` for a port in use."""
        if spec.agent is not None:
            spec = replace(spec, agent=driver.agent_channel(spec.name))
        machine = cls(driver, spec, cancellation)
        driver.events.listen(spec.uuid, machine._on_event)
        driver.adopt(spec.emulator)
        try:
            machine._create(saved)
        except BaseException:
            machine.destroy()
            raise
        machine._run(restarts=0)
        return machine

    def __enter__(self) -> VirtualMachine:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.destroy()

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def serial_log(self) -> Path | None:
        return self.spec.serial_log.path if self.spec.serial_log else None

    @property
    def is_running(self) -> bool:
        """Whether the guest runs, or is about to run again after its reboot."""
        return not self._life.state.ended

    @property
    def failure(self) -> MachineError | None:
        """Why the machine has failed, if it has."""
        return self._life.failure

    @property
    def restarts(self) -> int:
        """How often the guest's reboot has started the machine again."""
        return self._life.restarts

    # -- what a build waits for ---------------------------------------------------------------

    def check(self) -> None:
        """Raise `MachineError` if the machine does not run any more, saying why."""
        self._life.check()

    def wait_off(self, timeout: float, cancellation: Cancellation | None = None) -> bool:
        """Wait until the guest has turned itself off and QEMU has let go of its disks. False when that
        takes more than `timeout` seconds. Raises `MachineError` when it dies in another way."""
        return self._life.wait_ended(timeout, cancellation or self._cancellation)

    def on_restart(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call `callback` each time the machine was started again after the guest's reboot: its console
        is a new one. Returns a function that ends this."""
        return self._life.on_restart(callback)

    def on_end(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call `callback`, quickly and without using the machine, when it turns off or fails; at once if
        it has. `check` then says why. Returns a function that ends this."""
        return self._life.on_end(callback)

    # -- what a build does with it ------------------------------------------------------------

    def forward(self, guest_port: int, *, ports: Iterable[int] | None = None) -> int:
        """Forward a port of 127.0.0.1 into the guest and return it: one that the kernel chose, or the
        first free one of `ports`. After a restart `forwarded_port` may differ."""
        if self._driver.is_remote:
            raise HostError(
                "a port on a remote host cannot be reached from here",
                hint="use `net_bridge`, and tell the communicator the guest's address",
            )
        netdev = network.user_netdev(self.spec)
        port = self._call(
            "forward a port",
            lambda domain: network.forward(self._monitor(domain), netdev, guest_port, ports),
        )
        self._forwards[guest_port] = port
        return port

    def forwarded_port(self, guest_port: int) -> int:
        """The port of 127.0.0.1 that now leads to the guest's port. Raises KeyError if none does."""
        self._life.wait_started()
        return self._forwards[guest_port]

    def bridge_address(self) -> str:
        """The guest's IPv4 address on the bridge that it is attached to, once this host's kernel has
        seen it; empty until then, and without a bridge."""
        for index, interface in enumerate(self.spec.interfaces):
            if interface.bridge:
                return network.neighbour(interface.address(self.spec.uuid, index))
        return ""

    @property
    def vnc_socket_path(self) -> Path | None:
        """The VNC server's unix socket, on the host that runs the machine; another after a restart."""
        listen = self._graphics().find("listen[@type='socket']")
        return Path(listen.get("socket", "")) if listen is not None else None

    @property
    def vnc_address(self) -> tuple[str, int] | None:
        """The VNC server's address and port, if it was asked to listen on TCP."""
        listen = self._graphics().find("listen[@type='address']")
        if listen is None:
            return None
        return listen.get("address", network.LOCALHOST), int(self._graphics().get("port", "-1"))

    def open_console(self) -> socket.socket:
        """A new connection to the VNC server; it asks for no password. Ends when the machine restarts."""
        if self._driver.is_remote:
            # asking for a file descriptor over the network would end libvirt's connection
            raise HostError(
                "the console of a machine on a remote host cannot be opened",
                hint="use a hypervisor on this host for templates with a `boot_command`",
            )
        flags = libvirt.VIR_DOMAIN_OPEN_GRAPHICS_SKIPAUTH
        descriptor = self._call("open the console", lambda domain: domain.openGraphicsFD(0, flags))
        return socket.socket(fileno=descriptor)

    def send_keys(self, codes: Sequence[int], hold: float) -> None:
        """Press keys together, see `keyboard.press`; the way in where there is no VNC."""
        self._call("press a key", lambda domain: keyboard.press(domain, codes, hold))

    def screenshot(self) -> bytes:
        """The screen as a PNG file."""
        connection = self._driver.connection
        return self._call("take a screenshot", lambda domain: screenshot.take(connection, domain))

    def text_memory(self) -> bytes:
        """The display adapter's 32 KiB of text memory, from 0xB8000: two bytes a cell, and of no meaning
        while the guest shows graphics. Raises `MachineError` where it cannot be read."""
        return self._call("read the text screen", text_memory.peek)

    def processor_seconds(self) -> float:
        """How long the guest's processors have had something to do, see `processors.wanted_seconds`."""
        connection = self._driver.connection
        return self._call(
            "ask what the guest does", lambda domain: processors.wanted_seconds(connection, domain)
        )

    def agent(self) -> GuestAgent:
        """QEMU's agent in the guest, of a machine whose specification has its channel."""
        return LibvirtAgent(lambda function: self._call("ask the guest's agent", function))

    def power_button(self) -> None:
        """Press the power button (ACPI); what the guest does about it is up to the guest."""
        flag = libvirt.VIR_DOMAIN_SHUTDOWN_ACPI_POWER_BTN
        self._call("press the power button", lambda domain: domain.shutdownFlags(flag))

    def checkpoint(self, memory: Path, overlays: Sequence[Path], while_still: Callable[[], None]) -> None:
        """Freeze the disks as they are and write the guest's memory to `memory`; the guest goes on in
        `overlays`, an existing qcow2 image over each disk, in their order. It stands still meanwhile, and
        `while_still` is called first. Raises `MachineError` when that cannot be done, and what `while_still`
        raises; the machine then goes on as it was."""
        disks = self.spec.disks
        paths = {disk.path: overlay for disk, overlay in zip(disks, overlays, strict=True)}

        def go_on_in_overlays() -> None:
            # before the guest runs again: a reboot must find it where it is
            moved = (replace(disk, path=paths[disk.path], format="qcow2") for disk in disks)
            self.spec = replace(self.spec, disks=tuple(moved))

        self._call(
            "save the machine",
            lambda domain: freeze(domain, memory, paths, while_still, go_on_in_overlays),
        )

    def boot_again(self, overlays: Sequence[Path]) -> None:
        """Start a machine that has turned itself off, its disks in `overlays` from now on. Raises as `start`
        does."""
        disks = zip(self.spec.disks, overlays, strict=True)
        moved = tuple(replace(disk, path=path, format="qcow2") for disk, path in disks)
        self.spec = replace(self.spec, disks=moved)
        self._life.become(State.STARTING)
        self._create()
        self._run(restarts=self.restarts)

    @property
    def mac_addresses(self) -> tuple[str, ...]:
        """The addresses of the network cards, in order."""
        return tuple(c.address(self.spec.uuid, i) for i, c in enumerate(self.spec.interfaces))

    def qemu_log_tail(self) -> str:
        """What QEMU itself said since its last start; empty when it said nothing or runs elsewhere."""
        path = self._driver.log_path(self.name)
        return faults.log_tail(path, self._log_start) if path else ""

    def keep(self) -> None:
        """Let the machine live on after this process, if a libvirt daemon runs it."""
        if not self._driver.is_embedded:
            self._call("keep the machine", owners.disown)

    def destroy(self) -> None:
        """End the machine at once; harmless when it has ended. Raises `MachineError` if that fails."""
        with self._life.changed:
            if self._life.destroying:
                return
            self._life.destroying = True
            worker = self._worker
        if worker is not None and worker is not threading.current_thread():
            worker.join()
        try:
            if self._domain is not None:
                with self._driver.attended():
                    self._domain.destroy()
        except libvirt.libvirtError as error:
            if not _is_gone(error):
                raise faults.failed(error, f"end the machine `{self.name}`") from error
        finally:
            self._driver.events.forget(self.spec.uuid)
            self._driver.release()
            self._life.become(State.DESTROYED)

    # -- starting -----------------------------------------------------------------------------

    def _create(self, saved: SavedMemory | None = None) -> None:
        """Start the domain and lead its ports here. Its events wait until `_run`."""
        path = self._driver.log_path(self.name)
        self._log_start = path.stat().st_size if path and path.exists() else 0
        if saved is not None:
            self._domain = self._starter.restore(self.spec, saved.open, saved.scratch)
        else:
            self._domain = self._starter.start(self.spec, again=self._domain is not None)
        # the installer's: once it has rebooted the machine, the disk is what boots
        self.spec = replace(self.spec, kernel=None)
        monitor = self._monitor(self._domain)
        try:
            network.add_static(monitor, self.spec)
            self._forward_again(monitor)
        except libvirt.libvirtError as error:
            # a machine may end at any moment: its events then say why
            if not _is_gone(error):
                raise faults.failed(error, "set up the network") from error

    def _run(self, *, restarts: int) -> None:
        """The machine runs: let everybody know, and look at what happened while it was started."""
        with self._life.changed:
            self._life.restarts = restarts
            self._life.become(State.RUNNING)
            early = list(self._early)
            self._early.clear()
            for event in early:
                self._handle(event)

    def _restart(self) -> None:
        """Start again after the guest's reboot, with the same forwards."""
        if self._life.destroying:
            return
        try:
            self._create()
        except VmforgeError as error:
            self._life.fail(
                MachineError(f"the machine could not start again after a reboot: {error}", hint=error.hint)
            )
            return
        self._run(restarts=self.restarts + 1)
        self._life.tell_restarted()

    def _forward_again(self, monitor: network.Monitor) -> None:
        netdev = network.user_netdev(self.spec) if self._forwards else ""
        for guest_port, port in list(self._forwards.items()):
            try:
                self._forwards[guest_port] = network.forward(monitor, netdev, guest_port, [port])
            except HostError:
                # taken by another program in the meantime
                self._forwards[guest_port] = network.forward(monitor, netdev, guest_port, None)

    # -- events -------------------------------------------------------------------------------

    def _on_event(self, event: Event) -> None:
        with self._life.changed:
            if self._life.state is State.STARTING:
                # libvirt tells of a domain's events before it returns the domain
                self._early.append(event)
            else:
                self._handle(event)

    def _handle(self, event: Event) -> None:
        if self._life.destroying or self._life.state.ended:
            return
        match event:
            case GuestShutdown(reason):
                # QEMU's own end, which follows, has another cause (libvirt's signal)
                self._cause = self._cause or reason
            case Stopped(clean):
                self._on_stopped(clean)
            case Paused(""):
                self._work(self._investigate)
            case Paused(reason):
                self._life.fail(MachineError(f"the machine `{self.name}` was stopped by {reason}"))
            case DiskError(path, reason):
                self._life.fail(faults.disk_failed(self.name, Path(path), reason))
            case ConnectionLost():
                self._life.fail(
                    MachineError("the connection to libvirt was lost", hint="see whether its daemon runs")
                )

    def _on_stopped(self, clean: bool) -> None:
        cause, self._cause = self._cause, ""
        if cause == _RESET and self.spec.restart_on_reboot and not self.spec.ends_on_reboot:
            self._life.become(State.STARTING)
            self._work(self._restart)
        elif clean and cause in (_RESET, _POWER_OFF, ""):
            self._life.become(State.OFF)
        else:
            self._life.fail(
                faults.died(self.name, cause, self.qemu_log_tail(), self._driver.log_path(self.name))
            )

    def _investigate(self) -> None:
        """The guest stands still: QEMU knows whether that is an error (it is not, during a checkpoint)."""
        try:
            status = self._driver.monitor(self._domain, "info status").strip()
        except libvirt.libvirtError:
            return
        if any(bad in status for bad in _BAD_STATUS):
            self._life.fail(faults.stopped(self.name, status, self.qemu_log_tail()))

    def _work(self, work: Callable[[], None]) -> None:
        """Do something that calls libvirt in answer to an event."""
        self._worker = threading.Thread(target=work, name=f"vmforge-{self.name}", daemon=True)
        self._worker.start()

    # -- calls on the domain --------------------------------------------------------------------

    def _call(self, doing: str, function: Callable[[Any], T]) -> T:
        """Call libvirt on the domain; again if the guest's reboot got in between."""
        while True:
            self._life.wait_started()
            domain = self._domain
            try:
                return function(domain)
            except libvirt.libvirtError as error:
                if not _is_gone(error) or not self._was_replaced(domain):
                    self.check()
                    raise faults.failed(error, doing) from error

    def _was_replaced(self, domain: Any) -> bool:
        """Whether a domain that is gone makes room for a new one, once the events have told."""

        def is_new() -> bool:
            return self._life.state is State.STARTING or self._domain is not domain

        self._life.wait_news(lambda: is_new() or self._life.state.ended, _NEWS_LIMIT)
        return is_new()

    def _monitor(self, domain: Any) -> network.Monitor:
        return lambda line: self._driver.monitor(domain, line)

    def _graphics(self) -> ET.Element:
        xml = self._call("look at the machine", lambda domain: domain.XMLDesc(0))
        found = ET.fromstring(xml).find("devices/graphics[@type='vnc']")
        return found if found is not None else ET.Element("graphics")


def _is_gone(error: libvirt.libvirtError) -> bool:
    """Whether a call failed because the domain has ended, or is ending."""
    return error.get_error_code() in (
        libvirt.VIR_ERR_NO_DOMAIN,
        libvirt.VIR_ERR_OPERATION_INVALID,
        libvirt.VIR_ERR_OPERATION_FAILED,
    ) or "monitor" in str(error.get_error_message() or "")
