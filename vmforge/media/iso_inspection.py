"""One image looked into: what it installs, how it boots, and with which kernel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from vmforge.errors import DownloadError, VmforgeError
from vmforge.media.download import Fetcher
from vmforge.media.iso import BootEntry, IsoImage
from vmforge.media.iso_identity import IsoIdentity, identify_image
from vmforge.media.iso_kernels import BootFiles, find_boot_files
from vmforge.media.location import Local, Remote
from vmforge.media.remote_file import RemoteFile


@dataclass(frozen=True, slots=True)
class Inspection:
    """What was found in an image. `size` is the file's in bytes, `image_size` what it has at least when it is
    whole, `bytes_read` how much of it came over the network. `kernel` is None where none is known.
    """

    identity: IsoIdentity
    label: str
    size: int
    image_size: int
    boots: Sequence[BootEntry]
    kernel: BootFiles | None
    bytes_read: int = 0


def inspect_iso(place: Remote | Local, fetcher: Fetcher) -> Inspection:
    """Look into an image; of one on a server only the parts that tell are read.

    Raises VmforgeError for what is no ISO image, DownloadError for what cannot be read or is on a server
    that does not send parts of files, and Interrupted.
    """
    if isinstance(place, Local):
        try:
            return _look(place.file, None, place.file.stat().st_size)
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise DownloadError(f"`{place}` cannot be read: {reason}") from error
    with RemoteFile(place, fetcher) as file:
        return _look(Path(place.name), file, file.size)


def _look(path: Path, file: RemoteFile | None, size: int) -> Inspection:
    source: BinaryIO | None = file  # type: ignore[assignment]  # it reads and seeks, which is all that is asked
    with IsoImage(path, source) as image:
        identity = identify_image(image)
        kernel = _kernel(image, identity.arch or "x86_64")
        boots = image.boot_entries()
        read = file.bytes_read if file is not None else 0
        return Inspection(identity, image.volume_id, size, image.size, boots, kernel, read)


def _kernel(image: IsoImage, arch: str) -> BootFiles | None:
    try:
        return find_boot_files(image, arch)
    except VmforgeError:
        return None  # Windows, the BSDs, and what is no installer
