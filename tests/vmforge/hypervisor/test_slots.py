"""Slots of the embedded driver, across real processes that end in all ways."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from vmforge.errors import HostError
from vmforge.hypervisor import slots

# A process that starts a machine, does what it is told, and waits to be ended.
CHILD = """
import os, sys, uuid
from pathlib import Path
from vmforge.hypervisor.connection import connect
from vmforge.hypervisor.domain import DomainSpec
from vmforge.sdk import Cancellation, Size

with connect(None, Path(sys.argv[1]), Cancellation()) as hypervisor:
    spec = DomainSpec("vmforge-" + uuid.uuid4().hex[:12], str(uuid.uuid4()), Size.parse("64M"), interfaces=())
    machine = hypervisor.start(spec)
    if "keep" in sys.argv:
        hypervisor.keep()
    print(hypervisor._driver.slot.folder.name, flush=True)
    sys.stdin.readline()
"""


class Child:
    """The process above; `slot` is the slot that it took."""

    def __init__(self, state: Path, *words: str) -> None:
        command = [sys.executable, "-c", CHILD, str(state), *words]
        root = Path(__file__).parents[3]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=root
        )
        assert self.process.stdout is not None
        self.slot = self.process.stdout.readline().strip()
        assert self.slot.isdigit()

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()

    def finish(self) -> int:
        self.process.communicate("\n")
        return self.process.returncode


@pytest.fixture
def state(tmp_path: Path) -> Iterator[Path]:
    """A state folder; nothing that was started below it lives after the test."""
    yield tmp_path / "state"
    for folder in (tmp_path / "state" / "libvirt").glob("[0-9]*"):
        for pid in slots.left_behind(folder):
            os.kill(pid, 9)


def take(state: Path) -> str:
    """Acquire a slot, give it back, and tell which it was."""
    slot = slots.acquire(state)
    os.close(slot.lock)
    return slot.folder.name


@pytest.mark.machine
def test_a_running_process_keeps_its_slot_and_an_ended_one_gives_it_back(state: Path) -> None:
    child = Child(state)
    assert child.slot == "0"
    assert take(state) == "1"
    assert child.finish() == 0
    assert take(state) == "0"


def test_a_qemu_that_a_killed_process_was_asking_is_ended(state: Path) -> None:
    folder = state / "libvirt/0/lib/qemu/qmp-AbCdEf"
    folder.mkdir(parents=True)
    asked = subprocess.Popen(
        [sys.executable, "-c", "print(); input()", f"{folder}/qmp.monitor"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert asked.stdout is not None
    asked.stdout.readline()  # `Popen` returns before the kernel shows the new command line
    (folder / "qmp.pid").write_text(f"{asked.pid}\n")
    assert take(state) == "0"
    asked.communicate()
    assert asked.returncode == -9
    assert not folder.exists()


@pytest.mark.machine
def test_what_a_killed_process_left_behind_is_ended(state: Path) -> None:
    child = Child(state)
    child.kill()
    folder = state / "libvirt" / child.slot
    assert slots.left_behind(folder)
    assert take(state) == child.slot
    assert not slots.left_behind(folder)
    assert not list((folder / "run/qemu").glob("*.xml"))


@pytest.mark.machine
def test_kept_machines_live_on_and_their_slot_is_free_when_they_end(state: Path) -> None:
    child = Child(state, "keep")
    assert child.finish() == 0
    folder = state / "libvirt" / child.slot
    (machine,) = slots.left_behind(folder)
    assert take(state) == "1"
    assert slots.left_behind(folder) == [machine]
    slots._end(machine)
    assert take(state) == "0"


@pytest.mark.machine
def test_a_state_folder_whose_path_is_too_long_for_sockets(tmp_path: Path) -> None:
    state = tmp_path / ("long" * 20)
    child = Child(state)
    assert child.slot == "0"
    child.kill()
    assert take(state) == "0"
    assert not slots.left_behind(state / "libvirt" / "0")


def test_a_new_slot_knows_what_another_one_knows_about_qemu(state: Path) -> None:
    first = slots.acquire(state)
    known = first.folder / "cache/qemu/capabilities"
    known.mkdir(parents=True)
    (known / "0123.xml").write_text("<qemuCaps/>")
    second = slots.acquire(state)
    try:
        assert (second.folder / "cache/qemu/capabilities/0123.xml").read_text() == "<qemuCaps/>"
    finally:
        os.close(first.lock)
        os.close(second.lock)


def test_a_process_that_got_the_number_of_an_old_one_is_left_alone(state: Path) -> None:
    take(state)
    pids = state / "libvirt/0/run/qemu"
    pids.mkdir(parents=True)
    (pids / "machine.pid").write_text(str(os.getpid()))
    assert take(state) == "0"


def test_a_state_folder_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(HostError, match="cannot use the state folder") as caught:
        slots.acquire(tmp_path / "file")
    assert "chown" in caught.value.hint


@pytest.mark.skipif(os.getuid() != 0, reason="needs a file of another user")
def test_a_slot_of_another_user_is_passed_over(state: Path) -> None:
    take(state)
    script = "import sys; from pathlib import Path; from vmforge.hypervisor import slots;"
    script += "print(slots.acquire(Path(sys.argv[1])).folder.name)"
    os.chown(state / "libvirt", 65534, 65534)
    clone = Path(__file__).resolve().parents[3]
    if not all(folder.stat().st_mode & 0o005 == 0o005 for folder in (clone, *clone.parents)):
        pytest.skip("other users may not read this clone")
    for folder in (state, *(f for f in state.parents if "pytest-of" in str(f))):
        folder.chmod(0o755)
    program = "/usr/bin/python3"
    asked = subprocess.run(
        [program, "-c", script, str(state)],
        user=65534,
        group=65534,
        extra_groups=[],
        cwd=clone,
        capture_output=True,
        text=True,
        check=False,
    )
    assert asked.stdout.strip() == "1", asked.stderr
