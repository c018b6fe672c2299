"""Options of the machine as a guest finds them: real builds, several options in each."""

from __future__ import annotations

import json
import os
import re
import select
import shutil
import socket
import struct
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.integration.conftest import Finished, Running, Traces, Vmforge
from vmforge.console.vnc import VncClient
from vmforge.errors import HostError, MachineError
from vmforge.hypervisor.firmware import find_efi
from vmforge.media.floppy import write_floppy
from vmforge.sdk import Cancellation, Secret
from vmforge.sdk.testing import RecordingUi

pytestmark = pytest.mark.machine

TEMPLATES = Path(__file__).parent / "options"


@dataclass
class Options:
    """Builds the templates of `options/` in the folder of `tiny`."""

    tiny: Vmforge
    traces: Traces
    flags: tuple[str, ...] = ()

    def start(self, name: str, **variables: object) -> Running:
        shutil.copy(TEMPLATES / f"{name}.pkr.hcl", self.tiny.folder)
        flags = [part for key, value in variables.items() for part in ("-var", f"{key}={value}")]
        return self.tiny.start("build", *flags, *self.flags, f"{name}.pkr.hcl")

    def build(self, name: str, **variables: object) -> Finished:
        return succeeded(self.start(name, **variables).finish())

    def left(self, *expected: str) -> list[str]:
        """What is left that should not be: everything but templates, and paths with these words."""
        words = (".pkr.hcl", *expected)
        return [path for path in self.traces.left() if not any(word in path for word in words)]


@pytest.fixture
def options(tiny: Vmforge, traces: Traces) -> Options:
    return Options(tiny, traces)


def succeeded(ended: Finished) -> Finished:
    assert ended.status == 0, ended.out + ended.err
    return ended


def said_by_guest(ended: Finished, key: str) -> str:
    """The value of a line `key=value` that the script printed."""
    match = re.search(rf"(?m)^ +qemu\.\w+: {key}=(.*)$", ended.out)
    assert match is not None, ended.out + ended.err
    return match[1]


def used_ports(ended: Finished) -> set[str]:
    """The ports of this machine on which the guest was looked for."""
    return set(re.findall(r"SSH: .*\(127\.0\.0\.1:(\d+)\)", ended.out))


def look_into(path: Path, command: str = "info") -> dict[str, Any]:
    """What `qemu-img info` or `check` says about an image."""
    shown = subprocess.run(
        ["qemu-img", command, "--output=json", path], check=True, capture_output=True, text=True
    )
    found: dict[str, Any] = json.loads(shown.stdout)
    return found


def test_hardware_of_another_shape(options: Options) -> None:
    running = options.start("shape")
    running.wait_for("watch it with a VNC viewer")
    (line,) = [line for line in running.lines if "watch it with" in line]
    look_at_the_screen(line)
    ended = succeeded(running.finish())
    assert said_by_guest(ended, "cpus") == "2"
    assert said_by_guest(ended, "sockets") == "2"
    assert "Nehalem" in said_by_guest(ended, "model")
    assert 560 < int(said_by_guest(ended, "memory")) < 640
    assert said_by_guest(ended, "disk") == "sda"
    assert "boot step 1: choose what to do" in ended.out
    assert all(23000 <= int(port) <= 23999 for port in used_ports(ended))
    folder = options.tiny.folder / "images" / "shape"
    assert [path.name for path in folder.iterdir()] == ["shape.img"]
    assert look_into(folder / "shape.img", "check")["compressed-clusters"] > 0
    assert options.left("images") == []


def look_at_the_screen(line: str) -> None:
    """Connect as a VNC viewer does, by what the user was told."""
    match = re.search(r"`127\.0\.0\.1:(\d+)`, password `(\S+)`", line)
    assert match is not None, line
    address = ("127.0.0.1", int(match[1]))
    assert 5950 <= address[1] <= 5990
    viewer = VncClient(socket.create_connection(address), Cancellation(), password=Secret(match[2]))
    try:
        assert viewer.refresh(30).width >= 640
    finally:
        viewer.close()
    with pytest.raises(MachineError):
        VncClient(socket.create_connection(address), Cancellation(), password=Secret("wrong"))


def test_media_and_arguments(options: Options) -> None:
    ended = options.build("arguments")
    assert said_by_guest(ended, "cd") == "from the template, id"
    assert said_by_guest(ended, "label") == "cidata"
    assert said_by_guest(ended, "disk") == "sda"
    assert 690 < int(said_by_guest(ended, "memory")) < 768
    assert said_by_guest(ended, "cpus") == "2"
    assert said_by_guest(ended, "rng").startswith("virtio_rng")
    serial = re.fullmatch(r"packer-arguments-at-(24\d\d\d)", said_by_guest(ended, "serial"))
    assert serial is not None
    # the template's own forward is the one that was used
    assert used_ports(ended) == {serial[1]}
    assert "watch it" not in ended.out
    folder = options.tiny.folder / "output-arguments"
    assert look_into(folder / "packer-arguments")["format"] == "raw"
    assert "Installation complete" in (folder / "console.log").read_text(errors="replace")
    assert options.left("output-arguments") == []


def test_a_guest_that_nobody_talks_to_and_its_disk_without_a_screen(options: Options) -> None:
    ended = options.build("silent")
    assert "`shutdown_command` is not run: nothing talks to the guest" in ended.out + ended.err
    assert used_ports(ended) == set()
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    ended = options.build("blind", port=port)
    assert said_by_guest(ended, "sectors") == f"{640 * 2048} {96 * 2048}"
    assert used_ports(ended) == {str(port)}
    assert "watch it" not in ended.out
    assert options.left("output-silent", "output-blind") == []


def test_uefi(options: Options) -> None:
    try:
        firmware = find_efi()
    except HostError:
        pytest.skip("no UEFI firmware on this host")
    folder = options.tiny.folder
    script = {"startup.nsh": "reset -s\r\n"}
    write_floppy(
        folder / "fat.img", files=(), dirs=(), content=script, label="EFI", base_dir=folder, ui=RecordingUi()
    )
    options.flags = ("-machine-readable",)
    ended = options.build("uefi", code=firmware.code, variables=firmware.variables)
    files = re.findall(r"(?m)^\d+,qemu\.\w+,artifact,\d+,file,\d+,(\S+)$", ended.out)
    found, given = folder / "output-found", folder / "output-given"
    assert sorted(files) == [
        "output-found/efivars.fd",
        "output-found/packer-found",
        "output-given/packer-given",
    ]
    for variables in (found / "efivars.fd", given / "efivars.fd"):
        # the firmware has written to the machine's own copy
        assert variables.stat().st_size == firmware.variables.stat().st_size
        assert variables.read_bytes() != firmware.variables.read_bytes()
    assert options.left("output-", "fat.img") == []


def test_an_unknown_hypervisor(options: Options) -> None:
    """The option counts, not the environment."""
    ended = options.tiny.run(
        "build",
        *("--set", "libvirt_uri=qemu:///nowhere"),
        "tiny.pkr.hcl",
        environment={"VMFORGE_LIBVIRT_URI": "test:///default"},
    )
    assert ended.status == 1
    assert "while opening the hypervisor" in ended.out, ended.out + ended.err
    assert options.left() == []


# -- a bridge of the host ---------------------------------------------------------------------------

BRIDGE, HOST, GUEST = "vmforge-test0", "198.51.100.1", "198.51.100.77"


class DhcpServer:
    """Gives one address to whoever asks on a bridge (RFC 2131, as little of it as a client needs)."""

    _COOKIE = bytes.fromhex("63825363")
    _OFFER, _ACKNOWLEDGE = b"\x02", b"\x05"

    def __init__(self, bridge: str) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, bridge.encode())
        self._socket.bind(("", 67))
        self._wake, self._woken = socket.socketpair()
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> DhcpServer:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._wake.close()
        self._thread.join()
        self._woken.close()
        self._socket.close()

    def _serve(self) -> None:
        while self._woken not in select.select([self._socket, self._woken], [], [])[0]:
            request = self._socket.recv(2048)
            kind = self._OFFER if b"\x35\x01\x01" in request[240:] else self._ACKNOWLEDGE
            self._socket.sendto(self._answer(request, kind), ("255.255.255.255", 68))

    def _answer(self, request: bytes, kind: bytes) -> bytes:
        head = b"\x02" + request[1:4] + request[4:8] + bytes(8)
        addresses = socket.inet_aton(GUEST) + socket.inet_aton(HOST) + bytes(4)
        options = (
            (53, kind),
            (54, socket.inet_aton(HOST)),
            (51, struct.pack("!I", 3600)),
            (1, bytes([255, 255, 255, 0])),
        )
        encoded = b"".join(bytes([code, len(value)]) + value for code, value in options)
        return head + addresses + request[28:44] + bytes(192) + self._COOKIE + encoded + b"\xff"


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


@pytest.fixture
def bridge() -> Iterator[str]:
    if os.getuid() != 0:
        pytest.skip("making a bridge needs rights")
    try:
        ip("link", "add", "name", BRIDGE, "type", "bridge", "forward_delay", "0")
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no bridge can be made on this machine")
    try:
        ip("address", "add", f"{HOST}/24", "dev", BRIDGE)
        ip("link", "set", BRIDGE, "up")
        with DhcpServer(BRIDGE):
            yield BRIDGE
    finally:
        ip("link", "del", BRIDGE)


def test_a_bridge(options: Options, bridge: str) -> None:
    ended = options.build("bridged", bridge=bridge)
    assert f"SSH: the guest has not shown an address on the bridge `{bridge}` yet\n" in ended.out
    assert f"({GUEST}:22)" in ended.out
    assert said_by_guest(ended, "http") == HOST
    assert GUEST in said_by_guest(ended, "ip")
    assert "installer fetched /tiny.cfg" in ended.out
    assert options.left("output-bridged") == []
