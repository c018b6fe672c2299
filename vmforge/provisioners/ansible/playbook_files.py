"""The local files that decide what a playbook does."""

from __future__ import annotations

import configparser
import os
from collections.abc import Iterator
from pathlib import Path

# What Ansible looks for beside a playbook:
# https://docs.ansible.com/ansible/latest/tips_tricks/sample_setup.html
_FOLDERS = (
    "action_plugins",
    "collections",
    "connection_plugins",
    "files",
    "filter_plugins",
    "group_vars",
    "handlers",
    "host_vars",
    "library",
    "lookup_plugins",
    "module_utils",
    "roles",
    "tasks",
    "templates",
    "vars",
)


def files_around(playbook: Path) -> Iterator[Path]:
    """The playbook, other YAML beside it, and the folders that Ansible reads there. Not all that is beside
    it, for images may be made in the same folder."""
    folder = playbook.parent
    yield playbook
    yield from sorted(path for path in folder.glob("*.y*ml") if path != playbook)
    yield from (folder / name for name in _FOLDERS if (folder / name).is_dir())
    for name in ("roles", "group_vars", "host_vars"):
        if (folder.parent / name).is_dir() and folder.resolve() != Path.cwd():
            yield folder.parent / name


def files_of_settings() -> Iterator[Path]:
    """Ansible's settings, where it would find them from here, and the roles that they name."""
    path = Path(os.environ.get("ANSIBLE_CONFIG", "ansible.cfg"))
    if not path.is_file():
        return
    yield path
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        parser.read(path, encoding="utf-8")
        roles = parser.get("defaults", "roles_path", fallback="")
    except (configparser.Error, UnicodeDecodeError):
        return  # Ansible itself will say so
    for part in filter(None, roles.split(":")):
        place = path.parent / Path(part).expanduser()
        if place.is_dir():
            yield place
