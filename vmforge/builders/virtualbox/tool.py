"""`VBoxManage`: found, asked, and waited for while VirtualBox still has a machine locked."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from vmforge.builders.installing.program import Program
from vmforge.builders.virtualbox.commands import Command
from vmforge.errors import HostError
from vmforge.sdk import Cancellation

_HINT: Final = (
    "install VirtualBox (https://www.virtualbox.org), or put the folder of `VBoxManage` on the path"
)
# What VirtualBox says while it is still putting a machine away that was just switched off.
_LOCKED: Final = re.compile(r"already locked|being (un)?locked|is not mutable")
_LOCK_SECONDS: Final = 30.0
_RETRY_SECONDS: Final = 0.5
_LINE: Final = re.compile(r'"?([^"=]+)"?="?(.*?)"?$')


@dataclass(frozen=True)
class VBoxManage:
    """The program, for one build."""

    program: Program

    @classmethod
    def of(cls, cancellation: Cancellation) -> VBoxManage:
        return cls(Program("VBoxManage", _HINT, cancellation))

    @property
    def undoing(self) -> VBoxManage:
        """The same for cleaning up: goes on when the build was told to stop."""
        return VBoxManage(self.program.undoing)

    def version(self) -> str:
        """VirtualBox's version, as in `7.0.20`. Raises `HostError` when there is none."""
        self.program.find()
        said = self.program.run("--version").strip().splitlines()
        found = re.match(r"\d+\.\d+\.\d+", said[-1]) if said else None
        if found is None:
            raise HostError(f"`VBoxManage --version` told no version: {said}", hint=_HINT)
        return found[0]

    def run(self, command: Command) -> str:
        """Run one command. One that meets a locked machine is tried again for a while."""
        deadline = time.monotonic() + _LOCK_SECONDS
        while True:
            answer = self.program.ask(*command)
            if answer.status == 0:
                return answer.output
            if not _LOCKED.search(answer.all) or time.monotonic() >= deadline:
                raise self.program.failure(command, answer)
            self.program.cancellation.wait(_RETRY_SECONDS)

    def run_all(self, commands: Iterable[Command]) -> None:
        for command in commands:
            self.run(command)

    def info(self, name: str) -> dict[str, str] | None:
        """What VirtualBox knows of a machine; None when it knows none of that name."""
        answer = self.program.ask("showvminfo", name, "--machinereadable")
        if answer.status:
            if "VBOX_E_OBJECT_NOT_FOUND" in answer.all or "Could not find" in answer.all:
                return None
            raise self.program.failure(("showvminfo", name), answer)
        pairs = (_LINE.match(line.strip()) for line in answer.output.splitlines())
        return {pair[1]: pair[2] for pair in pairs if pair is not None}

    def system_property(self, name: str) -> str:
        """One of `list systemproperties`; empty when it has none of that name."""
        for line in self.program.run("list", "systemproperties").splitlines():
            key, _, value = line.partition(":")
            if key.strip() == name:
                return value.strip()
        return ""
