"""The door to libvirt: opens a hypervisor, by default one that needs no daemon and no configuration."""

from __future__ import annotations

import os
import platform
import shutil
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from vmforge.errors import HostError
from vmforge.hypervisor.capabilities import Acceleration, offers, probe_local, probe_remote
from vmforge.hypervisor.domain import DomainSpec, Owner
from vmforge.sdk.cancellation import Cancellation

if TYPE_CHECKING:
    from vmforge.hypervisor.driver import Driver
    from vmforge.hypervisor.machine import SavedMemory, VirtualMachine


def connect(uri: str | None, state_dir: Path, cancellation: Cancellation) -> Connecting:
    """A hypervisor for a `with` block, which ends the machines that were started in it.

    `uri` is libvirt's (`qemu:///system`, `qemu+ssh://host/system`); empty for the driver inside this
    process, which keeps its sockets and logs below `state_dir` and is shared by all builds of the
    process. Entering raises `HostError`, with the command that mends what is missing.
    """
    return Connecting(uri or "", state_dir, cancellation)


class Hypervisor:
    """What a build uses to start machines."""

    def __init__(self, driver: Driver, cancellation: Cancellation) -> None:
        self._driver = driver
        self._cancellation = cancellation
        self._machines: list[VirtualMachine] = []
        self._kept = False

    @property
    def uri(self) -> str:
        """libvirt's URI; works with `virsh -c` while the machine lives, unless the driver is embedded."""
        return self._driver.uri

    @property
    def is_embedded(self) -> bool:
        return self._driver.is_embedded

    @property
    def is_remote(self) -> bool:
        return self._driver.is_remote

    @property
    def _is_system_daemon(self) -> bool:
        """Whether QEMU is run by this host's daemon, with other rights than ours."""
        return not (self.is_embedded or self.is_remote or self.uri.endswith("/session"))

    @property
    def libvirt_version(self) -> tuple[int, int, int]:
        """The version of the libvirt that runs the machines."""
        number = self._driver.connection.getLibVersion()
        return number // 1_000_000, number // 1000 % 1000, number % 1000

    def acceleration(self, arch: str = "", emulator: str = "") -> Acceleration:
        """Whether guests of an architecture (this host's by default) run with KVM. Probed."""
        arch = arch or platform.machine()
        path = emulator if self.is_remote else self.emulator(emulator, arch)

        def offers_kvm() -> bool:
            with self._driver.attended():
                return offers(self._driver.connection, path, arch, "", "kvm")

        if self.is_remote:
            return probe_remote(arch, self._driver.connection.getCapabilities(), offers_kvm)
        # the daemon of the system runs QEMU with rights of its own
        own_rights = not self._is_system_daemon
        return probe_local(arch, offers_kvm, need_device=own_rights)

    def start(self, spec: DomainSpec, *, saved: SavedMemory | None = None) -> VirtualMachine:
        """Start a machine, or let one go on from its saved memory. Raises `MachineError` with QEMU's words,
        `HostError` when the host lacks something. The machine ends with this hypervisor's `with` block at
        the latest."""
        self._cancellation.check()
        if not self.is_remote:
            spec = replace(spec, emulator=self.emulator(spec.emulator, spec.arch))
        if self._is_system_daemon:
            # its own user could read neither the template's files nor the cache
            spec = replace(spec, owner=Owner(os.getuid(), os.getgid()))
        from vmforge.hypervisor.machine import VirtualMachine

        machine = VirtualMachine.start(self._driver, spec, self._cancellation, saved=saved)
        self._machines.append(machine)
        return machine

    def keep(self) -> None:
        """Let the machines live on after this process (`-on-error=abort`)."""
        self._kept = True
        if self._driver.slot is not None:
            self._driver.slot.keep()
        for machine in self._machines:
            if machine.is_running:
                machine.keep()

    def close(self) -> None:
        """End the machines that still run, unless they are kept, and give the connection back."""
        from vmforge.hypervisor.driver import close_driver

        try:
            if not self._kept:
                for machine in reversed(self._machines):
                    machine.destroy()
        finally:
            close_driver(self._driver)

    def emulator(self, name: str, arch: str) -> str:
        """The path of an emulator on this host. Raises `HostError` when it is not installed."""
        wanted = name or f"qemu-system-{arch}"
        found = shutil.which(wanted)
        if found is None:
            raise HostError(
                f"QEMU is not installed: no program `{wanted}`", hint=f"`apt install {package(arch)}`"
            )
        return found


class Connecting:
    """Opens the hypervisor when entered. See `connect`."""

    def __init__(self, uri: str, state_dir: Path, cancellation: Cancellation) -> None:
        self._uri = uri
        self._state_dir = state_dir
        self._cancellation = cancellation
        self._hypervisor: Hypervisor | None = None

    def __enter__(self) -> Hypervisor:
        self._cancellation.check()
        from vmforge.hypervisor.driver import open_driver

        self._hypervisor = Hypervisor(open_driver(self._uri, self._state_dir), self._cancellation)
        return self._hypervisor

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._hypervisor is not None:
            self._hypervisor.close()


def package(arch: str) -> str:
    """Debian's package of the emulator for an architecture."""
    packages = {"x86_64": "qemu-system-x86", "i686": "qemu-system-x86", "i386": "qemu-system-x86"}
    packages |= {"aarch64": "qemu-system-arm", "armv7l": "qemu-system-arm"}
    return packages.get(arch, "qemu-system")
