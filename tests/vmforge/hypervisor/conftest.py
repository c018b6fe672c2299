"""Real machines for the tests of the hypervisor: a boot sector of a few bytes is guest enough."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from vmforge.hypervisor.connection import Hypervisor, connect
from vmforge.hypervisor.devices import Disk, Kernel, SerialLog
from vmforge.hypervisor.domain import DomainSpec
from vmforge.sdk import Cancellation, Size

# 16-bit code at 0x7c00.
_GUESTS = {
    "halt": "f4ebfd",  # hlt; jmp $-1
    "busy": "ebfe",  # jmp $
    "reset": "b0fee664f4",  # the keyboard controller's reset line
    "power off": "ba0406b80020eff4",  # the ACPI sleep register of `pc`
    "print": "b441b80141ba0000cd14f4ebfd",  # BIOS call: "A" to the first serial port
    # the same with a letter kept in a register, the next one at every tick of the timer
    "count": "b04150b401ba0000cd1458fec0f4ebf2",
    "print and reset": "b04bb401ba0000cd14b0fee664f4ebfd",  # "K", and then as above
}


class Guests:
    """Makes disks whose boot sector is a guest, and machines that boot from them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def disk(self, name: str, guest: str = "halt", size: int = 1 << 20) -> Path:
        path = self.folder / name
        path.write_bytes(bytes.fromhex(_GUESTS[guest]).ljust(510, b"\0") + b"\x55\xaa" + bytes(size - 512))
        return path

    def kernel(self, name: str, guest: str) -> Kernel:
        """Files that QEMU takes for a Linux kernel, whose 16-bit part is the guest, and its RAM disk. See
        https://docs.kernel.org/arch/x86/boot.html."""
        setup = b"\xfb" + bytes.fromhex(_GUESTS[guest])  # with interrupts, as a boot sector begins
        image = bytearray(3 * 512)
        image[0x1F1] = 1  # sectors of the 16-bit part
        image[0x1FE:0x200] = b"\x55\xaa"
        image[0x200:0x208] = b"\xeb\x6a" + b"HdrS" + b"\x02\x02"  # jump to 0x26c; protocol 2.2
        image[0x211] = 1  # loaded high
        image[0x26C : 0x26C + len(setup)] = setup
        files = self.folder / name, self.folder / f"{name}.initrd"
        files[0].write_bytes(image)
        files[1].write_bytes(bytes(512))
        return Kernel(*files, "a command line")

    def spec(self, guest: str = "halt", **changes: object) -> DomainSpec:
        values: dict[str, object] = {
            "name": f"vmforge-{uuid.uuid4().hex[:12]}",
            "uuid": str(uuid.uuid4()),
            "memory": Size.parse("64M"),
            "disks": (Disk(self.disk("disk.raw", guest), "raw"),),
            "serial_log": SerialLog(self.folder / "serial.log"),
        }
        return DomainSpec(**(values | changes))  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def hypervisor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hypervisor]:
    """The embedded driver: libvirt allows one per process, so all tests share it."""
    with connect(None, tmp_path_factory.mktemp("state"), Cancellation()) as opened:
        yield opened


@pytest.fixture
def guests(tmp_path: Path) -> Guests:
    return Guests(tmp_path)
