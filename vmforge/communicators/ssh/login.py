"""One try at a guest: from a connection with a banner to a session with a user logged in."""

from __future__ import annotations

import errno
import io
import logging
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import paramiko

from vmforge.communicators import keys
from vmforge.communicators.readiness import Requirement, Sighting
from vmforge.communicators.ssh.config import SshConfig
from vmforge.errors import CommunicatorError
from vmforge.sdk import Cancellation, Secret

# paramiko logs every failed try with a traceback; without a handler Python would print that.
logging.getLogger("paramiko").addHandler(logging.NullHandler())

# What paramiko can do, the fastest first: 64 MiB take a third less time with GCM, which needs no second
# pass for the MAC (tests/benchmarks/sftp.py). The CBC modes stay out: servers of today do not offer them.
_CIPHERS = (
    "aes128-gcm@openssh.com",
    "aes256-gcm@openssh.com",
    "aes128-ctr",
    "aes192-ctr",
    "aes256-ctr",
)

_KEY_CLASSES: dict[keys.KeyType, type[paramiko.PKey]] = {
    keys.KeyType.RSA: paramiko.RSAKey,
    keys.KeyType.ECDSA: paramiko.ECDSAKey,
    keys.KeyType.ED25519: paramiko.Ed25519Key,
}


class TryFailed(Exception):
    """A try did not end with a session. `sighting` says how far it got."""

    def __init__(self, sighting: Sighting) -> None:
        super().__init__(sighting.text)
        self.sighting = sighting


@dataclass(frozen=True)
class Method:
    """One way to log in: `kind` as the protocol names it, `name` as people do. `attempt` returns the
    kinds that the server demands beside it, and raises paramiko's exceptions."""

    kind: str
    name: str
    attempt: Callable[[paramiko.Transport], Sequence[str]]


@dataclass(frozen=True)
class Credentials:
    """Who logs in, and with what."""

    user: str
    password: Secret
    key: paramiko.PKey | None
    key_name: str
    use_agent: bool

    @classmethod
    def of(cls, config: SshConfig, key_file: Path | None) -> Credentials:
        """Read the key and its certificate. Raises `CommunicatorError` when they are no good."""
        key = None if key_file is None else load_key(key_file)
        if key is not None and config.ssh_certificate_file is not None:
            path = config.ssh_certificate_file.expanduser()
            try:
                key.load_certificate(str(path))
            except (OSError, ValueError, paramiko.SSHException) as error:
                raise CommunicatorError(
                    f"`{path}` is no certificate for the key `{key_file}`: {error}",
                    hint="`ssh-keygen -L -f FILE` shows what a certificate is for",
                ) from error
        name = "the temporary key" if config.makes_key_pair else f"the key `{key_file}`"
        return cls(config.ssh_username, config.ssh_password, key, name, config.ssh_agent_auth)

    def methods(self) -> Iterator[Method]:
        """All ways to log in, the surest first: a server drops who has failed too often."""
        if self.key is not None:
            yield Method("publickey", self.key_name, partial(_by_key, self.user, self.key))
        if self.use_agent:
            yield from self._agent_methods()
        if self.password:
            secret = self.password.value
            yield Method("password", "the password", partial(_by_password, self.user, secret))
            name = "the password (keyboard-interactive)"
            yield Method("keyboard-interactive", name, partial(_by_answers, self.user, secret))

    def _agent_methods(self) -> Iterator[Method]:
        agent = paramiko.Agent()
        try:
            for key in agent.get_keys():
                name = f"the agent's key {key.get_name()} {key.fingerprint}"
                yield Method("publickey", name, partial(_by_key, self.user, key))
        finally:
            agent.close()


def _by_key(user: str, key: paramiko.PKey, transport: paramiko.Transport) -> Sequence[str]:
    return transport.auth_publickey(user, key)


def _by_password(user: str, password: str, transport: paramiko.Transport) -> Sequence[str]:
    # `fallback` would try keyboard-interactive without a word
    return transport.auth_password(user, password, fallback=False)


def _by_answers(user: str, password: str, transport: paramiko.Transport) -> Sequence[str]:
    return transport.auth_interactive(user, lambda title, text, prompts: [password] * len(prompts))


def load_key(path: Path) -> paramiko.PKey:
    """A private key, in whichever format it is stored."""
    key = keys.read_private(path)
    text = io.StringIO(keys.as_pair(key).private.value)
    return _KEY_CLASSES[keys.kind_of(key)].from_private_key(text)


class PatientSocket(socket.socket):
    """A socket whose connection breaks when nothing has arrived for `limit` seconds.

    paramiko's thread reads with a short time-out, again and again; so no other thread need watch.
    """

    limit: float = 0.0

    @classmethod
    def around(cls, plain: socket.socket, limit: float) -> PatientSocket:
        """Take over a connection; `limit` 0 means any patience."""
        patient = cls(fileno=plain.detach())
        patient.limit, patient._heard = limit, time.monotonic()
        return patient

    _heard: float = 0.0

    def recv(self, size: int, flags: int = 0, /) -> bytes:
        try:
            data = super().recv(size, flags)
        except TimeoutError:
            if self.limit and time.monotonic() - self._heard > self.limit:
                raise ConnectionAbortedError(errno.ECONNABORTED, "nothing came for too long") from None
            raise
        self._heard = time.monotonic()
        return data


def shake_hands(
    connection: socket.socket, config: SshConfig, limit: float, cancellation: Cancellation
) -> paramiko.Transport:
    """Agree on keys within `limit` seconds. Raises `TryFailed`; the connection is closed then."""
    transport = paramiko.Transport(connection)
    try:
        _choose_algorithms(transport, config)
        transport.banner_timeout = transport.handshake_timeout = transport.auth_timeout = limit
        with cancellation.on_cancel(transport.close):
            transport.start_client(timeout=limit)
            transport.get_remote_server_key()  # raises when the time was too short
    except (paramiko.SSHException, EOFError, OSError) as error:
        abandon(transport)
        cancellation.check()
        raise TryFailed(_handshake_sighting(error, transport.remote_version)) from error
    except BaseException:
        abandon(transport)
        raise
    _disarm(transport)
    return transport


def log_in(transport: paramiko.Transport, credentials: Credentials, cancellation: Cancellation) -> None:
    """Let the server check the credentials. Raises `TryFailed`; the transport is closed then."""
    try:
        with cancellation.on_cancel(transport.close):
            _try_methods(transport, credentials)
    except (paramiko.SSHException, EOFError, OSError) as error:
        abandon(transport)
        cancellation.check()
        text = f"the connection broke during the login of `{credentials.user}`: {error}"
        hint = "look at the SSH server's log in the guest: it may have dropped the connection on purpose"
        raise TryFailed(Sighting(Requirement.LOGIN, text, hint)) from error
    except BaseException:
        abandon(transport)
        raise


def abandon(transport: paramiko.Transport) -> None:
    """Close a transport, also one whose handshake has not ended."""
    _disarm(transport)
    transport.close()
    transport.sock.close()


def _disarm(transport: paramiko.Transport) -> None:
    """End paramiko's handshake timer, a thread that would hold up the end of the process."""
    transport.packetizer.complete_handshake()


def _choose_algorithms(transport: paramiko.Transport, config: SshConfig) -> None:
    options = transport.get_security_options()
    ciphers = config.ssh_ciphers or _CIPHERS
    options.ciphers = _known("ssh_ciphers", ciphers, options.ciphers)
    if config.ssh_key_exchange_algorithms:
        wanted = config.ssh_key_exchange_algorithms
        options.kex = _known("ssh_key_exchange_algorithms", wanted, options.kex)


def _known(option: str, wanted: Sequence[str], known: Sequence[str]) -> tuple[str, ...]:
    """Those of the wanted algorithms that can be used here: lists in templates name others too."""
    usable = tuple(name for name in wanted if name in known)
    if not usable:
        listed = ", ".join(f"`{name}`" for name in known)
        raise CommunicatorError(f"`{option}` names nothing that vmforge can use", hint=f"use any of {listed}")
    return usable


def _handshake_sighting(error: Exception, banner: str) -> Sighting:
    server = f"`{banner}`" if banner else "the SSH server"
    if isinstance(error, paramiko.ssh_exception.IncompatiblePeer):
        text = f"{server} and vmforge have no algorithm in common ({_in_brackets(str(error))})"
        hint = (
            "allow a newer algorithm in the guest's `sshd_config`, or look at `ssh_ciphers` and "
            "`ssh_key_exchange_algorithms`"
        )
        return Sighting(Requirement.HANDSHAKE, text, hint)
    if isinstance(error, EOFError) or "banner" in str(error):
        text = f"{server} hung up during the key exchange"
        hint = "look at the SSH server's log in the guest: has it host keys, is it being restarted?"
        return Sighting(Requirement.HANDSHAKE, text, hint)
    text = f"the key exchange with {server} failed: {error}"
    return Sighting(Requirement.HANDSHAKE, text, "look at the SSH server's log in the guest")


def _in_brackets(text: str) -> str:
    """The part that says something: "Incompatible ssh peer (no acceptable kex algorithm)"."""
    return text.partition("(")[2].rstrip(")") or text


def _try_methods(transport: paramiko.Transport, credentials: Credentials) -> None:
    """Try what the server takes, until it is content."""
    user = credentials.user
    try:
        transport.auth_none(user)
    except paramiko.BadAuthenticationType as error:
        offered = list(error.allowed_types)
    else:
        return
    wanted, tried = set(offered), list[str]()
    for method in credentials.methods():
        # with `password` on offer, keyboard-interactive would ask for the same password again
        repeats = method.kind == "keyboard-interactive" and "password" in offered
        if method.kind not in wanted or repeats:
            continue
        tried.append(method.name)
        try:
            wanted = set(method.attempt(transport))
        except paramiko.AuthenticationException:
            if not transport.is_active():
                break
        else:
            if not wanted:
                return
    raise TryFailed(_refusal(credentials, offered, tried))


def _refusal(credentials: Credentials, offered: Sequence[str], tried: Sequence[str]) -> Sighting:
    takes = ", ".join(f"`{kind}`" for kind in offered) or "nothing"
    if tried:
        text = f"login of `{credentials.user}` refused: tried {' and '.join(tried)}, the server takes {takes}"
        hint = _refusal_hint(credentials)
    else:
        text = (
            f"login of `{credentials.user}` not possible: the server takes {takes}, nothing of that is given"
        )
        hint = "set `ssh_password`, `ssh_private_key_file` or `ssh_agent_auth` to what the server takes"
        if credentials.use_agent:
            hint = "load a key into your agent with `ssh-add`"
    return Sighting(Requirement.LOGIN, text, hint)


def _refusal_hint(credentials: Credentials) -> str:
    if credentials.key_name == "the temporary key" and credentials.key is not None:
        return (
            "put `{{ .SSHPublicKey }}` into the user's `authorized_keys` during the installation, or set "
            "`ssh_password`"
        )
    if credentials.user == "root" and credentials.key is None:
        return "check the password; many SSH servers let root in with a key only (`PermitRootLogin`)"
    if credentials.key is None:
        return "check `ssh_username` and `ssh_password` against the answer file: does it create this user?"
    return "check `ssh_username` and the guest's `authorized_keys` (and its owner and mode)"
