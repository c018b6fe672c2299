"""Lock files: what the builds of a template were made of, and how that differs from what they would be now.

A lock file is JSON, made to be kept beside the template and read in a review: media by URL, files by their
path from the template's folder, answers of data sources, packages by URL, and the tools' versions.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from vmforge.cache import DigestMemory
from vmforge.errors import VmforgeError
from vmforge.pipeline.inputs import local_inputs, remote_inputs
from vmforge.pipeline.plan import Plan
from vmforge.sdk.network import RemoteInput, RemoteKind

FORMAT: Final = "vmforge-lock"
VERSION: Final = 1
# Differences of these do not fail a build: a host's updates are not the template's.
_TOOLS: Final = "tools"
_SECTIONS: Final = ("media", "files", "data", "packages")


@dataclass(frozen=True)
class Lock:
    """The digests of everything that is locked, as `sha256:HEX` or another type, by what users call it."""

    media: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    data: Mapping[str, str] = field(default_factory=dict)
    packages: Mapping[str, str] = field(default_factory=dict)
    tools: Mapping[str, str] = field(default_factory=dict)

    def encode(self) -> str:
        """The text of the file."""
        document = {"format": FORMAT, "version": VERSION, **asdict(self)}
        return json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n"

    @classmethod
    def read(cls, path: Path) -> Lock:
        """Raises `VmforgeError` for a file that is no lock file."""
        hint = "write it anew with `vmforge lock --update TEMPLATE`"
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise VmforgeError(
                f"the lock file `{path}` cannot be read: {error.strerror}", hint=hint
            ) from None
        except ValueError:
            raise VmforgeError(f"the lock file `{path}` is no JSON", hint=hint) from None
        if not isinstance(document, dict) or document.get("format") != FORMAT:
            raise VmforgeError(f"`{path}` is no lock file of vmforge's", hint=hint)
        if document.get("version") != VERSION:
            raise VmforgeError(f"the lock file `{path}` is of another version of vmforge", hint=hint)
        sections = {name: document.get(name, {}) for name in (*_SECTIONS, _TOOLS)}
        if not all(_is_table(section) for section in sections.values()):
            raise VmforgeError(f"the lock file `{path}` is damaged", hint=hint)
        return cls(**sections)


@dataclass(frozen=True)
class Difference:
    """One thing that is not as it was locked. `old` is empty for what the lock has not, `new` for what is not
    there any more."""

    section: str
    name: str
    old: str
    new: str

    @property
    def is_tool(self) -> bool:
        return self.section == _TOOLS

    def lines(self) -> Iterator[str]:
        yield f"{self.section}: {self.name}"
        yield f"    was {self.old or 'not there when it was locked'}"
        yield f"    is  {self.new or 'not there any more'}"


class LockDiffers(VmforgeError):
    """Inputs of a build are not those of its lock file."""

    def __init__(self, path: Path, differences: Iterable[Difference]) -> None:
        listed = list(differences)
        count = "one input differs" if len(listed) == 1 else f"{len(listed)} inputs differ"
        hint = "take the new ones over with `vmforge lock --update TEMPLATE`, or build with `--no-lock`"
        super().__init__(f"{count} from the lock file `{path}`", hint=hint)
        self.detail = "\n".join(line for difference in listed for line in difference.lines())


def make_lock(
    plan: Plan,
    root: Path,
    read: Iterable[Path],
    digests: DigestMemory,
    checksum: Callable[[RemoteInput], str],
    *,
    tools: Mapping[str, str],
    data: Mapping[str, str],
    packages: Mapping[str, str],
) -> Lock:
    """What the builds would be made of now. `root` is the template's folder, `read` what its functions read.
    `checksum` tells what a medium must be, `tools` are versions beside those that builders tell. Raises
    `VmforgeError`."""
    versions = dict(tools)
    for build in plan.builds:
        versions |= build.builder.tools(build.builder.config)
    media = {name_of(medium): checksum(medium) for medium in media_of(plan)}
    return Lock(media, dict(_files(plan, root, read, digests)), dict(data), dict(packages), versions)


def media_of(plan: Plan) -> list[RemoteInput]:
    """The media that builds take from a network."""
    found = (needed.input for needed in remote_inputs(plan))
    return [one for one in found if one.kind is RemoteKind.MEDIUM]


def name_of(medium: RemoteInput) -> str:
    """What a lock file calls a medium."""
    return medium.places[0]


def differences(old: Lock, new: Lock) -> list[Difference]:
    """How inputs, and tools, are not as they were locked. What builds do not use (any more, or of those that
    were chosen) is no difference."""
    found = []
    for section in (*_SECTIONS, _TOOLS):
        before, now = getattr(old, section), getattr(new, section)
        for name, digest in sorted(now.items()):
            # packages come with what the guest asks for, and are locked when they are known
            known = name in before or section not in ("packages", _TOOLS)
            if known and before.get(name, "") != digest:
                found.append(Difference(section, name, before.get(name, ""), digest))
    return found


def _files(plan: Plan, root: Path, read: Iterable[Path], digests: DigestMemory) -> Iterator[tuple[str, str]]:
    for path in local_inputs(plan, read):
        for file in _below(path):
            try:
                digest = digests.digests(file, ["sha256"])["sha256"]
            except OSError as error:
                raise VmforgeError(f"`{file}` cannot be read: {error.strerror}") from None
            yield _named(file, root), f"sha256:{digest}"


def _below(path: Path) -> Iterator[Path]:
    if path.is_file():
        yield path
    elif path.is_dir():
        for folder, _, names in os.walk(path, followlinks=True):
            yield from (Path(folder) / name for name in sorted(names) if (Path(folder) / name).is_file())


def _named(path: Path, root: Path) -> str:
    """A file by its path from the template's folder; one that is named by its whole path stays so."""
    if path.is_absolute() and not root.is_absolute():
        return str(path)
    return os.path.relpath(path.absolute(), root.absolute())


def _is_table(section: Any) -> bool:
    return isinstance(section, dict) and all(isinstance(value, str) for value in section.values())
