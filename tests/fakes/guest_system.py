"""The files of a guest that is busybox: as an archive to make a container of, or as a folder for an sshd."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

_PASSWD = "root:x:0:0::/root:/bin/sh\napp:x:1000:1001::/tmp:/bin/sh\n"
_FOLDERS = (("tmp", 0o1777), ("root", 0o700), ("proc", 0o755), ("dev", 0o755), ("sys", 0o755))
_PYTHON = Path("/usr/bin/python3")


def write_base(archive: Path, *, python: bool = False) -> None:
    """The files of a system that is busybox; with `python`, also this machine's, which Ansible needs."""
    with tarfile.open(archive, "w") as made:
        _add_program(made, Path("/usr/bin/busybox"), "bin/busybox")
        for name in _output("busybox", "--list"):
            link = tarfile.TarInfo(f"bin/{name}")
            link.type, link.linkname = tarfile.SYMTYPE, "/bin/busybox"
            made.addfile(link)
        for name, mode in _FOLDERS:
            folder = tarfile.TarInfo(name)
            folder.type, folder.mode = tarfile.DIRTYPE, mode
            made.addfile(folder)
        _add_text(made, "etc/passwd", _PASSWD)
        if python:
            _add_python(made)


def _add_program(made: tarfile.TarFile, program: Path, name: str) -> None:
    """A program with the libraries that it is linked with."""
    made.add(program.resolve(), name)
    _add_libraries(made, [program])


def _add_libraries(made: tarfile.TarFile, programs: Iterable[Path]) -> None:
    words = {word for program in programs for word in _output("ldd", str(program))}
    there = set(made.getnames())
    for word in sorted(word for word in words if word.startswith("/") and word.lstrip("/") not in there):
        made.add(Path(word).resolve(), word.lstrip("/"))


def _add_python(made: tarfile.TarFile) -> None:
    _add_program(made, _PYTHON, "usr/bin/python3")
    library = Path(f"/usr/lib/{_PYTHON.resolve().name}")
    made.add(library, str(library).lstrip("/"), filter=_without_tests)
    _add_libraries(made, library.glob("lib-dynload/*.so"))


def _without_tests(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    unused = ("/test", "/__pycache__", "/idlelib", "/lib2to3", "/dist-packages", "/ensurepip", "/config-")
    return None if any(part in entry.name for part in unused) else entry


def _add_text(made: tarfile.TarFile, name: str, text: str) -> None:
    file = tarfile.TarInfo(name)
    file.size = len(text)
    made.addfile(file, io.BytesIO(text.encode()))


def _output(*command: str) -> list[str]:
    return subprocess.run(command, check=False, capture_output=True, text=True).stdout.split()


@contextmanager
def system(programs: Iterable[str] = (), *, python: bool = False) -> Iterator[Path]:
    """A folder for `OpenSsh.system`. `programs` are on its path and only note in `/called` what they were
    called with; `sudo` does what it is told."""
    # sshd wants every folder above it to be root's alone, which `/tmp` is not
    folder = Path(tempfile.mkdtemp(prefix="vmforge-guest-", dir="/run"))
    try:
        folder.chmod(0o755)
        archive = folder / "base.tar"
        write_base(archive, python=python)
        subprocess.run(["tar", "-xf", archive, "-C", folder], check=True)
        archive.unlink()
        os.mknod(folder / "dev" / "null", 0o666 | 0o020000, os.makedev(1, 3))
        (folder / "dev" / "null").chmod(0o666)
        (folder / "proc" / "mounts").write_text("/dev/root / ext4 rw 0 0\n")
        local = folder / "usr" / "local" / "bin"
        local.mkdir(parents=True)
        _write_script(folder / "bin" / "bash", 'exec sh "$@"')  # the login shell of this machine's user
        for name in programs:
            _write_script(local / name, 'echo "${0##*/} $*" >>/called')
        _write_script(local / "sudo", 'while [ "${1#-}" != "$1" ]; do shift; done; exec "$@"')
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _write_script(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
