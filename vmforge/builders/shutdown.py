"""How a build ends its guest: the options, and the ways, from polite to hard."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Protocol

from vmforge.errors import CommunicatorError, MachineError
from vmforge.sdk import BuildContext, Cancellation, Communicator, Config, Duration, option

# A guest without ACPI never reacts to its power button; Packer would not even have asked.
_BUTTON_PATIENCE = Duration(60)


@dataclass(frozen=True, kw_only=True)
class ShutdownOptions(Config):
    """Options of the guest's end."""

    shutdown_command: str = option(
        "",
        help="The command that powers the guest off; without one its power button is pressed (ACPI).",
        affects_image=False,  # no layer is made after it
    )
    shutdown_timeout: Duration = option(
        Duration(300), help="How long the guest may take to power off.", affects_image=False
    )


class PoweredMachine(Protocol):
    """What shutting down needs of a machine."""

    def wait_off(self, timeout: float, cancellation: Cancellation) -> bool: ...

    def power_button(self) -> None: ...

    def destroy(self) -> None: ...


def shut_down(
    options: ShutdownOptions,
    context: BuildContext,
    machine: PoweredMachine,
    communicator: Communicator,
    time_scale: float,
) -> None:
    """Power the guest off. Raises `MachineError` when a `shutdown_command` does not do so in time."""
    if not options.shutdown_command:
        communicator.close()
        _press_button(options, context, machine, time_scale)
        return
    limit = options.shutdown_timeout * time_scale
    deadline = time.monotonic() + limit.seconds
    status = _run(options.shutdown_command, context, communicator, limit)
    communicator.close()
    if machine.wait_off(max(0.0, deadline - time.monotonic()), context.cancellation):
        return
    ended = f"; `shutdown_command` ended with status {status}" if status else ""
    hint = "see what the guest does on its console, or raise `shutdown_timeout`"
    raise MachineError(f"the guest did not power off within {limit}{ended}", hint=hint)


def _run(command: str, context: BuildContext, communicator: Communicator, limit: Duration) -> int:
    """The command's status; 0 when the connection ended with the guest, or time was up."""

    def show(line: str, error: bool) -> None:
        context.ui.output(line, error=error)

    try:
        status = communicator.run(command, show, timeout=limit.seconds)
    except CommunicatorError:
        return 0
    if status:
        context.ui.warn(f"`shutdown_command` ended with status {status}")
    return status


def _press_button(
    options: ShutdownOptions, context: BuildContext, machine: PoweredMachine, time_scale: float
) -> None:
    machine.power_button()
    limit = min(options.shutdown_timeout, _BUTTON_PATIENCE) * time_scale
    if not machine.wait_off(limit.seconds, context.cancellation):
        context.ui.warn(f"the guest did not react to its power button within {limit}: power cut")
        machine.destroy()
