"""`minimise` on real images: what the guest gives back, what virt-sparsify is asked, and what is said."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from vmforge.builders.qemu.config import Minimise, QemuConfig
from vmforge.builders.qemu.disks import Disks
from vmforge.builders.qemu.minimising import Minimising, check_host
from vmforge.errors import CommandFailed, CommunicatorError, HostError, Interrupted
from vmforge.sdk import BuildContext, Cancellation
from vmforge.sdk.testing import FakeCommunicator, FakeConnector, RecordingUi

MakeConfig = Callable[..., QemuConfig]
Make = Callable[..., Minimising]

MIB = 1024**2
SCRIPT = Path(__file__).resolve().parents[4] / "vmforge/builders/qemu/unused_blocks.sh"


class Unreachable(FakeConnector):
    """No communicator, as `communicator = "none"` has it."""

    needs_network = False


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    """An image with 8 MiB written."""
    path = tmp_path / "disk"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", path, "64M"], check=True)
    qemu_io(path, "write -P 7 0 8M")
    return path


@pytest.fixture
def make(qemu: MakeConfig, context: BuildContext, disk: Path) -> Make:
    """The steps of a build with the disk, once the host has been looked at."""

    def minimising(**options: Any) -> Minimising:
        connector = options.pop("connector", context.connector)
        cancellation = options.pop("cancellation", context.cancellation)
        own = replace(context, connector=connector, cancellation=cancellation)
        config = qemu(**options)
        check_host(config, own)
        return Minimising(config, own, Disks(config, own, disk, (disk,), (disk,)))

    return minimising


@pytest.fixture
def ui(context: BuildContext) -> RecordingUi:
    assert isinstance(context.ui, RecordingUi)
    return context.ui


def qemu_io(path: Path, command: str) -> None:
    subprocess.run(
        ["qemu-io", "-d", "unmap", "-f", "qcow2", "-c", command, path], check=True, capture_output=True
    )


def virt_sparsify(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> Path:
    """Put a program of that name on the path, which writes down its arguments."""
    program, log = folder / "virt-sparsify", folder / "arguments"
    program.write_text(f'#!/bin/sh\necho "$@" >>{log}\n{script}\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return log


@pytest.fixture
def without_virt_sparsify(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    folder = tmp_path / "programs"
    folder.mkdir()
    for program in ("qemu-img", "qemu-io"):
        (folder / program).symlink_to(str(shutil.which(program)))
    monkeypatch.setenv("PATH", str(folder))


@pytest.mark.parametrize(
    ("value", "method"),
    [
        (True, Minimise.DISCARD),
        ("true", Minimise.DISCARD),
        (False, Minimise.OFF),
        ("", Minimise.OFF),
        ("zero", Minimise.ZERO),
    ],
)
def test_a_switch_or_a_method(value: object, method: Minimise, qemu: MakeConfig) -> None:
    assert qemu(minimise=value).minimise is method


def test_an_unknown_method(qemu: MakeConfig) -> None:
    with pytest.raises(
        AssertionError, match="`zeros` is none of `off`, `discard`, `sparsify`, `zero`; did you mean"
    ):
        qemu(minimise="zeros")


def test_the_guest_discards(make: Make, ui: RecordingUi, disk: Path) -> None:
    def respond(command: str) -> tuple[int, str]:
        assert command.endswith(" sh discard")
        qemu_io(disk, "discard 0 6M")
        return 0, ""

    minimising = make(minimise=True)
    minimising.in_guest(FakeCommunicator(disk.parent, respond))
    minimising.on_host()
    assert ui.texts("say") == ["Discarding unused blocks"]
    assert ui.texts("message") == ["discarded 6.0 MiB of unused blocks: 8.0 MiB became 2.0 MiB"]


def test_nothing_unused(make: Make, ui: RecordingUi, disk: Path) -> None:
    make(minimise="zero").in_guest(FakeCommunicator(disk.parent))
    assert ui.texts("say") == ["Overwriting unused blocks with zeros"]
    assert ui.texts("message") == ["there were no unused blocks in the image (8.0 MiB)"]


def test_off(make: Make, ui: RecordingUi, disk: Path) -> None:
    minimising = make()
    minimising.in_guest(FakeCommunicator(disk.parent))
    minimising.on_host()
    assert ui.events == []


@pytest.mark.usefixtures("without_virt_sparsify")
def test_a_guest_that_cannot(make: Make, ui: RecordingUi, disk: Path) -> None:
    minimising = make(minimise="discard")
    minimising.in_guest(FakeCommunicator(disk.parent, lambda command: (1, "there is no fstrim")))
    minimising.on_host()
    assert ui.texts("warn") == [
        "the guest does not give its unused blocks back (there is no fstrim); they stay in the image"
    ]


def test_virt_sparsify_does_what_the_guest_cannot(
    make: Make,
    ui: RecordingUi,
    disk: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    log = virt_sparsify(tmp_path, monkeypatch, f"exec qemu-io -d unmap -f qcow2 -c 'discard 0 4M' {disk}")
    minimising = make(minimise="discard")
    minimising.in_guest(FakeCommunicator(disk.parent, lambda command: (1, "sudo: a password is required")))
    minimising.on_host()
    assert ui.texts("warn")[0].endswith("(sudo: a password is required); `virt-sparsify` will")
    assert ui.texts("say") == ["Discarding unused blocks", "Sparsifying the disk"]
    assert log.read_text() == f"--quiet --in-place --format qcow2 {disk}\n"
    assert ui.texts("message") == ["discarded 4.0 MiB of unused blocks: 8.0 MiB became 4.0 MiB"]


def test_without_a_communicator_virt_sparsify_does_it(
    make: Make, disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = virt_sparsify(tmp_path, monkeypatch, "")
    minimising = make(minimise=True, format="raw", connector=Unreachable())
    minimising.on_host()
    assert log.read_text() == f"--quiet --in-place --format raw {disk}\n"


@pytest.mark.usefixtures("without_virt_sparsify")
def test_what_is_missing_is_said_first(make: Make, ui: RecordingUi, disk: Path) -> None:
    with pytest.raises(HostError, match="needs `virt-sparsify`, which is not installed") as caught:
        make(minimise="sparsify")
    assert "guestfs-tools" in caught.value.hint
    minimising = make(minimise=True, connector=Unreachable())
    minimising.on_host()
    assert len(ui.texts("warn")) == 1


def test_virt_sparsify_fails(make: Make, disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    virt_sparsify(
        tmp_path, monkeypatch, "echo working; echo 'virt-sparsify: error: no operating system' >&2; exit 1"
    )
    with pytest.raises(CommandFailed, match="failed: error: no operating system"):
        make(minimise="sparsify").on_host()


def test_virt_sparsify_ends_with_the_build(
    make: Make, disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = tmp_path / "started"
    os.mkfifo(started)
    virt_sparsify(tmp_path, monkeypatch, f"echo >{started}; sleep 600")
    cancellation = Cancellation()

    def cancel() -> None:
        started.read_bytes()
        cancellation.cancel()

    thread = threading.Thread(target=cancel)
    thread.start()
    with pytest.raises(Interrupted):
        make(minimise="sparsify", cancellation=cancellation).on_host()
    thread.join()


def test_a_lost_guest(make: Make, disk: Path) -> None:
    def respond(command: str) -> tuple[int, str]:
        raise CommunicatorError("gone")

    with pytest.raises(CommunicatorError):
        make(minimise=True).in_guest(FakeCommunicator(disk.parent, respond))


@pytest.mark.parametrize(
    "shell", [["dash"], ["bash", "--posix"], ["busybox", "sh"]], ids=lambda shell: shell[0]
)
def test_the_script_is_plain_shell(shell: list[str]) -> None:
    if shutil.which(shell[0]) is None:
        pytest.skip(f"{shell[0]} is not installed")
    subprocess.run([*shell, "-n", SCRIPT], check=True)
