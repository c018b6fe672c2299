from __future__ import annotations

import lzma
from pathlib import Path

import pytest
from archives import Tree
from kernel import Kernel
from packages import Package, PackageError


def module(**fields: str) -> bytes:
    return b"\0" + b"\0".join(f"{key}={value}".encode() for key, value in fields.items()) + b"\0"


@pytest.fixture
def kernel(tmp_path: Path) -> Kernel:
    drivers = tmp_path / "lib/modules/6.1/kernel/drivers"
    drivers.mkdir(parents=True)
    (tmp_path / "boot").mkdir()
    (tmp_path / "boot/vmlinuz-6.1").write_bytes(b"kernel")
    (drivers / "virtio.ko").write_bytes(module(depends=""))
    (drivers / "virtio-ring.ko.xz").write_bytes(lzma.compress(module(depends="virtio")))
    (drivers / "virtio_net.ko").write_bytes(
        module(depends="virtio_ring", softdep="pre: absent", alias="virtio:d1")
    )
    return Kernel([Package("linux-image-6.1", tmp_path, ())])


def test_dependencies_come_first(kernel: Kernel) -> None:
    assert [entry.name for entry in kernel.modules(["virtio_net"])] == ["virtio", "virtio_ring", "virtio_net"]


def test_what_is_no_module_is_left_out(kernel: Kernel) -> None:
    assert kernel.modules(["ext4"]) == []


def test_the_tables_of_modprobe(kernel: Kernel) -> None:
    tree = Tree()
    kernel.install(tree, ["virtio_net"])
    assert tree.entries["usr/lib/modules/6.1/modules.dep"].data.decode().splitlines() == [
        "kernel/drivers/virtio.ko:",
        "kernel/drivers/virtio-ring.ko: kernel/drivers/virtio.ko",
        "kernel/drivers/virtio_net.ko: kernel/drivers/virtio-ring.ko kernel/drivers/virtio.ko",
    ]
    assert tree.entries["usr/lib/modules/6.1/modules.alias"].data == b"alias virtio:d1 virtio_net\n"
    assert tree.entries["usr/lib/modules/6.1/kernel/drivers/virtio-ring.ko"].data == module(depends="virtio")


def test_packages_without_a_kernel(tmp_path: Path) -> None:
    with pytest.raises(PackageError, match=r"no boot/vmlinuz"):
        Kernel([Package("linux-modules-6.1", tmp_path, ())])
