"""What the `manifest` post-processor's extended file says of a build beside Packer's fields."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from vmforge import __version__
from vmforge.errors import CommandFailed, HostError, VmforgeError
from vmforge.hypervisor.disks import info
from vmforge.images.blocks import total_size
from vmforge.post_processors.checksum import ChecksumType, digests
from vmforge.sdk import APPLIANCE, Appliance, Artifact, BuildContext, appliance_of


def extended_path(manifest: Path) -> Path:
    """`packer-manifest.extended.json` for `packer-manifest.json`."""
    return manifest.with_name(f"{manifest.stem}.extended{manifest.suffix}")


def extend(build: Mapping[str, object], context: BuildContext, artifact: Artifact) -> dict[str, object]:
    """The build's entry with all that is known: sizes in bytes, times in seconds."""
    entry = dict(build)
    if "build_time" in entry:
        entry["duration"] = round(time.time() - context.started, 1)
    names = [str(file["name"]) for file in _list(build["files"])]
    entry |= {
        "full_name": context.full_name,
        "builder_id": artifact.builder_id,
        "files": _files(context, artifact, names) or None,
        "urls": artifact.state.get("urls"),
        "appliance": _appliance(artifact),
        "template_sha256": context.template_digest or None,
        "vmforge_version": __version__,
    }
    return entry


def _list(files: object) -> list[Mapping[str, object]]:
    return files if isinstance(files, list) else []


def _files(context: BuildContext, artifact: Artifact, names: Iterable[str]) -> list[dict[str, object]]:
    files, kind = [path for path in artifact.files if path.is_file()], ChecksumType.SHA256
    disks = _disks(artifact, context.name)
    with context.ui.progress("Summing the artifact's files", total_size(files)) as progress:

        def tick(size: int) -> None:
            context.cancellation.check()
            progress.advance(size)

        entries: list[dict[str, object]] = []
        for path, name in zip(artifact.files, names, strict=True):
            if path not in files:  # as in the manifest itself: what is gone is still named
                entries.append({"name": name, "size": 0})
                continue
            status = path.stat()
            entries.append(
                {
                    "name": name,
                    "size": status.st_size,
                    "size_on_disk": status.st_blocks * 512,
                    "sha256": digests(path, [kind], tick)[kind],
                    "image": _image(context, path) if path in disks else None,
                }
            )
    return entries


def _disks(artifact: Artifact, name: str) -> tuple[Path, ...]:
    try:
        return appliance_of(artifact, name).disks
    except VmforgeError:
        return ()  # there are none


def _image(context: BuildContext, path: Path) -> dict[str, object] | None:
    try:
        found = info(path, context.cancellation)
    except (CommandFailed, HostError):
        return None  # not known without qemu-img, and nothing to fail a finished build for
    return {"format": found.format, "virtual_size": found.virtual_size.bytes}


def _appliance(artifact: Artifact) -> dict[str, object] | None:
    appliance = artifact.state.get(APPLIANCE)
    if not isinstance(appliance, Appliance):
        return None
    return {
        "name": appliance.name,
        "architecture": appliance.architecture,
        "cpus": appliance.cpus,
        "memory": appliance.memory.bytes,
        "firmware": appliance.firmware.value,
        "disk_bus": appliance.disk_bus,
        "network_model": appliance.network_model,
        "accelerator": appliance.accelerator,
    }
