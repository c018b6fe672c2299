"""Writes the bootable CD: ISO 9660 with Rock Ridge and Joliet, started by isolinux through El Torito."""

from __future__ import annotations

import io
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

from archives import EPOCH
from pycdlib import PyCdlib

LABEL = "TINY_LINUX"
BOOT_IMAGE = "isolinux/isolinux.bin"


def write(output: Path, files: Mapping[str, bytes]) -> None:
    """Write a CD with these files, in its place by one rename; the same files give the same bytes."""
    image = PyCdlib()
    staged = output.with_name(f".{output.name}.{os.getpid()}")
    with _standing_clock():
        image.new(interchange_level=3, joliet=3, rock_ridge="1.09", vol_ident=LABEL)
        for folder in sorted({str(Path(path).parent) for path in files}):
            image.add_directory(f"/{folder.upper()}", rr_name=folder, joliet_path=f"/{folder}")
        for path, data in sorted(files.items()):
            image.add_fp(
                io.BytesIO(data), len(data), _iso_path(path), rr_name=Path(path).name, joliet_path=f"/{path}"
            )
        image.add_eltorito(
            _iso_path(BOOT_IMAGE),
            bootcatfile="/ISOLINUX/BOOT.CAT;1",
            rr_bootcatname="boot.cat",
            joliet_bootcatfile="/isolinux/boot.cat",
            boot_load_size=4,
            boot_info_table=True,
        )
        try:
            image.write(str(staged))
            staged.replace(output)
        finally:
            staged.unlink(missing_ok=True)
            image.close()


def _iso_path(path: str) -> str:
    """A path in ISO 9660's alphabet (d-characters), which isolinux reads without regard to case."""
    name = path.upper().replace("-", "_")
    return f"/{name};1" if "." in Path(name).name else f"/{name}.;1"


@contextmanager
def _standing_clock() -> Iterator[None]:
    """pycdlib stamps everything with the present, in local time: give it one moment and no time zone."""
    utc = time.gmtime
    with mock.patch("time.time", lambda: float(EPOCH)), mock.patch("time.localtime", utc):
        yield
