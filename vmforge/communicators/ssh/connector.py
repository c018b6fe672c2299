"""The SSH communicator as a component: what it makes ready, how it connects, what it tidies up."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from vmforge.communicators.ssh.checks import problems
from vmforge.communicators.ssh.config import SshConfig, TemporaryKeyType
from vmforge.errors import CommunicatorError
from vmforge.sdk import BuildContext, Communicator, Connector, Endpoint, Problem

if TYPE_CHECKING:
    from vmforge.communicators.keys import KeyPair, KeyType

_PRIVATE_KEY_NAME = "ssh-key"

# Takes the line with the key out of the file if it is there. `cat` back into the file keeps its owner and
# mode; grep answers 1 when no line is left, and only more than that is a failure.
_FORGET = """\
forget() {{
  [ -f "$1" ] || return 0
  grep -vF {key} "$1" > "$1.new"
  [ $? -le 1 ] && cat "$1.new" > "$1" && rm -f "$1.new"
}}
forget {home}/.ssh/authorized_keys
"""
# A guest without sudo has no way to root's folder, and so nothing of ours in it.
_FORGET_AS_ROOT = """\
status=$?
[ "$(id -u)" = 0 ] || sudo -n sh -c {script} 2>/dev/null
exit $status
"""


class SshConnector(Connector[SshConfig]):
    """Connects over SSH."""

    config_type = SshConfig
    summary = "talks to the guest over SSH"

    def __init__(self, config: SshConfig) -> None:
        super().__init__(config)
        self._pair: KeyPair | None = None

    @classmethod
    def check(cls, config: SshConfig) -> Iterable[Problem]:
        return problems(config)

    @property
    def port(self) -> int:
        return self.config.ssh_port

    @property
    def host(self) -> str:
        return self.config.ssh_host

    def prepare(self, context: BuildContext) -> dict[str, str]:
        """Make or read the key pair. Returns `ConnType`, `User`, `Password`, `SSHAgentAuth` and, with a
        key, `SSHPublicKey`, `SSHPrivateKey` and `SSHPrivateKeyFile`."""
        config = self.config
        values = {
            "ConnType": "ssh",
            "User": config.ssh_username,
            "Password": config.ssh_password.value,
            "SSHAgentAuth": "true" if config.ssh_agent_auth else "false",
        }
        path = self._key_file(context)
        if path is not None and self._pair is not None:
            values["SSHPublicKey"] = self._pair.public
            values["SSHPrivateKey"] = self._pair.private.value
            context.redact([self._pair.private.value])
            values["SSHPrivateKeyFile"] = str(path)
        return values

    def _key_file(self, context: BuildContext) -> Path | None:
        """The private key to log in with, made now if it is a temporary one that is not there yet."""
        from vmforge.communicators import keys

        config = self.config
        if config.ssh_private_key_file is not None:
            path = config.ssh_private_key_file.expanduser()
            self._pair = self._pair or keys.as_pair(keys.read_private(path))
            return path
        if not config.makes_key_pair:
            return None
        path = context.scratch / _PRIVATE_KEY_NAME
        if self._pair is None:
            self._pair = self._temporary_pair(context)
            self._pair.write_private(path)
        return path

    def _temporary_pair(self, context: BuildContext) -> KeyPair:
        """A new one, or the one that a guest that goes on from a layer knows."""
        from vmforge.communicators import keys

        if known := context.data.get("SSHPrivateKey"):
            return keys.as_pair(keys.parse_private(known.encode()))
        name = self.config.temporary_key_pair_name or f"vmforge_{context.run_uuid}"
        return keys.generate(self._key_type(), self.config.temporary_key_pair_bits, name)

    def _key_type(self) -> KeyType:
        from vmforge.communicators import keys

        chosen = self.config.temporary_key_pair_type
        if chosen is None:
            return keys.KeyType.RSA if self.config.temporary_key_pair_bits else keys.KeyType.ED25519
        return keys.KeyType(TemporaryKeyType(chosen).value)

    def connect(
        self, context: BuildContext, endpoint: Callable[[], Endpoint], *, time_scale: float = 1.0
    ) -> Communicator:
        """Wait until the guest lets the user in.

        The limits `ssh_timeout` and `ssh_read_write_timeout` are multiplied by `time_scale`; pauses and
        intervals are not, for they are no limits. The user is the one in `context.data["User"]`, which a
        cloud may have told the builder.
        """
        from vmforge.communicators.ssh.communicator import SshCommunicator
        from vmforge.communicators.ssh.dialer import Dialer
        from vmforge.communicators.ssh.login import Credentials

        config = replace(self.config, ssh_username=context.data.get("User") or self.config.ssh_username)
        credentials = Credentials.of(config, self._key_file(context))
        dialer = Dialer(config, credentials, context, endpoint, time_scale)
        limit = self.config.time_limit
        scaled = None if limit is None else (limit * time_scale).seconds
        session = dialer.dial(scaled)
        pause = self.config.pause_before_connecting.seconds
        if pause > 0:
            session.close()
            # the pause is for a guest that is not yet the installed system, which has another host key
            dialer.forget_host_key()
            context.ui.message(f"SSH: waiting {self.config.pause_before_connecting} before connecting anew")
            context.cancellation.wait(pause)
            session = dialer.dial(scaled)
        return SshCommunicator(self.config, context, dialer, session)

    def finish(self, context: BuildContext, communicator: Communicator) -> None:
        """With `ssh_clear_authorized_keys`, take the temporary key out of the guest. Nothing can log in
        with it afterwards, so this comes last; a failure is a warning."""
        if not (self.config.ssh_clear_authorized_keys and self.config.makes_key_pair and self._pair):
            return
        key = shlex.quote(self._pair.public.split()[1])
        for_root = _FORGET.format(key=key, home="/root")
        script = _FORGET.format(key=key, home='"$HOME"')
        script += _FORGET_AS_ROOT.format(script=shlex.quote(for_root))
        try:
            status = communicator.run(f"sh -c {shlex.quote(script)}")
        except CommunicatorError as error:
            context.ui.warn(f"the temporary SSH key may still be in the guest: {error.message}")
            return
        if status != 0:
            context.ui.warn(f"the temporary SSH key may still be in the guest: status {status}")
