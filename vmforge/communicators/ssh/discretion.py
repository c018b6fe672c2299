"""Commands that hold a secret: everybody in the guest may read a command line, so these are on none."""

from __future__ import annotations

import shlex
from collections.abc import Callable

from vmforge.communicators.ssh.session import Session
from vmforge.communicators.ssh.streams import Pipe

# The same shell runs the same text, with nothing left on its standard input.
_FROM_INPUT = 'eval "$(cat)"'
# Where a terminal is wanted, its input cannot end. The file is gone before the command begins.
_FROM_FILE = 'eval "$(cat {path}; rm -f {path})"'
_TO_FILE = 'umask 077 && f=$(mktemp) && cat > "$f" && echo "$f"'

_PROOF = 37


class Discretion:
    """Tells which commands hold a secret, and hands them to the guest's shell where nobody can see them."""

    def __init__(self, hide: Callable[[str], str]) -> None:
        self.hide = hide
        self._understood: bool | None = None

    def concerns(self, command: str, session: Session) -> bool:
        """Whether a command is to travel unseen; within the session's guard. Shells that do not read commands
        in this way (those of Windows, fish, csh) get all of them as they are."""
        if self.hide(command) == command:
            return False
        if self._understood is None:
            with Pipe(session, _FROM_INPUT) as pipe:
                pipe.write(f"exit {_PROOF}".encode())
                self._understood = pipe.finish() == _PROOF
        return self._understood

    def wrap(self, command: str, session: Session, *, pty: bool) -> tuple[str, bytes]:
        """The command line to use in place of a command, and what it must be told on its standard input."""
        if not pty:
            return _FROM_INPUT, command.encode()
        with Pipe(session, _TO_FILE) as pipe:
            pipe.write(command.encode())
            pipe.end()
            path = pipe.read_all().decode().strip()
            status = pipe.finish()
        return (_FROM_FILE.format(path=shlex.quote(path)), b"") if status == 0 and path else (command, b"")
