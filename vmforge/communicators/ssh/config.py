"""The options of `communicator = "ssh"`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from vmforge.sdk import Config, Duration, Secret, option

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
    """All options of the SSH communicator; `checks.py` judges them."""

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
    ssh_host_key_changes: bool = option(
        False,
        help="Let the guest's host key change while it is being built, as one does that is installed anew "
        "or that makes itself new keys.",
        affects_image=False,
    )
    ssh_local_tunnels: tuple[str, ...] = option(
        (),
        help="Ports of this machine that lead into the guest's network: `PORT:HOST:HOSTPORT`, as `ssh -L` "
        "has it; knows `{{ .HTTPIP }}` and `{{ .HTTPPort }}`.",
        late=True,
        affects_image=False,
    )
    ssh_remote_tunnels: tuple[str, ...] = option(
        (),
        help="Ports of the guest that lead into this machine's network: `PORT:HOST:HOSTPORT`, as `ssh -R` "
        "has it; knows `{{ .HTTPIP }}` and `{{ .HTTPPort }}`.",
        late=True,
        affects_image=False,
    )
    ssh_proxy_host: str = option(
        "",
        help="Connect through this proxy: a SOCKS5 proxy's name, or a URL: `socks5://HOST:PORT`, "
        "`http://HOST:PORT`.",
        affects_image=False,
    )
    ssh_proxy_port: int = option(1080, help="Its port, where no URL names one.", affects_image=False)
    ssh_proxy_username: str = option("", help="The user whom the proxy lets through.", affects_image=False)
    ssh_proxy_password: Secret = option(Secret(""), help="That user's password.", affects_image=False)
    ssh_bastion_host: str = option(
        "",
        help="Connect through this SSH server, or through several in a row: `[USER@]HOST[:PORT],...`.",
        affects_image=False,
    )
    ssh_bastion_port: int = option(
        22, help="The port of a bastion that has none of its own.", affects_image=False
    )
    ssh_bastion_username: str = option(
        "",
        help="The user to log in to the bastions as.",
        default_text="`ssh_username`",
        affects_image=False,
    )
    ssh_bastion_password: Secret = option(Secret(""), help="That user's password.", affects_image=False)
    ssh_bastion_interactive: bool = option(
        False, help="Put the bastions' questions (a one-time code, say) to you.", affects_image=False
    )
    ssh_bastion_agent_auth: bool = option(
        False, help="Log in to the bastions with the keys of your SSH agent.", affects_image=False
    )
    ssh_bastion_private_key_file: Path | None = option(
        None,
        help="A private key to log in to the bastions with.",
        default_text="`ssh_private_key_file`",
        affects_image=False,
    )
    ssh_bastion_certificate_file: Path | None = option(
        None,
        help="The certificate that goes with it.",
        default_text="`ssh_certificate_file`, with `ssh_private_key_file`",
        affects_image=False,
    )

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

    @property
    def bastion_key_file(self) -> Path | None:
        """The key to log in to bastions with, as Packer chooses it."""
        return self.ssh_bastion_private_key_file or self.ssh_private_key_file

    @property
    def bastion_certificate_file(self) -> Path | None:
        """The certificate that goes with `bastion_key_file`."""
        if self.ssh_bastion_certificate_file or self.ssh_bastion_private_key_file:
            return self.ssh_bastion_certificate_file
        return self.ssh_certificate_file
