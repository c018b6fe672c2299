"""Real QEMU processes, a second or two each: start, console, ports, reboot, power off, every way to die."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from vmforge.errors import HostError, Interrupted, MachineError
from vmforge.hypervisor.connection import Hypervisor
from vmforge.hypervisor.devices import Cdrom, Disk, DiskBus, Efi, Floppy, Interface, Topology, Video, Vnc
from vmforge.hypervisor.domain import DomainSpec
from vmforge.hypervisor.firmware import find_efi
from vmforge.hypervisor.machine import VirtualMachine
from vmforge.sdk import Cancellation, Secret, Size

pytestmark = pytest.mark.machine

LONG = 60.0


@pytest.fixture
def start(hypervisor: Hypervisor) -> Iterator[Callable[[DomainSpec], VirtualMachine]]:
    machines: list[VirtualMachine] = []

    def begin(spec: DomainSpec) -> VirtualMachine:
        machines.append(hypervisor.start(spec))
        return machines[-1]

    yield begin
    for machine in machines:
        machine.destroy()


Start = Callable[[DomainSpec], VirtualMachine]


def qemu_pid(machine: VirtualMachine) -> int:
    """The process that runs a machine."""
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if machine.name.encode() in entry.read_bytes() and b"qemu-system" in entry.read_bytes():
                return int(entry.parent.name)
        except OSError:
            continue
    raise AssertionError("no such process")


def wait_end(machine: VirtualMachine) -> None:
    ended = threading.Event()
    machine.on_end(ended.set)
    assert ended.wait(LONG)


def test_a_guest_that_turns_itself_off(start: Start, guests: Any) -> None:
    machine = start(guests.spec("power off"))
    assert machine.wait_off(LONG)
    assert machine.restarts == 0
    assert machine.failure is None
    with pytest.raises(MachineError, match="turned itself off"):
        machine.check()


def test_a_reboot_starts_the_process_again(start: Start, guests: Any) -> None:
    machine = start(guests.spec("reset"))
    first_port, first_socket = machine.forward(22), machine.vnc_socket_path
    restarted = threading.Event()

    def install() -> None:
        guests.disk("disk.raw")
        restarted.set()

    machine.on_restart(install)
    assert restarted.wait(LONG)
    assert machine.is_running
    assert machine.restarts >= 1
    assert machine.forwarded_port(22) == first_port
    assert machine.vnc_socket_path != first_socket
    with machine.open_console() as console:
        assert console.recv(12).startswith(b"RFB ")


def test_a_kernel_is_booted_once_and_then_the_disk(start: Start, guests: Any) -> None:
    machine = start(guests.spec("count", kernel=guests.kernel("installer", "print and reset")))
    log, deadline = guests.folder / "serial.log", time.monotonic() + LONG
    while not log.exists() or log.stat().st_size < 3:
        assert time.monotonic() < deadline, "the guest printed nothing"
        machine.check()
        time.sleep(0.02)
    assert log.read_bytes()[:3] == b"KAB"
    assert (machine.restarts, machine.spec.kernel) == (1, None)


def test_a_reboot_in_place_is_no_restart(start: Start, guests: Any) -> None:
    machine = start(guests.spec("reset", restart_on_reboot=False))
    pid = qemu_pid(machine)
    assert not machine.wait_off(1.0)
    assert (machine.restarts, qemu_pid(machine)) == (0, pid)


def test_a_reboot_may_end_the_machine(start: Start, guests: Any) -> None:
    machine = start(guests.spec("reset", ends_on_reboot=True))
    assert machine.wait_off(LONG)
    assert machine.restarts == 0


def test_destroying_while_it_reboots_leaves_nothing(hypervisor: Hypervisor, guests: Any) -> None:
    machine = hypervisor.start(guests.spec("reset"))
    rebooting = threading.Event()
    machine.on_restart(rebooting.set)
    assert rebooting.wait(LONG)
    machine.destroy()
    machine.destroy()
    with pytest.raises(AssertionError):
        qemu_pid(machine)
    with pytest.raises(MachineError, match="destroyed"):
        machine.open_console()


def test_console_screenshot_and_serial_log(start: Start, guests: Any) -> None:
    machine = start(guests.spec("print"))
    with machine.open_console() as console:
        assert console.recv(12) == b"RFB 003.008\n"
    assert machine.screenshot().startswith(b"\x89PNG\r\n\x1a\n")
    assert machine.serial_log is not None
    assert machine.serial_log.exists()
    assert machine.vnc_socket_path is not None
    assert machine.vnc_socket_path.is_socket()
    assert machine.vnc_address is None


def test_vnc_on_tcp_takes_the_next_port_when_one_is_in_use(start: Start, guests: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        if port < 5900 or port > 65000:
            pytest.skip("the kernel gave a port that VNC cannot use")
        graphics = Vnc("127.0.0.1", port, port + 20, Secret("s3cret"))
        machine = start(guests.spec(graphics=graphics))
        assert machine.vnc_address is not None
        address, chosen = machine.vnc_address
        assert address == "127.0.0.1"
        assert port < chosen <= port + 20
        # who asks through libvirt needs no password
        with machine.open_console() as console:
            console.recv(12)
            console.sendall(b"RFB 003.008\n")
            assert console.recv(2) == b"\x01\x01"


def test_forwards(start: Start, guests: Any) -> None:
    machine = start(guests.spec())
    chosen = machine.forward(22)
    assert chosen > 1023
    socket.create_connection(("127.0.0.1", chosen), timeout=LONG).close()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert machine.forward(80, ports=range(port, port + 30)) != port
        with pytest.raises(HostError, match=f"port {port} of this host cannot be forwarded"):
            machine.forward(81, ports=range(port, port + 1))


def test_a_machine_without_a_user_network_has_no_forwards(start: Start, guests: Any) -> None:
    machine = start(guests.spec(interfaces=()))
    with pytest.raises(MachineError, match="no user network"):
        machine.forward(22)


def test_a_process_that_is_killed(start: Start, guests: Any) -> None:
    machine = start(guests.spec())
    os.kill(qemu_pid(machine), signal.SIGKILL)
    wait_end(machine)
    with pytest.raises(MachineError, match=rf"the machine `{machine.name}` died"):
        machine.check()
    with pytest.raises(MachineError, match="died"):
        machine.wait_off(LONG)
    with pytest.raises(MachineError, match="died"):
        machine.screenshot()


def test_a_process_that_is_told_to_end_says_by_whom(start: Start, guests: Any) -> None:
    machine = start(guests.spec())
    os.kill(qemu_pid(machine), signal.SIGTERM)
    wait_end(machine)
    assert machine.failure is not None
    assert f"terminating on signal 15 from pid {os.getpid()}" in machine.failure.message
    assert "terminating on signal 15" in machine.qemu_log_tail()


@pytest.mark.skipif(os.getuid() != 0, reason="mounting a small file system needs root")
def test_a_full_file_system(start: Start, guests: Any) -> None:
    small = guests.folder / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", small], check=True)
    try:
        disk = small / "disk.raw"
        disk.write_bytes(fill_sector())
        os.truncate(disk, 64 << 20)
        machine = start(guests.spec(disks=(Disk(disk, "raw"),)))
        wait_end(machine)
        with pytest.raises(MachineError) as caught:
            machine.check()
        assert "no space left on this host" in caught.value.message
        assert str(disk) in caught.value.message
        assert str(small) in caught.value.hint
        machine.destroy()
    finally:
        subprocess.run(["umount", "-l", small], check=True)


def fill_sector() -> bytes:
    """A boot sector that writes sector after sector of its disk."""
    packet = 0x7C40
    code = bytes.fromhex("31c08ed88ec0b280be407cb80043cd138306487c0183164a7c00ebec")
    block = bytes([16, 0, 1, 0]) + (0x7C00).to_bytes(2, "little") + bytes(2) + (1).to_bytes(8, "little")
    return (code.ljust(packet - 0x7C00, b"\0") + block).ljust(510, b"\0") + b"\x55\xaa"


def test_keys_reach_a_machine_without_vnc(start: Start, guests: Any) -> None:
    disk = guests.folder / "keys.raw"
    disk.write_bytes(key_sector())
    os.truncate(disk, 1 << 20)
    machine = start(guests.spec(disks=(Disk(disk, "raw"),), graphics=None))
    assert machine.serial_log is not None
    deadline = time.monotonic() + LONG
    while b"B" not in (heard := machine.serial_log.read_bytes()) and time.monotonic() < deadline:
        # again and again: the firmware may not listen yet
        machine.send_keys([42, 48] if heard else [30], 0.02)
        time.sleep(0.3)
    assert re.fullmatch(rb"a+B+", heard)


def key_sector() -> bytes:
    """A boot sector that sends each character of the keyboard to the serial port."""
    return bytes.fromhex("b400cd16baf803eeebf6").ljust(510, b"\0") + b"\x55\xaa"


def test_waiting_ends_when_the_build_is_cancelled(start: Start, guests: Any) -> None:
    machine, cancellation = start(guests.spec()), Cancellation()
    threading.Timer(0.2, cancellation.cancel).start()
    with pytest.raises(Interrupted):
        machine.wait_off(LONG, cancellation)


def test_what_qemu_says_when_it_does_not_start(hypervisor: Hypervisor, guests: Any) -> None:
    with pytest.raises(MachineError) as caught:
        hypervisor.start(guests.spec(qemu_arguments=(("-device", "nosuchdevice"),)))
    assert "'nosuchdevice' is not a valid device model name" in caught.value.message
    assert "-device help" in caught.value.hint
    assert not re.search(r"\d{4}-\d\d-\d\dT", caught.value.message)


def test_an_emulator_that_is_not_there(hypervisor: Hypervisor, guests: Any) -> None:
    with pytest.raises(HostError, match="no program `qemu-system-nosuch`") as caught:
        hypervisor.start(guests.spec(emulator="qemu-system-nosuch"))
    assert caught.value.hint == "`apt install qemu-system-x86`"


def test_two_machines_at_once(hypervisor: Hypervisor, guests: Any) -> None:
    found: list[bool] = []

    def run(number: int) -> None:
        disk = Disk(guests.disk(f"{number}.raw", "power off"), "raw")
        with hypervisor.start(guests.spec(disks=(disk,), serial_log=None)) as machine:
            found.append(machine.wait_off(LONG))

    threads = [threading.Thread(target=run, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [True, True]


def every_kind(guests: Any) -> dict[str, DomainSpec]:
    """Machines with everything that goes into one, each started once."""
    disc = guests.disk("disc.iso", "halt")
    others = (DiskBus.IDE, DiskBus.SCSI, DiskBus.SATA)
    spec = guests.spec()
    efi = find_efi()
    return {
        "everything": replace(
            spec,
            disks=(*spec.disks, *(Disk(guests.disk(f"{bus}.raw"), "raw", bus) for bus in others)),
            cdroms=(Cdrom(disc), Cdrom(disc, DiskBus.VIRTIO)),
            floppy=Floppy(guests.disk("a.img", size=1440 * 1024)),
            interfaces=(Interface("e1000"), Interface()),
            video=Video("cirrus"),
            vcpus=4,
            topology=Topology(1, 2, 2),
            translation_cache=Size.parse("32M"),
        ),
        "q35": replace(spec, machine_type="q35", cdroms=(Cdrom(disc),), cpu_model="host"),
        "virtio-scsi": replace(
            spec,
            disks=(
                replace(
                    spec.disks[0],
                    bus=DiskBus.VIRTIO_SCSI,
                    cache="unsafe",
                    discard="unmap",
                    detect_zeroes="unmap",
                ),
            ),
            cdroms=(Cdrom(disc, DiskBus.VIRTIO_SCSI),),
        ),
        "efi": replace(
            spec,
            firmware=Efi(efi.code, efi.variables, guests.folder / "vars.fd"),
            cpu_model="qemu64,+aes,-svm",
        ),
        "raw-cpu": replace(spec, cpu_model="max,pdpe1gb=off", boot_menu=True, title="a title"),
    }


@pytest.mark.parametrize("kind", ["everything", "q35", "virtio-scsi", "efi", "raw-cpu"])
def test_qemu_takes_every_kind(kind: str, start: Start, guests: Any) -> None:
    machine = start(every_kind(guests)[kind])
    machine.check()
    assert machine.forward(22)


@pytest.mark.parametrize(
    ("machine_type", "bus", "slot"),
    [
        ("pc", DiskBus.VIRTIO, 3),
        ("pc", DiskBus.VIRTIO_SCSI, 4),
        ("q35", DiskBus.VIRTIO, 2),
        ("q35", DiskBus.VIRTIO_SCSI, 3),
    ],
)
def test_the_network_card_sits_where_qemu_puts_it(
    machine_type: str, bus: DiskBus, slot: int, start: Start, guests: Any
) -> None:
    spec = guests.spec(machine_type=machine_type)
    machine = start(replace(spec, disks=(replace(spec.disks[0], bus=bus),)))
    shown = machine._call("look", lambda domain: machine._driver.monitor(domain, "info pci"))
    card = re.search(r"device\s+(\d+), function 0:\s+Ethernet controller", shown)
    assert card is not None
    assert int(card[1]) == slot
