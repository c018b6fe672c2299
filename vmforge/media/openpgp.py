"""OpenPGP signatures of checksum lists and media (RFC 9580): checked against the keys of one file.

By the program `gpgv`, which is what publishers tell their users to use and is there on nearly every machine;
where it is not, by the library pysequoia (`vmforge[openpgp]`), which a bundle of wheels can bring. Nothing is
looked up in a user's own keyrings, and no key server is asked.
"""

from __future__ import annotations

import base64
import binascii
import importlib.util
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from shutil import which
from typing import Any, Final

from vmforge.errors import DownloadError, HostError
from vmforge.sdk.cancellation import Cancellation

_SIGNATURE_TAG: Final = 2
_PUBLIC_KEY_TAG: Final = 6
_CLEARSIGNED: Final = b"-----BEGIN PGP SIGNED MESSAGE-----"
# a keybox of GnuPG says so within its first bytes
_KEYBOX: Final = slice(8, 12), b"KBXf"


@dataclass(frozen=True, slots=True)
class Signer:
    """Whose signature is good: the fingerprint of the key (in upper-case hex) and the name in it."""

    fingerprint: str
    name: str

    def __str__(self) -> str:
        return f"{self.name} ({self.fingerprint})" if self.name else self.fingerprint


def is_clearsigned(text: bytes) -> bool:
    """Whether a text is, or has, one that is signed inside of itself, as Fedora's CHECKSUM files are."""
    return text.startswith(_CLEARSIGNED) or b"\n" + _CLEARSIGNED in text


def verify_detached(data: Path, signature: bytes, keyring: Path, cancellation: Cancellation) -> Signer:
    """Who signed a file, by its detached signature (`.gpg`, `.sig`, `.asc`, `.sign`; armoured or not).

    Raises DownloadError when no key of `keyring` did, or one made a signature that is bad, HostError when
    nothing on this machine can tell.
    """
    keys = _read_keys(keyring)
    try:
        packets = list(_packets(dearmour(signature)))
    except ValueError as error:
        raise DownloadError(f"the signature of `{data.name}` cannot be read: {error}") from error
    if not packets or any(tag != _SIGNATURE_TAG for tag, _ in packets):
        # a message that holds the text which it signs would be good whatever the file is
        raise DownloadError(f"what is given as the signature of `{data.name}` is no detached signature")
    if (program := which("gpgv")) is not None:
        return _Gpgv(program, keys, cancellation).detached(data, signature)
    return _sequoia(keys).detached(data, [packet for _, packet in packets])


def verify_clearsigned(
    text: bytes, name: str, keyring: Path, cancellation: Cancellation
) -> tuple[bytes, Signer]:
    """The signed part of a text, and who signed it. What stands outside of that is not returned.

    `name` is what errors call the text. Raises as `verify_detached` does.
    """
    keys = _read_keys(keyring)
    if (program := which("gpgv")) is not None:
        return _Gpgv(program, keys, cancellation).clearsigned(text, name)
    return _sequoia(keys).clearsigned(text, name)


def dearmour(data: bytes) -> bytes:
    """The packets in what may be armoured (RFC 9580, section 6.2), several blocks after each other too.
    Raises ValueError when the armour is damaged."""
    if not data.lstrip().startswith(b"-----BEGIN PGP "):
        return data
    packets, body, within = b"", b"", False
    for line in map(bytes.strip, data.splitlines()):
        if line.startswith(b"-----BEGIN PGP "):
            body, within = b"", True
        elif line.startswith(b"-----END PGP ") and within:
            packets, within = packets + _decoded(body), False
        elif within and not line.startswith(b"=") and b":" not in line:  # no checksum, no header
            body += line
    if within or not packets:
        raise ValueError("its armour is damaged")
    return packets


def _decoded(body: bytes) -> bytes:
    try:
        return base64.b64decode(body, validate=True)
    except binascii.Error as error:
        raise ValueError("its armour is damaged") from error


def _read_keys(keyring: Path) -> bytes:
    """The keys of a file, without armour; a keybox as it is."""
    try:
        keys = dearmour(keyring.read_bytes())
        place, mark = _KEYBOX
        if keys[place] != mark and next(iter(_packets(keys)), (0, b""))[0] != _PUBLIC_KEY_TAG:
            raise ValueError("it holds no public key")
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise DownloadError(f"the keyring `{keyring}` cannot be read: {reason}") from error
    except ValueError as error:
        raise DownloadError(
            f"`{keyring}` is no keyring: {error}",
            hint="give a file of public keys, as `gpg --export` writes it (armoured or not)",
        ) from error
    return keys


def _packets(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The tag of each packet, and all its bytes (RFC 9580, section 4.2). Raises ValueError."""
    position = 0
    while position < len(data):
        header = data[position]
        if not header & 0x80:
            raise ValueError("it is not in OpenPGP's format")
        modern = bool(header & 0x40)
        tag = header & 0x3F if modern else (header >> 2) & 0x0F
        body, length = _modern_length(data, position + 1) if modern else _old_length(data, position)
        if body + length > len(data):
            raise ValueError("it breaks off")
        yield tag, data[position : body + length]
        position = body + length


def _modern_length(data: bytes, at: int) -> tuple[int, int]:
    """Where a packet's body begins, and how long it is."""
    first = data[at] if at < len(data) else 0
    if first < 192:
        return at + 1, first
    if first < 224:
        return at + 2, ((first - 192) << 8) + int.from_bytes(data[at + 1 : at + 2], "big") + 192
    if first < 255:
        raise ValueError("it comes in parts, which keys and signatures do not")
    return at + 5, int.from_bytes(data[at + 1 : at + 5], "big")


def _old_length(data: bytes, at: int) -> tuple[int, int]:
    kind = data[at] & 3
    if kind == 3:
        raise ValueError("it has no length, which keys and signatures have")
    size = 1 << kind
    return at + 1 + size, int.from_bytes(data[at + 1 : at + 1 + size], "big")


# -- gpgv ---------------------------------------------------------------------------------------


class _Gpgv:
    """The program of GnuPG that does nothing but this; what it found is read from its status lines, which
    `doc/DETAILS` in its source describes."""

    def __init__(self, program: str, keys: bytes, cancellation: Cancellation) -> None:
        self._program = program
        self._keys = keys
        self._cancellation = cancellation

    def detached(self, data: Path, signature: bytes) -> Signer:
        with tempfile.TemporaryDirectory(prefix="vmforge-gpgv-") as folder:
            (Path(folder) / "signature").write_bytes(signature)
            return self._run(Path(folder), data.name, [f"{folder}/signature", str(data.absolute())])

    def clearsigned(self, text: bytes, name: str) -> tuple[bytes, Signer]:
        with tempfile.TemporaryDirectory(prefix="vmforge-gpgv-") as folder:
            (Path(folder) / "signed").write_bytes(text)
            signer = self._run(Path(folder), name, ["--output", f"{folder}/text", f"{folder}/signed"])
            return (Path(folder) / "text").read_bytes(), signer

    def _run(self, folder: Path, name: str, arguments: list[str]) -> Signer:
        (folder / "keys").write_bytes(self._keys)
        command = [self._program, "--homedir", str(folder), "--keyring", f"{folder}/keys", "--status-fd", "1"]
        process = subprocess.Popen(
            [*command, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        with process, self._cancellation.on_cancel(process.kill):
            output, _ = process.communicate()
        self._cancellation.check()
        return _judge(output.decode("utf-8", errors="replace"), name)


def _judge(status: str, name: str) -> Signer:
    """The signer whom `gpgv`'s status lines name. One good signature is enough, a bad one too much."""
    said: dict[str, list[str]] = {}
    for line in status.splitlines():
        word, _, rest = line.removeprefix("[GNUPG:] ").partition(" ")
        said.setdefault(word, []).append(rest)
    if "BADSIG" in said:
        raise DownloadError(
            f"the signature of `{name}` is bad: it is not what {_user(said['BADSIG'][0])} signed",
            hint="do not use it; fetch it and its signature again, from another mirror too",
        )
    if "GOODSIG" in said:
        # VALIDSIG follows the line about the signature that it is about; its last field is the primary key
        lines = [line.removeprefix("[GNUPG:] ") for line in status.splitlines()]
        good = next(at for at, line in enumerate(lines) if line.startswith("GOODSIG "))
        valid = next((line for line in lines[good:] if line.startswith("VALIDSIG ")), "")
        return Signer(valid.split()[-1] if valid else "", _user(said["GOODSIG"][0]))
    for word, reason in (
        ("EXPKEYSIG", "the key has expired"),
        ("REVKEYSIG", "the key was revoked"),
        ("EXPSIG", "the signature has expired"),
    ):
        if word in said:
            raise DownloadError(
                f"the signature of `{name}`, by {_user(said[word][0])}, cannot count: {reason}"
            )
    if "NO_PUBKEY" in said:
        raise _unknown_key(name, said["NO_PUBKEY"][0].strip())
    raise DownloadError(f"the signature of `{name}` cannot be read", hint="is it the right file?")


def _user(rest: str) -> str:
    return rest.partition(" ")[2]


def _unknown_key(name: str, key: str) -> DownloadError:
    return DownloadError(
        f"`{name}` is signed by a key that is not in the keyring: {key}",
        hint="get the publisher's key from its own pages, and put it into the keyring",
    )


# -- pysequoia ----------------------------------------------------------------------------------


def _sequoia(keys: bytes) -> _Sequoia:
    if importlib.util.find_spec("pysequoia") is None:
        raise HostError(
            "nothing on this machine can check OpenPGP signatures",
            hint="install the program `gpgv` (packages `gpgv`, `gnupg2`), or `pip install vmforge[openpgp]`",
        )
    return _Sequoia(keys)


class _Sequoia:
    """The library; what it raises is RuntimeError, with a backtrace in it."""

    def __init__(self, keys: bytes) -> None:
        import pysequoia

        self._library: Any = pysequoia
        try:
            self._certificates = pysequoia.Cert.split_bytes(keys)
        except RuntimeError as error:
            raise DownloadError(f"the keyring cannot be read: {_first_line(error)}") from error

    def detached(self, data: Path, signatures: list[bytes]) -> Signer:
        reason = ""
        for signature in signatures:
            try:
                found = self._library.verify(
                    file=str(data), store=self._store, signature=self._library.Sig.from_bytes(signature)
                )
                return self._signer(found)
            except RuntimeError as error:
                reason = _first_line(error)
        raise self._bad(data.name, reason)

    def clearsigned(self, text: bytes, name: str) -> tuple[bytes, Signer]:
        try:
            found = self._library.verify(bytes=text, store=self._store)
        except RuntimeError as error:
            raise self._bad(name, _first_line(error)) from error
        return bytes(found.bytes), self._signer(found)

    def _store(self, ids: list[str]) -> list[Any]:
        return list(self._certificates)

    def _signer(self, found: Any) -> Signer:
        fingerprint = str(found.valid_sigs[0].certificate)
        names = [c.user_ids for c in self._certificates if c.fingerprint == fingerprint]
        return Signer(fingerprint.upper(), str(names[0][0]) if names and names[0] else "")

    def _bad(self, name: str, reason: str) -> DownloadError:
        return DownloadError(
            f"no key of the keyring made a good signature of `{name}`: {reason}",
            hint="fetch it, its signature and the publisher's key again",
        )


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0].lower().rstrip(".")
