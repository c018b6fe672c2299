"""QEMU's agent in a guest, asked through libvirt."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from vmforge.errors import CommunicatorError
from vmforge.hypervisor.library import libvirt, libvirt_qemu

_NO_ANSWER = "the guest's agent does not answer"

# libvirt's wording round the agent's own: "internal error: unable to execute QEMU agent command 'x': words"
_AGENT_SAYS = re.compile(r"unable to execute QEMU agent command '[^']*': (.*)", re.DOTALL)


class LibvirtAgent:
    """The agent of one machine. `call` runs a function with libvirt's domain, which a restart replaces."""

    def __init__(self, call: Callable[[Callable[[Any], Any]], Any]) -> None:
        self._call = call

    def ask(self, command: str, arguments: Mapping[str, object] | None = None, *, timeout: float) -> Any:
        """See `sdk.communicator.GuestAgent`; raises `MachineError` when the machine has ended."""
        message = json.dumps({"execute": command, **({"arguments": arguments} if arguments else {})})
        answer = self._call(lambda domain: _ask(domain, message, max(1, round(timeout))))
        if isinstance(answer, libvirt.libvirtError):
            raise _failure(answer, command) from answer
        return json.loads(answer)["return"]


def _ask(domain: Any, message: str, timeout: int) -> Any:
    """The answer's text; the error itself, if it is the agent's affair and not the machine's."""
    try:
        return libvirt_qemu.qemuAgentCommand(domain, message, timeout, 0)
    except libvirt.libvirtError as error:
        if error.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN or not domain.isActive():
            raise
        return error


def _failure(error: libvirt.libvirtError, command: str) -> CommunicatorError:
    text = " ".join(str(error.get_error_message() or error).split())
    if (said := _AGENT_SAYS.search(text)) is not None:
        return CommunicatorError(f"the guest's agent refused `{command}`: {said[1]}")
    if error.get_error_code() == libvirt.VIR_ERR_AGENT_UNRESPONSIVE:
        return CommunicatorError(_NO_ANSWER)
    return CommunicatorError(f"{_NO_ANSWER}: {text}")
