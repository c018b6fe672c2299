"""Reads an OVF package as its specification has it, and finds everything in it that does not add up."""

from __future__ import annotations

import hashlib
import re
import struct
import tarfile
from collections.abc import Mapping
from pathlib import Path
from xml.etree import ElementTree as ET

OVF = {
    "1": "{http://schemas.dmtf.org/ovf/envelope/1}",
    "2": "{http://schemas.dmtf.org/ovf/envelope/2}",
}
_CIM = "{http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_"
RASD = f"{_CIM}ResourceAllocationSettingData}}"
ITEMS = {
    "Item": RASD,
    "StorageItem": f"{_CIM}StorageAllocationSettingData.xsd}}",
    "EthernetPortItem": f"{_CIM}EthernetPortAllocationSettingData.xsd}}",
}
SECTOR = 512
_DISK, _ETHERNET = "17", "10"


def ova_files(path: Path) -> dict[str, bytes]:
    """The members of an archive, in their order, which is held against DSP0243 section 5.3."""
    files: dict[str, bytes] = {}
    with tarfile.open(path, "r:") as archive:
        for member in archive:
            assert member.isreg(), f"{member.name} is no file"
            assert path.read_bytes()[member.offset + 257 :][:6] == b"ustar\0", f"{member.name}: not USTAR"
            content = archive.extractfile(member)
            assert content is not None
            files[member.name] = content.read()
    assert path.stat().st_size % tarfile.RECORDSIZE == 0
    return files


def check_package(files: Mapping[str, bytes], capacities: list[int]) -> ET.Element:
    """Hold a package's files, in their order, against each other; give the descriptor's root."""
    descriptor = next(iter(files))
    stem = descriptor.removesuffix(".ovf")
    assert descriptor.endswith(".ovf"), "the descriptor is not the first file"
    front = [descriptor, f"{stem}.mf"] + [f"{stem}.cert"] * (f"{stem}.cert" in files)
    assert list(files)[: len(front)] == front, f"the package begins with {list(files)[:3]}"
    root = ET.fromstring(files[descriptor])
    names = _check_references(root, files, list(files)[len(front) :])
    _check_sums(files, f"{stem}.mf", [descriptor, *names])
    _check_disks(root, files, names, capacities)
    _check_items(root)
    return root


def ovf_name(root: ET.Element) -> str:
    return root.tag.removesuffix("Envelope")


def _check_references(root: ET.Element, files: Mapping[str, bytes], rest: list[str]) -> list[str]:
    ovf = ovf_name(root)
    assert ovf in OVF.values()
    references = root.findall(f"{ovf}References/{ovf}File")
    names = [str(file.get(f"{ovf}href")) for file in references]
    assert names == rest, "the files are not those of the references, in their order"
    assert len({file.get(f"{ovf}id") for file in references}) == len(references)
    for file, name in zip(references, names, strict=True):
        assert int(str(file.get(f"{ovf}size"))) == len(files[name]), f"the size of {name}"
        assert re.fullmatch(r"[A-Za-z0-9._-]+", name), f"{name} would need quoting in a URI"
    return names


def _check_sums(files: Mapping[str, bytes], manifest: str, names: list[str]) -> None:
    lines = [re.fullmatch(r"(SHA\d+)\((.+)\)= ([0-9a-f]+)", line) for line in text_lines(files[manifest])]
    matches = [match for match in lines if match]
    assert len(matches) == len(lines)
    assert [match[2] for match in matches] == names, "the manifest has other files"
    for match in matches:
        assert hashlib.new(match[1], files[match[2]]).hexdigest() == match[3], f"the sum of {match[2]}"


def text_lines(data: bytes) -> list[str]:
    assert data.endswith(b"\n") and b"\r" not in data
    return data.decode("ascii").splitlines()


def _check_disks(
    root: ET.Element, files: Mapping[str, bytes], names: list[str], capacities: list[int]
) -> None:
    ovf = ovf_name(root)
    disks = root.findall(f"{ovf}DiskSection/{ovf}Disk")
    by_id = {file.get(f"{ovf}id"): str(file.get(f"{ovf}href")) for file in root.iter(f"{ovf}File")}
    told = [int(str(disk.get(f"{ovf}capacity"))) for disk in disks]
    assert told == capacities, f"the capacities are {told}"
    for disk, capacity in zip(disks, capacities, strict=True):
        vmdk = files[by_id[disk.get(f"{ovf}fileRef")]]
        assert vmdk[:4] == b"KDMV"
        (sectors,) = struct.unpack_from("<Q", vmdk, 12)
        assert sectors * SECTOR == capacity, "the capacity of descriptor and disk differ"
        assert 0 <= int(str(disk.get(f"{ovf}populatedSize"))) <= capacity
        _check_end_of_stream(vmdk)


def _check_end_of_stream(vmdk: bytes) -> None:
    """The footer, a copy of the header that knows the directory, and the marker of the end."""
    assert vmdk[-SECTOR:] == bytes(SECTOR), "no end-of-stream marker"
    footer_marker, footer = vmdk[-3 * SECTOR : -2 * SECTOR], vmdk[-2 * SECTOR : -SECTOR]
    assert struct.unpack_from("<QII", footer_marker) == (1, 0, 3)
    assert footer[:4] == b"KDMV"
    (directory,) = struct.unpack_from("<Q", footer, 56)
    assert 0 < directory * SECTOR < len(vmdk)


def _check_items(root: ET.Element) -> None:
    ovf = ovf_name(root)
    section = root.find(f"{ovf}VirtualSystem/{ovf}VirtualHardwareSection")
    assert section is not None
    items = [_properties(item, ITEMS[name]) for name in ITEMS for item in section.findall(f"{ovf}{name}")]
    ids = [item["InstanceID"] for item in items]
    assert len(set(ids)) == len(ids), "two items have one InstanceID"
    networks = {network.get(f"{ovf}name") for network in root.iter(f"{ovf}Network")}
    disks = {f"ovf:/disk/{disk.get(f'{ovf}diskId')}" for disk in root.iter(f"{ovf}Disk")}
    attached = [item for item in items if item["ResourceType"] == _DISK]
    used = sorted(item["HostResource"] for item in attached)
    assert used == sorted(disks), f"the disks in use are {used}"
    assert all(item["Parent"] in ids for item in attached), "a disk's Parent is missing"
    places = [(item["Parent"], item["AddressOnParent"]) for item in attached]
    assert len(set(places)) == len(places), "two disks are in one place"
    assert all(item["Connection"] in networks for item in items if item["ResourceType"] == _ETHERNET)


def _properties(item: ET.Element, namespace: str) -> dict[str, str]:
    names = [child.tag.removeprefix(namespace) for child in item]
    assert not any(name.startswith("{") for name in names), "an element of another namespace"
    assert names == sorted(names), "the elements of an item are not in the order of the alphabet"
    return {name: str(child.text) for name, child in zip(names, item, strict=True)}
