"""Commands that run in the guest as another user with all rights: by a scheduled task."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from vmforge.provisioners.guest_files import GuestFiles
from vmforge.provisioners.windows.texts import FOLDER, literal, run_file, script_file
from vmforge.sdk import Problem, Secret

_SCRIPT = Path(__file__).with_name("elevated.ps1")


@dataclass(frozen=True)
class Account:
    """Whom to run a command as. Without a password it must be an account of services (`SYSTEM`)."""

    user: str
    password: Secret


def elevated(files: GuestFiles, command: str, account: Account) -> str:
    """Put into the guest what runs `command` (one of `cmd`'s) as the account, and return the command that
    starts it, shows what it prints, and ends with its exit status.

    The password stands in the file alone, and the file removes itself first of all.
    """
    name = f"vmforge-elevated-{secrets.token_hex(6)}"
    path = f"{FOLDER}/{name}.ps1"
    files.put(script_file(elevated_script(command, account, name)), path, mode=None)
    return run_file(path)


def elevated_script(command: str, account: Account, name: str) -> str:
    """The PowerShell script; `name` is the task's."""
    values = {"NAME": name, "USER": account.user, "PASSWORD": account.password.value, "COMMAND": command}
    text = _SCRIPT.read_text(encoding="utf-8")
    for key, value in values.items():
        text = text.replace(f"@{key}@", literal(value), 1)
    return text


def check_account(user: str, password: Secret) -> Iterator[Problem]:
    """That the options for a user and their password go together."""
    if password and not user:
        hint = "name the user whose password it is"
        yield Problem("`elevated_password` has no effect without `elevated_user`", "elevated_user", hint=hint)
