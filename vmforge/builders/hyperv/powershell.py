"""PowerShell on the Hyper-V host: this machine, or the Windows that it runs in (WSL)."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import Final, TypeAlias

from vmforge.builders.installing.program import Program
from vmforge.errors import HostError
from vmforge.sdk import Cancellation

# Windows' own first: its Hyper-V module is the native one.
_PROGRAMS: Final = ("powershell.exe", "pwsh.exe", "pwsh", "powershell")
_HINT: Final = (
    "run vmforge on the Hyper-V host, in WSL; elsewhere build with `qemu`, and let `export` make a VHDX of it"
)
Argument: TypeAlias = "str | int | bool | Path | None"


@dataclass(frozen=True)
class PowerShell:
    """Runs the scripts of this package. `in_wsl` says that paths must be told as Windows knows them."""

    program: Program
    in_wsl: bool

    @classmethod
    def find(cls, cancellation: Cancellation) -> PowerShell:
        """Raises `HostError` when there is none."""
        for name in _PROGRAMS:
            if shutil.which(name) is not None:
                return cls(Program(name, _HINT, cancellation), name.endswith(".exe"))
        raise HostError(
            "Hyper-V is a part of Windows, and there is no PowerShell on this machine", hint=_HINT
        )

    @property
    def undoing(self) -> PowerShell:
        """The same for cleaning up: goes on when the build was told to stop."""
        return replace(self, program=self.program.undoing)

    def run(self, script: str, arguments: Mapping[str, Argument] | None = None) -> str:
        """Run `scripts/NAME.ps1`; what it prints, stripped. None and False leave an argument out, True is a
        switch. Raises `MachineError` with PowerShell's words."""
        given: list[str] = []
        for name, value in (arguments or {}).items():
            if value is None or value is False or value == "":
                continue
            given.append(f"-{name}")
            if value is not True:
                given.append(self.native(value) if isinstance(value, Path) else str(value))
        flags = ("-NoProfile", "-NonInteractive", "-ExecutionPolicy", "Bypass", "-File")
        with resources.as_file(resources.files(__package__) / "scripts" / f"{script}.ps1") as file:
            return self.program.run(*flags, self.native(file), *given).strip()

    def native(self, path: Path) -> str:
        """A path as the Hyper-V host knows it."""
        return self._translated("-w", str(path.absolute())) if self.in_wsl else str(path.absolute())

    def local(self, path: str) -> Path:
        """A path of the Hyper-V host as this machine knows it."""
        return Path(self._translated("-u", path) if self.in_wsl else path)

    def _translated(self, direction: str, path: str) -> str:
        program = replace(self.program, path="wslpath", environment=None)
        return program.run(direction, path).strip()
