"""The options of `communicator = "ssh"`, and what can be said about them without a network."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from vmforge.sdk import Config, Duration, Problem, Secret, option

DEFAULT_TIMEOUT = Duration(300)


class TemporaryKeyType(StrEnum):
    ED25519 = "ed25519"
    ECDSA = "ecdsa"
    RSA = "rsa"
    DSA = "dsa"


class FileTransfer(StrEnum):
    SFTP = "sftp"
    SCP = "scp"


@dataclass(frozen=True, kw_only=True)
class SshConfig(Config):
    """All options of the SSH communicator.

    Those that `NOT_YET` names are known, so that a template that sets them gets a clear answer.
    """

    ssh_username: str = option(help="The user to log in as.")
    ssh_password: Secret = option(
        Secret(""), help="The user's password, also for keyboard-interactive logins.", affects_image=False
    )
    ssh_private_key_file: Path | None = option(
        None, help="A private key to log in with; `~` is your home.", affects_image=False
    )
    ssh_certificate_file: Path | None = option(
        None, help="The certificate that goes with `ssh_private_key_file`.", affects_image=False
    )
    ssh_agent_auth: bool = option(
        False, help="Log in with the keys of your SSH agent (`SSH_AUTH_SOCK`).", affects_image=False
    )
    ssh_host: str = option(
        "", help="The guest's address; without it the builder finds it.", affects_image=False
    )
    ssh_port: int = option(22, help="The port of the SSH server in the guest.", affects_image=False)
    ssh_timeout: Duration | None = option(
        None,
        help="How long to wait until the guest lets the user in, from the start of the wait; without a "
        "limit when only `ssh_handshake_attempts` is set.",
        default_text="5m",
        aliases=("ssh_wait_timeout",),
        affects_image=False,
    )
    ssh_handshake_attempts: int | None = option(
        None,
        help="Give up after so many refused logins; an attempt counts for at least 7 seconds, however "
        "often the login is tried.",
        default_text="as many as fit into `ssh_timeout`",
        affects_image=False,
    )
    pause_before_connecting: Duration = option(
        Duration(0),
        help="Once the guest lets the user in, wait so long and connect anew.",
        affects_image=False,
    )
    temporary_key_pair_type: TemporaryKeyType | None = option(
        None,
        help="The type of the key pair that is made when neither password nor key nor agent is given: "
        "`rsa`, `ecdsa` or `ed25519`.",
        default_text="`ed25519`; `rsa` when only `temporary_key_pair_bits` is set",
        affects_image=False,
    )
    temporary_key_pair_bits: int = option(
        0,
        help="Its size: for `rsa` 2048 or more, for `ecdsa` 256, 384 or 521.",
        default_text="`rsa`: 4096, `ecdsa`: 521",
        affects_image=False,
    )
    temporary_key_pair_name: str = option(
        "", help="The comment in its public half.", default_text="`vmforge_` and a UUID", affects_image=False
    )
    ssh_keypair_name: str = option(
        "", help="The name of a key pair in a cloud; means nothing on a hypervisor.", affects_image=False
    )
    ssh_clear_authorized_keys: bool = option(
        False,
        help="After provisioning, take the temporary key out of the `authorized_keys` of the user and root.",
    )
    ssh_pty: bool = option(False, help="Run commands on a terminal (some `sudo` set-ups demand one).")
    ssh_file_transfer_method: FileTransfer = option(
        FileTransfer.SFTP,
        help="How files travel: `sftp`, or `scp` for guests without an SFTP server: through a command "
        "there (`cat`, `tar`).",
        affects_image=False,
    )
    ssh_keep_alive_interval: Duration = option(
        Duration(5), help="How often to ask whether the guest is there; negative: never.", affects_image=False
    )
    ssh_read_write_timeout: Duration = option(
        Duration(0),
        help="Give a connection up when nothing has come from the guest for so long; 0: never.",
        affects_image=False,
    )
    ssh_disable_agent_forwarding: bool = option(
        False, help="Keep the guest from using your SSH agent while a command runs.", affects_image=False
    )
    ssh_ciphers: tuple[str, ...] = option(
        (), help="The ciphers to offer, best first.", default_text="the fastest first", affects_image=False
    )
    ssh_key_exchange_algorithms: tuple[str, ...] = option(
        (), help="The key exchanges to offer, best first.", affects_image=False
    )
    ssh_local_tunnels: tuple[str, ...] = option((), help="Not supported yet.", affects_image=False)
    ssh_remote_tunnels: tuple[str, ...] = option((), help="Not supported yet.", affects_image=False)
    ssh_proxy_host: str = option("", help="Not supported yet.", affects_image=False)
    ssh_proxy_port: int = option(1080, help="Not supported yet.", affects_image=False)
    ssh_proxy_username: str = option("", help="Not supported yet.", affects_image=False)
    ssh_proxy_password: Secret = option(Secret(""), help="Not supported yet.", affects_image=False)
    ssh_bastion_host: str = option("", help="Not supported yet.", affects_image=False)
    ssh_bastion_port: int = option(22, help="Not supported yet.", affects_image=False)
    ssh_bastion_username: str = option("", help="Not supported yet.", affects_image=False)
    ssh_bastion_password: Secret = option(Secret(""), help="Not supported yet.", affects_image=False)
    ssh_bastion_interactive: bool = option(False, help="Not supported yet.", affects_image=False)
    ssh_bastion_agent_auth: bool = option(False, help="Not supported yet.", affects_image=False)
    ssh_bastion_private_key_file: Path | None = option(None, help="Not supported yet.", affects_image=False)
    ssh_bastion_certificate_file: Path | None = option(None, help="Not supported yet.", affects_image=False)

    @property
    def makes_key_pair(self) -> bool:
        """Whether nothing to log in with is given, so that a key pair is made for this build."""
        return not (self.ssh_password or self.ssh_private_key_file or self.ssh_agent_auth)

    @property
    def time_limit(self) -> Duration | None:
        """How long the wait may take; None without end."""
        if self.ssh_timeout is None and self.ssh_handshake_attempts:
            return None
        return self.ssh_timeout or DEFAULT_TIMEOUT


# What each option that does nothing yet is used for, and what to do in its place.
NOT_YET = {
    "ssh_local_tunnels": "open the tunnel yourself: `ssh -L ...`",
    "ssh_remote_tunnels": "open the tunnel yourself: `ssh -R ...`",
    "ssh_proxy_host": "forward a port through the proxy yourself and set `ssh_host` and `ssh_port` to it",
    "ssh_bastion_host": "forward a port yourself (`ssh -L PORT:GUEST:22 BASTION`) and set `ssh_host` and "
    "`ssh_port` to it",
}


def problems(config: SshConfig) -> Iterator[Problem]:
    """Everything that is wrong with a configuration, judged by its values and local files."""
    yield from _unsupported(config)
    yield from _login_problems(config)
    yield from _key_problems(config)
    if not 0 < config.ssh_port < 65536:
        yield Problem(f"`ssh_port` is {config.ssh_port}, and ports go from 1 to 65535", "ssh_port")
    for name in ("ssh_timeout", "pause_before_connecting", "ssh_read_write_timeout"):
        duration = getattr(config, name)
        if duration is not None and duration.seconds < 0:
            yield Problem(f"`{name}` is negative", name, hint="write a time such as `5m`")
    if config.ssh_handshake_attempts is not None and config.ssh_handshake_attempts < 0:
        yield Problem("`ssh_handshake_attempts` is negative", "ssh_handshake_attempts")


def _unsupported(config: SshConfig) -> Iterator[Problem]:
    for name, instead in NOT_YET.items():
        if getattr(config, name):
            yield Problem(f"`{name}` is not supported yet", name, hint=instead)
    if config.ssh_keypair_name:
        yield Problem(
            "`ssh_keypair_name` names a key pair in a cloud, and means nothing here",
            "ssh_keypair_name",
            hint="remove it, or set `ssh_private_key_file`",
            warning=True,
        )


def _login_problems(config: SshConfig) -> Iterator[Problem]:
    if not config.ssh_username:
        yield Problem("`ssh_username` is empty", "ssh_username", hint="name the user that the guest knows")
    for name in ("ssh_private_key_file", "ssh_certificate_file"):
        path = getattr(config, name)
        if path is not None and not path.expanduser().is_file():
            yield Problem(f"`{name}`: there is no file `{path}`", name)
    if config.ssh_certificate_file and not config.ssh_private_key_file:
        yield Problem(
            "`ssh_certificate_file` needs the key that it is for",
            "ssh_certificate_file",
            hint="set `ssh_private_key_file`",
        )


def _key_problems(config: SshConfig) -> Iterator[Problem]:
    kind, bits = config.temporary_key_pair_type, config.temporary_key_pair_bits
    if kind is TemporaryKeyType.DSA:
        yield Problem(
            "SSH servers no longer accept `dsa` keys",
            "temporary_key_pair_type",
            hint="write `ed25519`, or leave the option out",
        )
    elif kind is TemporaryKeyType.ECDSA and bits not in (0, 256, 384, 521):
        yield Problem(
            f"an ECDSA key cannot have {bits} bits", "temporary_key_pair_bits", hint="write 256, 384 or 521"
        )
    elif kind in (None, TemporaryKeyType.RSA) and (bits < 0 or 0 < bits < 2048):
        yield Problem(
            f"an RSA key of {bits} bits is too weak; SSH servers refuse it",
            "temporary_key_pair_bits",
            hint="write 2048 or more",
        )
