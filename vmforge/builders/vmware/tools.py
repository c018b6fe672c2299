"""VMware's programs: `vmrun`, `vmware-vdiskmanager` and `ovftool`."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from vmforge.builders.installing.program import Program
from vmforge.errors import HostError
from vmforge.sdk import Cancellation

_HINT: Final = "install VMware Workstation or Fusion, or put its programs on the path"
_OVFTOOL_HINT: Final = "install VMware's OVF Tool, or leave `format` out and use the `export` post-processor"
_FUSION: Final = "/Applications/VMware Fusion.app"
_TOOLS_FOLDERS: Final = ("/usr/lib/vmware/isoimages",)


@dataclass(frozen=True)
class VMwareTools:
    """The programs, for one build. `product` is what `vmrun` calls the host's."""

    vmrun_program: Program
    vdiskmanager: Program
    ovftool: Program
    product: str
    fusion: Path

    @classmethod
    def of(cls, cancellation: Cancellation, fusion_app_path: str = "") -> VMwareTools:
        fusion = Path(fusion_app_path or _FUSION)
        library = fusion / "Contents" / "Library"
        product = "fusion" if library.is_dir() else "player" if _only_player() else "ws"

        def program(name: str, hint: str) -> Program:
            inside = library / name
            return Program(str(inside) if inside.is_file() else name, hint, cancellation)

        return cls(
            program("vmrun", _HINT),
            program("vmware-vdiskmanager", _HINT),
            program("ovftool", _OVFTOOL_HINT),
            product,
            fusion,
        )

    @property
    def undoing(self) -> VMwareTools:
        """The same for cleaning up: goes on when the build was told to stop."""
        return replace(self, vmrun_program=self.vmrun_program.undoing)

    def vmrun(self, verb: str, vmx: Path | None = None, *arguments: str) -> str:
        about = () if vmx is None else (str(vmx),)
        return self.vmrun_program.run("-T", self.product, verb, *about, *arguments)

    def is_running(self, vmx: Path) -> bool:
        running = {Path(line.strip()) for line in self.vmrun("list").splitlines()[1:] if line.strip()}
        return vmx in running or vmx.resolve() in {path.resolve() for path in running}

    def guest_address(self, vmx: Path) -> str:
        """The address that VMware's tools in the guest report; empty when they do not."""
        answer = self.vmrun_program.ask("-T", self.product, "getGuestIPAddress", str(vmx))
        said = answer.output.strip()
        return said if answer.status == 0 and not said.startswith("Error") and said != "unknown" else ""

    def tools_disc(self, flavor: str) -> Path:
        """The disc of the tools for a kind of guest. Raises `HostError` when VMware has none here."""
        folders = [self.fusion / "Contents/Library/isoimages", *map(Path, _TOOLS_FOLDERS)]
        places = [folder / f"{flavor}.iso" for folder in folders]
        places += [
            folder / machine / f"{flavor}.iso" for folder in folders for machine in ("x86_x64", "arm64")
        ]
        for place in places:
            if place.is_file():
                return place
        hint = "set `tools_source_path`, or install `open-vm-tools` in the guest"
        raise HostError(f"VMware's tools for `{flavor}` are not on this machine", hint=hint)


def create_disk(tools: VMwareTools, path: Path, mebibytes: int, adapter: str, kind: str) -> None:
    tools.vdiskmanager.run("-c", "-s", f"{mebibytes}M", "-a", adapter, "-t", kind, str(path))


def compact_disk(tools: VMwareTools, path: Path) -> None:
    """Put the disk's blocks in order, and give back those that are not used."""
    tools.vdiskmanager.run("-d", str(path))
    tools.vdiskmanager.run("-k", str(path))


def disk_adapter(adapter: str) -> str:
    """What `vmware-vdiskmanager` calls the adapter of a disk; it knows three."""
    return adapter if adapter in ("ide", "buslogic") else "lsilogic"


def convert(tools: VMwareTools, source: Path, target: Path, options: Sequence[str] = ()) -> None:
    """Have `ovftool` make `target` of `source`; their extensions say what they are."""
    tools.ovftool.find()
    tools.ovftool.run("--acceptAllEulas", *options, str(source), str(target))


def _only_player() -> bool:
    return shutil.which("vmware") is None and shutil.which("vmplayer") is not None
