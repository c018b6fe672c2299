"""What a requirements file of Ansible Galaxy asks for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from vmforge.errors import VmforgeError

_SECTION = re.compile(r"^(roles|collections)\s*:", re.MULTILINE)


@dataclass(frozen=True)
class Requirements:
    """Which of the two `ansible-galaxy` is to install. A file without sections lists roles, as it did
    before there were collections."""

    roles: bool
    collections: bool

    @classmethod
    def read(cls, path: Path) -> Requirements:
        """Raises `VmforgeError` when the file cannot be read."""
        try:
            sections = set(_SECTION.findall(path.read_text(encoding="utf-8")))
        except (OSError, UnicodeDecodeError) as error:
            raise VmforgeError(f"`galaxy_file`: `{path}` cannot be read: {error}") from error
        return cls("roles" in sections or not sections, "collections" in sections)

    def commands(self, file: str, roles_path: str, collections_path: str) -> Iterator[list[str]]:
        """The arguments of `ansible-galaxy`, one list for each run. An empty path is left to it."""
        if self.roles:
            yield ["install", "-r", file, *(["-p", roles_path] if roles_path else [])]
        if self.collections:
            path = ["-p", collections_path] if collections_path else []
            yield ["collection", "install", "-r", file, *path]
