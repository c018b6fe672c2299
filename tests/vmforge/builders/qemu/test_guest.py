"""What a build does with its guest around the guest's life: watched, shown, kept, released."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import pytest

from vmforge.builders.qemu.guest import Guest, Watch, screen_of
from vmforge.errors import CommunicatorError, HostError, Interrupted, MachineError, VmforgeError
from vmforge.hypervisor.connection import Hypervisor
from vmforge.hypervisor.domain import DomainSpec
from vmforge.hypervisor.machine import SavedMemory, VirtualMachine
from vmforge.sdk import Cancellation, Endpoint, Size
from vmforge.sdk.connection import Connection
from vmforge.sdk.testing import FakeCommunicator, FakeConnector, fake_context

SPEC = DomainSpec("vmforge-0123456789ab", "6f1f3a52-2a58-4c43-9d5c-0f4b7d0c6c11", Size.parse("512M"))


@dataclass
class FakeMachine:
    """A machine that fails when it is told to."""

    vnc_address: tuple[str, int] | None = None
    vnc_socket_path: Path | None = None
    is_running: bool = True
    failure: MachineError | None = None
    destroyed: int = 0
    callbacks: list[Callable[[], None]] = field(default_factory=list)

    def on_end(self, callback: Callable[[], None]) -> Callable[[], None]:
        self.callbacks.append(callback)
        return lambda: self.callbacks.remove(callback)

    def end(self, failure: MachineError | None = None) -> None:
        self.failure, self.is_running = failure, False
        for callback in self.callbacks:
            callback()

    def destroy(self) -> None:
        self.destroyed += 1


@dataclass
class FakeHypervisor:
    machine: FakeMachine
    uri: str = "qemu:///system"
    is_embedded: bool = False
    kept: bool = False

    def start(self, spec: DomainSpec, *, saved: SavedMemory | None = None) -> FakeMachine:
        return self.machine

    def keep(self) -> None:
        self.kept = True


def as_machine(machine: FakeMachine) -> VirtualMachine:
    return cast(VirtualMachine, machine)


@pytest.mark.parametrize(
    ("address", "path", "screen"),
    [
        (("127.0.0.1", 5950), None, "127.0.0.1:5950"),
        (None, Path("/run/vnc.sock"), "/run/vnc.sock"),
        (None, None, ""),
    ],
)
def test_screen(address: tuple[str, int] | None, path: Path | None, screen: str) -> None:
    assert screen_of(as_machine(FakeMachine(address, path))) == screen


def test_a_layer_that_cannot_be_restored(tmp_path: Path) -> None:
    class Refusing(FakeHypervisor):
        def start(self, spec: DomainSpec, *, saved: SavedMemory | None = None) -> FakeMachine:
            raise MachineError("QEMU does not understand the memory", hint="look at QEMU's log")

    hypervisor = cast(Hypervisor, Refusing(FakeMachine()))
    saved = SavedMemory(lambda: (tmp_path / "memory").open("rb"), tmp_path / "copy")
    with pytest.raises(MachineError) as failure:
        Guest(hypervisor, SPEC, saved).__enter__()
    assert failure.value.message == "the layer cannot be restored: QEMU does not understand the memory"
    assert failure.value.hint == "build with `-no-cache`, which makes the layers anew"
    with pytest.raises(MachineError, match=r"^QEMU does not understand"):
        Guest(hypervisor, SPEC).__enter__()


def test_a_guest_is_destroyed_with_its_build() -> None:
    machine = FakeMachine()
    with Guest(cast(Hypervisor, FakeHypervisor(machine)), SPEC) as running:
        assert running is as_machine(machine)
    assert machine.destroyed == 1


@pytest.mark.parametrize(
    ("embedded", "path", "line"),
    [
        (
            True,
            Path("/run/vnc.sock"),
            "the machine `vmforge-0123456789ab`, with its screen at `/run/vnc.sock`; "
            "end it with `pkill -f vmforge-0123456789ab`",
        ),
        (
            False,
            None,
            "the machine `vmforge-0123456789ab`; "
            "end it with `virsh -c qemu:///system destroy vmforge-0123456789ab`",
        ),
    ],
)
def test_a_guest_that_is_kept(embedded: bool, path: Path | None, line: str) -> None:
    hypervisor = FakeHypervisor(FakeMachine(vnc_socket_path=path), is_embedded=embedded)
    guest = Guest(cast(Hypervisor, hypervisor), SPEC)
    guest.__enter__()
    assert guest.keep() == line
    assert hypervisor.kept


def test_a_guest_that_has_ended_is_not_kept() -> None:
    hypervisor = FakeHypervisor(FakeMachine(is_running=False))
    guest = Guest(cast(Hypervisor, hypervisor), SPEC)
    guest.__enter__()
    assert guest.keep() == ""
    assert not hypervisor.kept


# -- watching ---------------------------------------------------------------------------------------


def test_a_machine_that_fails_ends_every_wait() -> None:
    machine, parent = FakeMachine(), Cancellation()
    watch = Watch(as_machine(machine), parent)
    with watch as cancellation:
        failure = MachineError("the machine died")
        machine.end(failure)
        with pytest.raises(Interrupted):
            cancellation.wait(60)
        assert watch.reason(Interrupted()) is failure
        assert watch.reason(CommunicatorError("the connection broke")) is failure
        other = HostError("no space left")
        assert watch.reason(other) is other
    assert not parent.cancelled
    assert machine.callbacks == []


def test_a_machine_that_turns_itself_off_ends_no_wait() -> None:
    machine = FakeMachine()
    with Watch(as_machine(machine), Cancellation()) as cancellation:
        machine.end()
        assert not cancellation.cancelled


def test_a_build_that_is_told_to_stop_was_not_the_machines_failure() -> None:
    machine, parent = FakeMachine(), Cancellation()
    watch = Watch(as_machine(machine), parent)
    with watch as cancellation:
        parent.cancel()
        assert cancellation.cancelled
        machine.end(MachineError("ended in the clean-up"))
        stop = Interrupted()
        assert watch.reason(stop) is stop


# -- the connection ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "line"),
    [
        ({"User": "forge"}, "the guest, reachable with `ssh -p 2222 forge@127.0.0.1`"),
        ({}, "the guest, reachable with `ssh -p 2222 127.0.0.1`"),
        ({"ConnType": "winrm", "User": "forge"}, "the guest, reachable by `winrm` at `127.0.0.1:2222`"),
    ],
)
def test_a_connection_that_is_kept(data: dict[str, str], line: str, tmp_path: Path) -> None:
    context = fake_context(tmp_path, data=data)
    assert Connection(context, lambda: Endpoint("127.0.0.1", 2222)).keep() == line


def test_a_connection_to_a_guest_that_is_gone_is_not_kept(tmp_path: Path) -> None:
    def gone() -> Endpoint:
        raise MachineError("it died")

    assert Connection(fake_context(tmp_path), gone).keep() == ""


def test_a_connection_is_closed_with_its_build(tmp_path: Path) -> None:
    closed: list[bool] = []

    class Guest(FakeCommunicator):
        def close(self) -> None:
            closed.append(True)

    context = fake_context(tmp_path, connector=FakeConnector(Guest(tmp_path)))
    with pytest.raises(VmforgeError), Connection(context, lambda: Endpoint("h", 1)) as communicator:
        assert communicator.kind == "ssh"
        raise VmforgeError("a provisioner failed")
    assert closed == [True]
