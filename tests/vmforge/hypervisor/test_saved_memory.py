"""The header of libvirt's file of memory: read, changed for a clone, written."""

from __future__ import annotations

import io
import struct
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from vmforge.errors import VmforgeError
from vmforge.hypervisor.devices import Cdrom, Disk, Efi, Kernel, SerialLog, Vnc
from vmforge.hypervisor.domain import DomainSpec, domain_xml
from vmforge.hypervisor.saved_memory import Header, clone_header, read_header
from vmforge.sdk import Size

SPEC = DomainSpec(
    name="vmforge-old",
    uuid="11111111-1111-1111-1111-111111111111",
    memory=Size.parse("64M"),
    disks=(Disk(Path("/old/disk.qcow2")),),
    cdroms=(Cdrom(Path("/old/cd.iso")),),
    firmware=Efi(Path("/code.fd"), Path("/vars.fd"), Path("/old/efivars.fd")),
    serial_log=SerialLog(Path("/old/serial.log")),
)


def recorded(domain: str, stream: bytes = b"QEVM...") -> bytes:
    """A file as libvirt 9.0 writes it: room for a longer domain before the cookie."""
    text = domain.encode() + b"\0"
    cookie = b"<cookie>\n</cookie>\0"
    body = text + cookie + bytes(64 * 1024)
    numbers = struct.pack("<5I", 2, len(body), 1, 0, len(text))
    return (b"LibvirtQemudSave" + numbers).ljust(92, b"\0") + body + stream


def test_a_header_is_read_up_to_the_stream() -> None:
    file = io.BytesIO(recorded("<domain/>"))
    assert read_header(file) == Header("<domain/>", b"<cookie>\n</cookie>\0", 1, 0)
    assert file.read() == b"QEVM..."


def test_what_is_written_is_read_again() -> None:
    header = Header("<domain><name>longer</name></domain>", b"<cookie/>\0", 1, 0)
    file = io.BytesIO(header.write() + b"stream")
    assert read_header(file) == header
    assert file.read() == b"stream"


@pytest.mark.parametrize(
    "data",
    [b"", b"short", b"X" * 200, recorded("<domain/>")[:120], recorded("<domain/>").replace(b"\2", b"\7", 1)],
)
def test_what_is_no_such_file_is_refused(data: bytes) -> None:
    with pytest.raises(VmforgeError, match="saved memory"):
        read_header(io.BytesIO(data))


def test_a_clone_has_its_own_name_and_files_and_the_same_hardware() -> None:
    saved = ET.fromstring(domain_xml(SPEC))
    board = saved.find("os/type")
    assert board is not None
    board.set("machine", "pc-i440fx-7.2")  # libvirt saves the exact type
    new = DomainSpec(
        name="vmforge-a-longer-name",
        uuid="22222222-2222-2222-2222-222222222222",
        memory=SPEC.memory,
        disks=(Disk(Path("/new/disk.qcow2")),),
        cdroms=(Cdrom(Path("/new/cd.iso")),),
        firmware=Efi(Path("/code.fd"), Path("/vars.fd"), Path("/new/efivars.fd")),
        serial_log=SerialLog(Path("/new/serial.log")),
        graphics=Vnc(address="127.0.0.1"),
    )
    text = ET.tostring(saved, encoding="unicode")
    clone = clone_header(Header(text, b"", 1, 0), domain_xml(new, vnc_port=5903)).domain
    assert "old" not in clone.replace("/old", "old").replace("vmforge-old", "old")
    found = ET.fromstring(clone)
    assert found.findtext("name") == "vmforge-a-longer-name"
    assert [source.get("file") for source in found.findall("devices/disk/source")] == [
        "/new/disk.qcow2",
        "/new/cd.iso",
    ]
    assert found.find("devices/interface/mac").attrib == saved.find("devices/interface/mac").attrib  # type: ignore[union-attr]
    assert found.find("os/type").get("machine") == "pc-i440fx-7.2"  # type: ignore[union-attr]
    assert found.find("devices/graphics").get("port") == "5903"  # type: ignore[union-attr]
    assert found.findtext("os/nvram") == "/new/efivars.fd"


def test_a_clone_is_not_booted_by_the_saved_machine_s_kernel() -> None:
    kernel = Kernel(Path("/gone/kernel"), Path("/gone/initrd"), "ks=http://10.0.2.2:1/")
    saved = domain_xml(replace(SPEC, kernel=kernel))
    assert saved.count("/gone/") == 2
    clone = ET.fromstring(clone_header(Header(saved, b"", 1, 0), domain_xml(SPEC)).domain)
    assert [child.tag for child in clone.find("os") or ()] == ["type", "loader", "nvram"]


def test_a_machine_of_another_shape_is_refused() -> None:
    two = DomainSpec("n", SPEC.uuid, SPEC.memory, disks=(Disk(Path("/a")), Disk(Path("/b"))))
    one = DomainSpec("n", SPEC.uuid, SPEC.memory, disks=(Disk(Path("/a")),))
    with pytest.raises(VmforgeError, match="a disk `vdb` that the template's has not"):
        clone_header(Header(domain_xml(two), b"", 1, 0), domain_xml(one))
