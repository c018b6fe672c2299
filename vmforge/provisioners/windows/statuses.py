"""Exit statuses as Windows has them: numbers of 32 bits, which templates write with a sign or without."""

from __future__ import annotations

from vmforge.errors import CommandFailed

# https://learn.microsoft.com/windows/win32/debug/system-error-codes and NTSTATUS values
_MEANINGS = {
    5: "5 means that access was denied: `elevated_user` runs scripts with all rights and their own logon",
    1115: "1115 means that Windows is shutting down",
    1602: "1602 is Windows Installer's word for cancelled by the user: add `/qn`, nobody can answer it here",
    1618: "1618 means that another installation runs: wait for it first",
    1641: "1641 means success and a restart that has begun: add it to `valid_exit_codes`",
    3010: "3010 means success, to be completed by a restart: add it to `valid_exit_codes`, and a "
    "`windows-restart` after it",
    9009: "9009 means that a command was not found: the last lines above name it",
    0xC000013A: "0xC000013A means that it was ended by Ctrl-C or a shutdown",
    0xC0000142: "0xC0000142 means that a program could not start, mostly because Windows is shutting down",
}
_OTHERWISE = (
    "the last lines above say why; `-on-error=ask` keeps the machine to look at, and `valid_exit_codes` "
    "accepts other statuses"
)


def check_status(title: str, status: int, valid: tuple[int, ...] = (0,)) -> None:
    """Raise `CommandFailed` when a status is not among the good ones; -1 and 4294967295 are the same."""
    code = status % 2**32
    if code in {good % 2**32 for good in valid}:
        return
    good = "" if valid == (0,) else f", not with {' or '.join(map(str, valid))}"
    shown = f"{code} (0x{code:08X})" if code > 0xFFFF else str(code)
    hint = _MEANINGS.get(code, _OTHERWISE)
    raise CommandFailed(f"{title} ended with exit status {shown}{good}", status=status, hint=hint)
