"""The inventory that Ansible gets, in its INI format."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from types import TracebackType

from vmforge.errors import HostError
from vmforge.provisioners.ansible.config import HOST_LINE, InventoryOptions
from vmforge.provisioners.guest_access import Login
from vmforge.sdk import BuildContext

_WINRM = " ansible_connection=winrm ansible_winrm_transport=basic ansible_shell_type=powershell"


def inventory_text(options: InventoryOptions, login: Login, context: BuildContext) -> str:
    """The guest, then the groups that it is in, then the empty ones."""
    template = options.inventory_file_template or HOST_LINE + (_WINRM if login.transport == "winrm" else "")
    fields = {
        "HostAlias": options.host_alias,
        "Host": login.host,
        "User": login.user,
        "Port": str(login.port),
    }
    host = context.render(template, {**context.data, **fields}).rstrip("\n")
    parts = [f"{host}\n"]
    parts += [f"\n[{group}]\n{host}\n" for group in options.groups]
    parts += [f"\n[{group}]\n" for group in options.empty_groups]
    return "".join(parts)


class Inventory:
    """The inventory's file: the user's own, or one that is there for as long as the `with` block runs."""

    def __init__(self, options: InventoryOptions, login: Login, context: BuildContext) -> None:
        self._options, self._login, self._context = options, login, context
        self._made: Path | None = None

    def __enter__(self) -> Path:
        options = self._options
        if options.inventory_file is not None:
            return options.inventory_file.absolute()
        folder = options.inventory_directory
        if folder is None:
            folder = Path(tempfile.gettempdir()) if options.keep_inventory_file else self._context.scratch
        try:
            descriptor, name = tempfile.mkstemp(prefix="vmforge-ansible-", dir=folder)
        except OSError as error:
            raise HostError(f"the inventory cannot be made in `{folder}`: {error.strerror}") from error
        self._made = Path(name).absolute()
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(inventory_text(options, self._login, self._context))
        return self._made

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._made is None:
            return
        if self._options.keep_inventory_file:
            self._context.ui.message(f"the inventory is `{self._made}`")
        else:
            self._made.unlink(missing_ok=True)
