"""The errors that vmforge raises on purpose, and the exit status that each one means.

    VmforgeError                  1    what went wrong, and what to try
    ├── UsageError                2    the command line makes no sense
    ├── DiagnosticError           1    the template is wrong; carries every finding (diagnostics.py)
    ├── HostError                 1    this machine lacks something that the build needs
    ├── DownloadError             1    a medium could not be fetched or is not what it should be
    ├── MachineError              1    the virtual machine died, paused or never did what it should
    ├── CommunicatorError         1    the guest cannot be reached, or the connection broke
    ├── CommandFailed             1    a command ran and ended with a status that means failure
    └── Interrupted             130    the user pressed Ctrl-C, or the process was told to end

Anything else that reaches the top is a bug, and shows its traceback.
"""

from __future__ import annotations

from typing import ClassVar


class VmforgeError(Exception):
    """A failure with a message for a person.

    `message` follows the house style: lower case, literals in backquotes, no final period when it
    is one sentence. `hint` names the next thing to try, as an order ("install `qemu-utils`"). `detail`
    are lines to be shown between the two: what a machine's screen said, say.
    """

    exit_status: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.detail = ""


class UsageError(VmforgeError):
    """The command line is wrong: unknown flag, missing argument, contradicting options."""

    exit_status = 2


class HostError(VmforgeError):
    """The machine that vmforge runs on lacks something: QEMU, permissions, disk space, a free port."""


class DownloadError(VmforgeError):
    """A medium could not be fetched or did not have the checksum that the template states."""


class MachineError(VmforgeError):
    """The virtual machine could not be started, died, paused, or missed a time limit."""


class CommunicatorError(VmforgeError):
    """The guest cannot be reached, refused the login, or the connection broke."""


class CommandFailed(VmforgeError):
    """A command ended with a status that means failure.

    `status` is its exit status, or minus the signal's number for a local process killed by one.
    """

    def __init__(self, message: str, *, status: int, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.status = status


class Interrupted(VmforgeError):
    """The build was told to end; everything that it acquired is being released."""

    exit_status = 130

    def __init__(self, message: str = "interrupted", *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
