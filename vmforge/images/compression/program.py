"""Compression by a program that reads standard input: `lz4` and `zstd`."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from types import TracebackType
from typing import BinaryIO

from vmforge.errors import HostError
from vmforge.images.compression.formats import Algorithm

_ARGUMENTS = {Algorithm.LZ4: ("lz4", "-q", "-c"), Algorithm.ZSTD: ("zstd", "-q", "-c", "-T0")}


def program_for(algorithm: Algorithm) -> str:
    """The program that a compression needs; empty when it needs none."""
    return _ARGUMENTS[algorithm][0] if algorithm in _ARGUMENTS else ""


def missing_program(algorithm: Algorithm) -> str:
    """The program that a compression needs and that this machine lacks; empty when all is there."""
    program = program_for(algorithm)
    return program if program and shutil.which(program) is None else ""


def install_hint(program: str) -> str:
    return f"install it (`apt install {program}`), or choose a format that needs no program, `gz` or `xz`"


def run_program(algorithm: Algorithm, level: int, data: bytes) -> bytes:
    """`data` compressed by the program. Raises `HostError` when it is not there or fails."""
    name, *arguments = _ARGUMENTS[algorithm]
    try:
        result = subprocess.run(
            [name, *arguments, f"-{level}"],
            input=data,
            capture_output=True,
            check=False,
            start_new_session=True,
        )
    except FileNotFoundError as error:
        raise _missing(name) from error
    if result.returncode != 0:
        raise _failed(name, result.returncode, result.stderr.decode(errors="replace").strip())
    return result.stdout


def _missing(program: str) -> HostError:
    return HostError(f"the program `{program}` is not installed", hint=install_hint(program))


def _failed(program: str, status: int, words: str) -> HostError:
    return HostError(f"`{program}` failed with status {status}: {words}")


class ProgramCompressor:
    """Writes what it is given to `file` through the compressing program."""

    def __init__(self, file: BinaryIO, algorithm: Algorithm, level: int) -> None:
        self._file = file
        name, *arguments = _ARGUMENTS[algorithm]
        self._command = [name, *arguments, f"-{level}"]

    def __enter__(self) -> ProgramCompressor:
        self._file.flush()
        try:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=self._file,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except FileNotFoundError as error:
            raise _missing(self._command[0]) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None and not isinstance(error, BrokenPipeError):
            self._process.kill()
        _, words = self._process.communicate()
        if self._process.returncode != 0 and (error is None or isinstance(error, BrokenPipeError)):
            raise self._failure(words.decode(errors="replace").strip()) from error

    def write(self, piece: bytes) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(piece)

    def _failure(self, words: str) -> Exception:
        if os.strerror(errno.ENOSPC) in words:
            return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return _failed(self._command[0], self._process.returncode, words)
