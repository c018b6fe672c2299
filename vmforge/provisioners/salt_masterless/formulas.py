"""Formulas: folders of states from elsewhere, added to the state tree."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from vmforge.errors import CommandFailed, VmforgeError
from vmforge.scripts.process import run_process
from vmforge.sdk import BuildContext

_ADDRESS = re.compile(
    r"(?:git::)?(?P<repository>(?:[a-z+]+://|[\w.-]+@)?[^?]+?)(?://(?P<folder>[^?]+))?(?:\?ref=(?P<ref>[^&]+))?"
)


@dataclass(frozen=True)
class Formula:
    """A folder in a git repository, or, when `is_local`, in a folder of this machine."""

    repository: str
    folder: str
    ref: str
    is_local: bool

    @classmethod
    def parse(cls, text: str) -> Formula:
        """Read `git::https://host/repository.git//folder?ref=branch` or `path//folder`. Raises ValueError."""
        match = _ADDRESS.fullmatch(text)
        if match is None or not match["folder"]:
            raise ValueError(
                f"`{text}` is no formula; write `git::https://HOST/REPOSITORY.git//FOLDER`, or `PATH//FOLDER`"
            )
        is_local = not text.startswith("git::") and "://" not in match["repository"]
        return cls(match["repository"], match["folder"].strip("/"), match["ref"] or "", is_local)

    @property
    def name(self) -> str:
        return Path(self.folder).name

    def fetch(self, target: Path, context: BuildContext) -> Path:
        """The folder, on this machine; a repository is cloned to `target`. Raises `VmforgeError`."""
        base = Path(self.repository)
        if not self.is_local:
            base = target
            self._clone(target, context)
        found = base / self.folder
        if not found.is_dir():
            raise VmforgeError(
                f"formula `{self.name}`: there is no folder `{self.folder}` in `{self.repository}`"
            )
        return found

    def _clone(self, target: Path, context: BuildContext) -> None:
        shutil.rmtree(target, ignore_errors=True)  # of a try before this one
        branch = ["--branch", self.ref] if self.ref else []
        arguments = ["git", "clone", "--quiet", "--depth", "1", *branch, "--", self.repository, str(target)]
        status = run_process(
            arguments,
            environment={"GIT_TERMINAL_PROMPT": "0"},
            output=lambda line, error: context.ui.output(line, error=error),
            cancellation=context.cancellation,
        )
        if status != 0:
            message = f"formula `{self.name}` could not be fetched from `{self.repository}`"
            raise CommandFailed(message, status=status, hint="the lines above are what `git` says")
