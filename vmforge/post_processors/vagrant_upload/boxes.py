"""Which boxes are uploaded, and what their own metadata says of them."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

from vmforge.errors import VmforgeError
from vmforge.images.box.archive import METADATA
from vmforge.post_processors.vagrant.boxes import Box, boxes_of
from vmforge.sdk import Artifact


def boxes_to_upload(artifact: Artifact) -> tuple[Box, ...]:
    """The boxes of a `vagrant` post-processor, or the first file of an artifact that was put together
    otherwise (`artifice`). Raises `VmforgeError` when that is no box."""
    if boxes := boxes_of(artifact):
        return boxes
    if not artifact.files or artifact.files[0].suffix != ".box":
        hint = "put it behind `vagrant` in one `post-processors` block, or name a `.box` with `artifice`"
        raise VmforgeError("the artifact is no Vagrant box", hint=hint)
    return (_read(artifact.files[0]),)


def _read(path: Path) -> Box:
    """A box with the provider and the architecture that are written in it; the latter may be empty."""
    try:
        with tarfile.open(path) as archive:
            for member in archive:
                if member.name.removeprefix("./") == METADATA and (file := archive.extractfile(member)):
                    metadata = json.load(file)
                    return Box(path, metadata["provider"], metadata.get("architecture", ""))
    except OSError as error:
        raise VmforgeError(f"`{path}` cannot be read: {error.strerror or error}") from error
    except (tarfile.TarError, ValueError, KeyError, TypeError, EOFError) as error:
        raise VmforgeError(f"`{path}` is no Vagrant box: {error}") from error
    raise VmforgeError(f"`{path}` is no Vagrant box: it has no `{METADATA}`")
