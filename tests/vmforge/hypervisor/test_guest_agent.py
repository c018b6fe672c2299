"""The channel of the guest's agent, of a real machine in which nobody answers: its guest is a boot sector.

What the agent answers is tested where its protocol is: tests/vmforge/communicators/agent.
"""

from __future__ import annotations

from typing import Any

import pytest

from vmforge.errors import CommunicatorError, MachineError
from vmforge.hypervisor.connection import Hypervisor
from vmforge.hypervisor.devices import AgentChannel
from vmforge.hypervisor.guest_agent import LibvirtAgent
from vmforge.hypervisor.library import libvirt


@pytest.mark.machine
def test_nobody_answers(hypervisor: Hypervisor, guests: Any) -> None:
    with hypervisor.start(guests.spec(agent=AgentChannel())) as machine:
        agent = machine.agent()
        with pytest.raises(CommunicatorError, match="the guest's agent does not answer"):
            agent.ask("guest-ping", timeout=1)
        assert machine.is_running
    with pytest.raises(MachineError):
        agent.ask("guest-ping", timeout=1)


class Domain:
    """Answers as libvirt's domain would."""

    def isActive(self) -> bool:
        return True


def test_questions_and_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, int]] = []

    def answer(domain: object, message: str, timeout: int, flags: int) -> str:
        asked.append((message, timeout))
        return '{"return": {"pid": 7}}'

    monkeypatch.setattr("vmforge.hypervisor.guest_agent.libvirt_qemu.qemuAgentCommand", answer)
    agent = LibvirtAgent(lambda function: function(Domain()))
    assert agent.ask("guest-exec", {"path": "/bin/sh"}, timeout=0.2) == {"pid": 7}
    assert agent.ask("guest-ping", timeout=5) == {"pid": 7}
    assert asked == [
        ('{"execute": "guest-exec", "arguments": {"path": "/bin/sh"}}', 1),
        ('{"execute": "guest-ping"}', 5),
    ]


def test_the_agents_own_words(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "internal error: unable to execute QEMU agent command 'guest-file-open': No such file or directory"

    def refuse(*arguments: object) -> str:
        error = libvirt.libvirtError("")
        error.err = (libvirt.VIR_ERR_INTERNAL_ERROR, 0, text, 0, "", "", "", 0, 0)
        raise error

    monkeypatch.setattr("vmforge.hypervisor.guest_agent.libvirt_qemu.qemuAgentCommand", refuse)
    agent = LibvirtAgent(lambda function: function(Domain()))
    with pytest.raises(CommunicatorError) as caught:
        agent.ask("guest-file-open", timeout=1)
    assert str(caught.value) == "the guest's agent refused `guest-file-open`: No such file or directory"
