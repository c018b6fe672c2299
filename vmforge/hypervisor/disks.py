"""Disk images, made, measured and converted by qemu-img.

Each function runs one qemu-img and ends it at once when the build is cancelled. An image that is
written appears under its name only when it is complete and on the disk.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vmforge.errors import CommandFailed, HostError
from vmforge.sdk.cancellation import Cancellation
from vmforge.sdk.values import Size, format_bytes

PROGRAM = "qemu-img"

# Gets how much is done, from 0 to 100.
OnProgress = Callable[[float], None]

_PERCENT = re.compile(rb"\(([\d.]+)/100%\)")
# Writing out of order lets qemu-img copy (and compress) in parallel: measured 9 times faster for a
# plain copy, twice as fast with compression on two cores.
_PARALLEL = ("-m", "16", "-W")
_LOCKED = "Failed to get"
_NO_SPACE = "No space left on device"
# `qemu-img check` for a format that has nothing to check
_CHECK_CORRUPT, _CHECK_LEAKED, _CHECK_UNSUPPORTED = 2, 3, 63


@dataclass(frozen=True, slots=True)
class DiskInfo:
    """An image as qemu-img sees it: what the guest sees, and what it takes up here."""

    path: Path
    format: str
    virtual_size: Size
    actual_size: Size
    backing: Path | None = None
    backing_format: str = ""


@dataclass(frozen=True, slots=True)
class CheckResult:
    """`supported` is False for formats without anything to check (raw)."""

    supported: bool
    errors: int = 0
    leaks: int = 0


def create(
    path: Path,
    size: Size | None,
    format: str,
    *,
    backing: Path | None = None,
    backing_format: str = "qcow2",
    movable: bool = False,
    extra: Sequence[str] = (),
    cancellation: Cancellation,
) -> None:
    """Create an empty image, or a layer over `backing`, whose size it takes when `size` is None. With
    `movable` it finds `backing` by the way from its own folder, so that both can be moved together.

    Raises `HostError` without qemu-img or without space, `CommandFailed` with qemu-img's words.
    """
    arguments = ["create", "-q", "-f", format, *extra]
    if backing is not None:
        name = os.path.relpath(backing, path.parent) if movable else _name(backing)
        arguments += ["-b", name, "-F", backing_format]
    arguments.append(_name(path))
    if size is not None:
        arguments.append(str(size.bytes))
    _run(arguments, cancellation, target=path)


def info(path: Path, cancellation: Cancellation) -> DiskInfo:
    """Look at an image, also while a machine uses it. Raises `CommandFailed` if it is none."""
    found = json.loads(_run(["info", "--force-share", "--output=json", _name(path)], cancellation))
    backing = found.get("full-backing-filename") or found.get("backing-filename")
    return DiskInfo(
        path,
        found["format"],
        Size(found["virtual-size"]),
        Size(found.get("actual-size", 0)),
        Path(backing) if backing else None,
        found.get("backing-filename-format", ""),
    )


def data_size(path: Path, cancellation: Cancellation) -> Size:
    """How much data an image and all below it hold for the guest: what a copy has to take along.

    While a machine uses the image, this is what it had flushed.
    """
    extents = json.loads(_run(["map", "--force-share", "--output=json", _name(path)], cancellation))
    return Size(sum(extent["length"] for extent in extents if extent["data"] and not extent["zero"]))


def resize(
    path: Path, size: Size, format: str, *, extra: Sequence[str] = (), cancellation: Cancellation
) -> None:
    """Make an image larger. Raises `CommandFailed`: shrinking would cut data off."""
    _run(["resize", "-q", "-f", format, *extra, _name(path), str(size.bytes)], cancellation, target=path)


def rebase(path: Path, backing: Path, backing_format: str, *, cancellation: Cancellation) -> None:
    """Put a qcow2 image over another one than before: what differs between the two is copied into it, so that
    the guest sees no change. Raises as `create` does."""
    arguments = ["rebase", "-q", "-f", "qcow2", "-b", _name(backing), "-F", backing_format, _name(path)]
    _run(arguments, cancellation, target=path)


def convert(
    source: Path,
    target: Path,
    format: str,
    *,
    source_format: str = "",
    compress: bool = False,
    progress: OnProgress | None = None,
    extra: Sequence[str] = (),
    cancellation: Cancellation,
) -> None:
    """Copy an image with everything below it into one new file without holes filled.

    `extra` are more arguments of `qemu-img convert` (`-o subformat=streamOptimized`). Raises
    `HostError` when the target's disk is full, naming what is free and what is needed.
    """
    arguments = ["convert", "-p", *_PARALLEL, "-O", format]
    if source_format:
        arguments += ["-f", source_format]
    if compress:
        arguments.append("-c")
    staged = target.with_name(f".{target.name}.part")
    try:
        command = [*arguments, *extra, _name(source), _name(staged)]
        _run(command, cancellation, target=target, source=(source, format), progress=progress)
        _sync(staged)
        staged.replace(target)
        _sync(target.parent)
    finally:
        staged.unlink(missing_ok=True)


def check(path: Path, format: str, cancellation: Cancellation) -> CheckResult:
    """Check an image's own structure. Raises `CommandFailed` when it cannot be read."""
    arguments = ["check", "--output=json", "-f", format, _name(path)]
    answers = (0, _CHECK_CORRUPT, _CHECK_LEAKED, _CHECK_UNSUPPORTED)
    text = _run(arguments, cancellation, accept=answers)
    if not text.lstrip().startswith("{"):
        return CheckResult(supported=False)
    found = json.loads(text)
    errors = found.get("corruptions", 0) + found.get("check-errors", 0)
    return CheckResult(True, errors, found.get("leaks", 0))


def measure(source: Path, format: str, cancellation: Cancellation) -> Size:
    """How much space a copy of an image in another format takes at most."""
    arguments = ["measure", "--force-share", "--output=json", "-O", format, _name(source)]
    return Size(json.loads(_run(arguments, cancellation))["required"])


def _run(
    arguments: Sequence[str],
    cancellation: Cancellation,
    *,
    target: Path | None = None,
    source: tuple[Path, str] | None = None,
    progress: OnProgress | None = None,
    accept: Sequence[int] = (0,),
) -> str:
    """Run qemu-img and return its standard output. `target` and `source` are for messages."""
    cancellation.check()
    with tempfile.TemporaryFile() as said:
        process = _start(arguments, said)
        with process, cancellation.on_cancel(process.kill):
            try:
                output = _read(process, progress)
            except BaseException:
                process.kill()
                raise
            status = process.wait()
        cancellation.check()
        said.seek(0)
        words = said.read().decode(errors="replace").strip()
    if status not in accept:
        raise _failure(arguments, status, words, target, source, cancellation)
    return output


def _start(arguments: Sequence[str], said: Any) -> subprocess.Popen[bytes]:
    program = shutil.which(PROGRAM)
    if program is None:
        raise HostError("`qemu-img` is not installed", hint="`apt install qemu-utils`")
    # a session of its own: Ctrl-C reaches it through the cancellation, not past it
    return subprocess.Popen(
        [program, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=said,
        start_new_session=True,
        env={**os.environ, "LC_ALL": "C"},
    )


def _read(process: subprocess.Popen[bytes], progress: OnProgress | None) -> str:
    assert process.stdout is not None
    parts = []
    while data := os.read(process.stdout.fileno(), 65536):
        parts.append(data)
        percents = _PERCENT.findall(data)
        if progress is not None and percents:
            progress(float(percents[-1]))
    return b"".join(parts).decode(errors="replace")


def _failure(
    arguments: Sequence[str],
    status: int,
    words: str,
    target: Path | None,
    source: tuple[Path, str] | None,
    cancellation: Cancellation,
) -> HostError | CommandFailed:
    if _NO_SPACE in words and target is not None:
        return _no_space(target, source, cancellation)
    words = re.sub(r"^qemu-img: ", "", words.splitlines()[-1] if words else f"exit status {status}")
    hint = "another machine uses this image; end it first" if _LOCKED in words else ""
    return CommandFailed(f"`qemu-img {arguments[0]}` failed: {words}", status=status, hint=hint)


def _no_space(target: Path, source: tuple[Path, str] | None, cancellation: Cancellation) -> HostError:
    folder = target.parent
    # what was written so far is removed when the error has been raised; it is not free space yet
    staged = target.with_name(f".{target.name}.part")
    written = staged.stat().st_blocks * 512 if staged.exists() else 0
    free = format_bytes(shutil.disk_usage(folder).free + written)
    needed = ""
    if source is not None:
        needed = f", up to {format_bytes(measure(*source, cancellation).bytes)} needed"
    return HostError(
        f"no space left in `{folder}` for `{target.name}`: {free} free{needed}",
        hint=f"free some space on the file system of `{folder}`",
    )


def _name(path: Path) -> str:
    """An image's name for qemu-img, which takes `-x` for an option and `a:b` for a protocol."""
    return str(path.absolute())


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
