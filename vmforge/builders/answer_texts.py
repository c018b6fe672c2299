"""The answer files of a build, wherever they come from, and what their validators say of them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from vmforge.builders.answer_checks import AnswerKind, Finding, check, recognise
from vmforge.errors import VmforgeError
from vmforge.sdk import BuildContext, Problem

if TYPE_CHECKING:
    from vmforge.builders.boot_config import Installation

# No answer file is larger; what is, is an archive or a script's payload.
_LARGEST: Final = 1024 * 1024
# More files than these in a folder are no folder of answer files.
_MOST_FILES: Final = 2000


class AnsweredSource(Protocol):
    """The options of a source that answer files stand in."""

    @property
    def http_directory(self) -> Path | None: ...
    @property
    def http_content(self) -> Mapping[str, str]: ...
    @property
    def cd_files(self) -> tuple[str, ...]: ...
    @property
    def cd_content(self) -> Mapping[str, str]: ...
    @property
    def floppy_files(self) -> tuple[str, ...]: ...
    @property
    def floppy_content(self) -> Mapping[str, str]: ...
    @property
    def steps(self) -> tuple[tuple[str, str], ...]: ...
    @property
    def kernel_cmdline(self) -> str: ...


@dataclass(frozen=True, slots=True)
class AnswerText:
    """A text that an installer will read. `name` is what a person finds it by, `option` what brought it;
    `version` is the system's, as its validator names it."""

    name: str
    option: str
    kind: AnswerKind
    text: str
    version: str = ""

    def findings(self, *, programs: bool = False) -> list[Finding]:
        return check(self.kind, self.text, self.version, programs=programs)


def own_texts(source: AnsweredSource) -> Iterator[AnswerText]:
    """The answer files that the template brings itself. Of a served folder only what the installer is told
    to fetch counts: such a folder often serves several templates."""
    for option in ("http_content", "cd_content", "floppy_content"):
        for path, text in getattr(source, option).items():
            yield from _known(path, option, path, text)
    for option in ("cd_files", "floppy_files"):
        for path in getattr(source, option):
            yield from _read(Path(path), option)
    if source.http_directory is not None:
        told = " ".join([*(command for command, _ in source.steps), source.kernel_cmdline])
        for file in _fetched(source.http_directory, told):
            yield from _read(file, "http_directory")


def check_own_answers(source: AnsweredSource) -> Iterable[Problem]:
    """What is wrong with the answer files that the template brings; no program is run for it."""
    for text in own_texts(source):
        for found in text.findings():
            part = text.name if text.option.endswith("_content") else ""
            summary = found.text(text.name)
            yield Problem(summary, text.option, found.hint, warning=found.warning, part=part)


def validate_answers(
    source: AnsweredSource,
    installation: Installation,
    context: BuildContext,
    fields: Mapping[str, object],
) -> None:
    """Ask the validators that are programs of this host, right before the machine starts. `fields` are what
    `{{ }}` in the texts of a boot config may use. Raises `VmforgeError` for a text that one rejects."""
    rejected: list[tuple[AnswerText, Finding]] = []
    for text in (*own_texts(source), *_supplied_texts(installation, context, fields)):
        # what needs no program was told when the template was checked
        for found in set(text.findings(programs=True)) - set(text.findings()):
            if found.warning:
                context.ui.warn(found.text(text.name))
            else:
                rejected.append((text, found))
    if rejected:
        raise _rejection(rejected)


def _rejection(rejected: Sequence[tuple[AnswerText, Finding]]) -> VmforgeError:
    (text, found), *others = sorted(rejected, key=lambda pair: (pair[0].name, pair[1]))
    error = VmforgeError(found.text(text.name), hint=found.hint)
    error.detail = "\n".join(other.text(one.name) for one, other in others)
    return error


def _supplied_texts(
    installation: Installation, context: BuildContext, fields: Mapping[str, object]
) -> Iterator[AnswerText]:
    """The answer files of the source's boot config."""
    if not installation.options.boot_config:
        return
    from boot_configs import Delivery

    for delivery in Delivery:
        # a stand-in for a password's hash is as right or wrong as the hash
        for file in installation.files(delivery, salt=""):
            if file.kind in list(AnswerKind):
                text = context.render(file.text, fields)
                yield AnswerText(file.path, "boot_config", AnswerKind(file.kind), text, file.dialect)


def _fetched(folder: Path, told: str) -> Iterator[Path]:
    """The files of a folder that a boot command or kernel command line speaks of."""
    files = [path for path in sorted(folder.rglob("*"))[:_MOST_FILES] if path.is_file()]
    by_name: dict[str, list[Path]] = {}
    for path in files:
        by_name.setdefault(path.name, []).append(path)
    seeds = ("user-data",) if "nocloud" in told else ()
    for name, paths in by_name.items():
        exact = [path for path in paths if _speaks_of(told, path.relative_to(folder).as_posix())]
        alone = paths if len(paths) == 1 and (_speaks_of(told, name) or name in seeds) else []
        yield from exact or alone


def _speaks_of(told: str, path: str) -> bool:
    return re.search(rf"(?<![\w.-]){re.escape(path)}(?![\w-]|\.\w)", told) is not None


def _read(path: Path, option: str) -> Iterator[AnswerText]:
    try:
        if path.is_file() and path.stat().st_size <= _LARGEST:
            yield from _known(str(path), option, path.name, path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError):
        return  # whoever serves it will say so, and what is no UTF-8 is no answer file that is known


def _known(name: str, option: str, path: str, text: str) -> Iterator[AnswerText]:
    kind = recognise(path, text) if isinstance(text, str) else None
    if kind is not None:
        yield AnswerText(name, option, kind, text)
