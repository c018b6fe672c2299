"""What can be said about the options of `communicator = "ssh"` without a network."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from vmforge.communicators.ssh.addresses import parse_hops, parse_proxy, parse_tunnel
from vmforge.communicators.ssh.config import SshConfig, TemporaryKeyType
from vmforge.sdk import Problem
from vmforge.sdk.late import check_late
from vmforge.sdk.values import expand_home

# What the tunnels' `{{ }}` may name.
TUNNEL_FIELDS = ("HTTPIP", "HTTPPort")


def problems(config: SshConfig) -> Iterator[Problem]:
    """Everything that is wrong with a configuration, judged by its values and local files."""
    yield from _login_problems(config)
    yield from _key_problems(config)
    yield from _bastion_problems(config)
    yield from _proxy_problems(config)
    yield from _tunnel_problems(config)
    for name in ("ssh_port", "ssh_bastion_port", "ssh_proxy_port"):
        if not 0 < (port := getattr(config, name)) < 65536:
            yield Problem(f"`{name}` is {port}, and ports go from 1 to 65535", name)
    for name in ("ssh_timeout", "pause_before_connecting", "ssh_read_write_timeout"):
        duration = getattr(config, name)
        if duration is not None and duration.seconds < 0:
            yield Problem(f"`{name}` is negative", name, hint="write a time such as `5m`")
    if config.ssh_handshake_attempts is not None and config.ssh_handshake_attempts < 0:
        yield Problem("`ssh_handshake_attempts` is negative", "ssh_handshake_attempts")


def _login_problems(config: SshConfig) -> Iterator[Problem]:
    if not config.ssh_username:
        yield Problem("`ssh_username` is empty", "ssh_username", hint="name the user that the guest knows")
    yield from _file_problems(config, "ssh")


def _file_problems(config: SshConfig, prefix: str) -> Iterator[Problem]:
    """The key and certificate of the guest (`ssh`) or of the bastions (`ssh_bastion`)."""
    key, certificate = f"{prefix}_private_key_file", f"{prefix}_certificate_file"
    for name in (key, certificate):
        path = getattr(config, name)
        if path is not None and not expand_home(path).is_file():
            yield Problem(f"`{name}`: there is no file `{path}`", name)
    if getattr(config, certificate) and not getattr(config, key):
        yield Problem(f"`{certificate}` needs the key that it is for", certificate, hint=f"set `{key}`")


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


def _bastion_problems(config: SshConfig) -> Iterator[Problem]:
    if not config.ssh_bastion_host:
        return
    yield from _parse_problems(
        lambda: parse_hops(config.ssh_bastion_host, config.ssh_bastion_port), "ssh_bastion_host"
    )
    yield from _file_problems(config, "ssh_bastion")
    ways_in = (
        config.ssh_bastion_password,
        config.bastion_key_file,
        config.ssh_bastion_agent_auth,
        config.ssh_bastion_interactive,
    )
    if not any(ways_in):
        yield Problem(
            "nothing to log in to the bastion with is given",
            "ssh_bastion_host",
            hint="set `ssh_bastion_private_key_file`, `ssh_bastion_agent_auth` or `ssh_bastion_password`",
        )


def _proxy_problems(config: SshConfig) -> Iterator[Problem]:
    if config.ssh_proxy_host:
        yield from _parse_problems(
            lambda: parse_proxy(config.ssh_proxy_host, config.ssh_proxy_port), "ssh_proxy_host"
        )


def _tunnel_problems(config: SshConfig) -> Iterator[Problem]:
    for name in ("ssh_local_tunnels", "ssh_remote_tunnels"):
        for text in getattr(config, name):
            if "{{" in text:
                yield from check_late(text, TUNNEL_FIELDS, name)
            else:
                yield from _parse_problems(lambda text=text: parse_tunnel(text), name)  # type: ignore[misc]


def _parse_problems(parse: Callable[[], object], option: str) -> Iterator[Problem]:
    try:
        parse()
    except ValueError as error:
        yield Problem(f"`{option}`: {error}", option)
