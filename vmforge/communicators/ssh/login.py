"""One try at a guest: from a connection with a banner to a session with a user logged in."""

from __future__ import annotations

import contextlib
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
from vmforge.communicators.ssh import chacha
from vmforge.communicators.ssh.config import SshConfig
from vmforge.errors import CommunicatorError
from vmforge.sdk import Cancellation, Secret

# paramiko logs every failed try with a traceback; without a handler Python would print that.
logging.getLogger("paramiko").addHandler(logging.NullHandler())

# The fastest first: 64 MiB take a third less time with GCM, which needs no second pass for the MAC
# (tests/benchmarks/uploads.py). The CBC modes stay out: servers of today do not offer them.
_CIPHERS = (
    "aes128-gcm@openssh.com",
    "aes256-gcm@openssh.com",
    chacha.NAME,
    "aes128-ctr",
    "aes192-ctr",
    "aes256-ctr",
)

_KEY_CLASSES: dict[keys.KeyType, type[paramiko.PKey]] = {
    keys.KeyType.RSA: paramiko.RSAKey,
    keys.KeyType.ECDSA: paramiko.ECDSAKey,
    keys.KeyType.ED25519: paramiko.Ed25519Key,
}


# How long the user may think about a server's question.
_ANSWER_LIMIT = 300.0


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
    """Who logs in, and with what. `options` is how the options that say so begin. `ask` puts a server's
    question to the user; it is told whether the answer must not be seen."""

    user: str
    password: Secret
    key: paramiko.PKey | None
    key_name: str
    use_agent: bool
    options: str = "ssh_"
    ask: Callable[[str, bool], str] | None = None

    @classmethod
    def of(cls, config: SshConfig, key_file: Path | None) -> Credentials:
        """For the guest. Raises `CommunicatorError` when the key or its certificate is no good."""
        key = None if key_file is None else load_key(key_file, config.ssh_certificate_file)
        name = "the temporary key" if config.makes_key_pair else f"the key `{key_file}`"
        return cls(config.ssh_username, config.ssh_password, key, name, config.ssh_agent_auth)

    @classmethod
    def of_bastion(cls, config: SshConfig, ask: Callable[[str, bool], str]) -> Credentials:
        """For the bastions, all of them. Raises like `of`."""
        path = config.bastion_key_file
        return cls(
            config.ssh_bastion_username or config.ssh_username,
            config.ssh_bastion_password,
            None if path is None else load_key(path.expanduser(), config.bastion_certificate_file),
            f"the key `{path}`",
            config.ssh_bastion_agent_auth,
            "ssh_bastion_",
            ask if config.ssh_bastion_interactive else None,
        )

    def methods(self) -> Iterator[Method]:
        """All ways to log in, the surest first: a server drops who has failed too often."""
        if self.key is not None:
            yield Method("publickey", self.key_name, partial(_by_key, self.user, self.key))
        if self.use_agent:
            yield from self._agent_methods()
        if self.password:
            secret = self.password.value
            yield Method("password", "the password", partial(_by_password, self.user, secret))
            if self.ask is None:
                name = "the password (keyboard-interactive)"
                yield Method("keyboard-interactive", name, partial(_by_answers, self.user, secret))
        if self.ask is not None:
            yield Method("keyboard-interactive", "your answers", partial(_by_asking, self.user, self.ask))

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


def _by_asking(user: str, ask: Callable[[str, bool], str], transport: paramiko.Transport) -> Sequence[str]:
    def answer(title: str, text: str, prompts: list[tuple[str, bool]]) -> list[str]:
        told = " ".join(part for part in (title, text) if part)
        return [ask(f"{told} {prompt}".strip(), not shown) for prompt, shown in prompts]

    # people need longer than the rest of a login
    transport.auth_timeout = _ANSWER_LIMIT
    return transport.auth_interactive(user, answer)


def load_key(path: Path, certificate: Path | None = None) -> paramiko.PKey:
    """A private key, in whichever format it is stored, and the certificate that goes with it."""
    private = keys.read_private(path)
    text = io.StringIO(keys.as_pair(private).private.value)
    key = _KEY_CLASSES[keys.kind_of(private)].from_private_key(text)
    if certificate is None:
        return key
    certificate = certificate.expanduser()
    try:
        key.load_certificate(str(certificate))
    except (OSError, ValueError, paramiko.SSHException) as error:
        raise CommunicatorError(
            f"`{certificate}` is no certificate for the key `{path}`: {error}",
            hint="`ssh-keygen -L -f FILE` shows what a certificate is for",
        ) from error
    return key


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


@dataclass(frozen=True)
class Algorithms:
    """What to offer a server, best first; without names, what is the fastest here, or for an `emulated`
    server there. `order_host_keys` puts the host key algorithms into the order in which they are wanted."""

    ciphers: tuple[str, ...] = ()
    key_exchanges: tuple[str, ...] = ()
    order_host_keys: Callable[[Sequence[str]], tuple[str, ...]] = tuple
    emulated: bool = False

    @property
    def wanted_ciphers(self) -> tuple[str, ...]:
        # sorting is stable: the others stay as they are
        return self.ciphers or tuple(sorted(_CIPHERS, key=lambda name: self.emulated and name != chacha.NAME))


def shake_hands(
    connection: socket.socket | paramiko.Channel,
    algorithms: Algorithms,
    limit: float,
    cancellation: Cancellation,
) -> paramiko.Transport:
    """Agree on keys within `limit` seconds. Raises `TryFailed`; the connection is closed then."""
    transport = chacha.ChaChaTransport(connection)
    try:
        _choose_algorithms(transport, algorithms)
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
    hang_up(transport)
    with contextlib.suppress(paramiko.SSHException, EOFError, OSError):
        transport.sock.close()


def hang_up(transport: paramiko.Transport) -> None:
    """Close a transport, also one that runs through another that has ended: a channel says so loudly."""
    with contextlib.suppress(paramiko.SSHException, EOFError, OSError):
        transport.close()


def _disarm(transport: paramiko.Transport) -> None:
    """End paramiko's handshake timer, a thread that would hold up the end of the process."""
    transport.packetizer.complete_handshake()


def _choose_algorithms(transport: paramiko.Transport, algorithms: Algorithms) -> None:
    options = transport.get_security_options()
    options.ciphers = _known("ssh_ciphers", algorithms.wanted_ciphers, options.ciphers)
    options.key_types = algorithms.order_host_keys(options.key_types)
    if algorithms.key_exchanges:
        options.kex = _known("ssh_key_exchange_algorithms", algorithms.key_exchanges, options.kex)


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
        ways = ("password`", "private_key_file`", "agent_auth`")
        first, *others = (f"`{credentials.options}{way}" for way in ways)
        hint = f"set {first}, {' or '.join(others)} to what the server takes"
        if credentials.use_agent:
            hint = "load a key into your agent with `ssh-add`"
    return Sighting(Requirement.LOGIN, text, hint)


def _refusal_hint(credentials: Credentials) -> str:
    if credentials.key_name == "the temporary key" and credentials.key is not None:
        return (
            "put `{{ .SSHPublicKey }}` into the user's `authorized_keys` during the installation, or set "
            "`ssh_password`"
        )
    if credentials.user == "root" and credentials.key is None and credentials.ask is None:
        return "check the password; many SSH servers let root in with a key only (`PermitRootLogin`)"
    if credentials.options != "ssh_":
        return f"check `{credentials.options}username` and what goes with it"
    if credentials.key is None:
        return "check `ssh_username` and `ssh_password` against the answer file: does it create this user?"
    return "check `ssh_username` and the guest's `authorized_keys` (and its owner and mode)"
