"""Lists of checksums as publishers put them beside their media, and the signatures of those lists.

`SHA256SUMS` with `SHA256SUMS.gpg` or `.sign` (Debian, Ubuntu), `CHECKSUM` that is signed inside of itself
(Fedora, Rocky, Alma), `x.iso.sha256` with `x.iso.sha256.asc` (SUSE); checksum.py reads the lines.
"""

from __future__ import annotations

import hashlib
import tempfile
from dataclasses import dataclass
from pathlib import Path

from vmforge.errors import DownloadError
from vmforge.media.checksum import ListedChecksum, parse_list
from vmforge.media.download import Fetcher, FetchFailed
from vmforge.media.location import Local, Remote, mirrored, parse_location
from vmforge.media.openpgp import Signer, is_clearsigned, verify_clearsigned, verify_detached
from vmforge.sdk.cancellation import Cancellation
from vmforge.sdk.network import Network
from vmforge.sdk.ui import Ui


@dataclass(frozen=True, slots=True)
class SignedBy:
    """Who must have signed a list, or a medium: a key of the file `keyring`.

    `signature` is the URL or path of the detached signature; empty for a list that is signed inside itself.
    """

    keyring: Path
    signature: str = ""

    def keys_digest(self) -> str:
        """What tells these keys from others: a verdict holds for one set of keys. Empty when unreadable."""
        try:
            return hashlib.sha256(self.keyring.read_bytes()).hexdigest()
        except OSError:
            return ""


@dataclass(frozen=True, slots=True)
class Sums:
    """A list that was read. `signer` is whose signature on it is good; None where none was asked for."""

    place: Remote | Local
    listed: list[ListedChecksum]
    signer: Signer | None = None


@dataclass(frozen=True, slots=True)
class SumsReader:
    """Reads lists and signatures from where they are; relative paths count from `base_dir`.

    Every method raises DownloadError when something cannot be read or is not signed as it must be, HostError
    when nothing on this machine can check signatures, and Interrupted.
    """

    fetcher: Fetcher
    ui: Ui
    cancellation: Cancellation
    base_dir: Path
    network: Network

    def read(self, location: str, signed: SignedBy | None) -> Sums:
        """The checksums of a list at a URL or path, believed only once its signature is good, if one is asked
        for."""
        place = self._place(location)
        content = self._read(place, "the list of checksums")
        signer = None
        if signed is not None:
            content, signer = self._signed_part(place, content, signed)
            self.ui.message(f"`{place.name}` is signed by {signer}")
        return Sums(place, parse_list(content.decode("utf-8", errors="replace")), signer)

    def verify_medium(self, medium: Path, signed: SignedBy) -> Signer:
        """Who signed a medium itself (`x.iso.sig`, as Arch and Alpine have it)."""
        signature = self._read(self._place(signed.signature), "the signature")
        return verify_detached(medium, signature, signed.keyring, self.cancellation)

    def _signed_part(self, place: Remote | Local, content: bytes, signed: SignedBy) -> tuple[bytes, Signer]:
        if is_clearsigned(content) and not signed.signature:
            return verify_clearsigned(content, place.name, signed.keyring, self.cancellation)
        if not signed.signature:
            raise DownloadError(
                f"the list of checksums `{place}` is not signed inside of itself",
                hint="name its signature too; it is beside the list, as `.gpg`, `.sign`, `.sig` or `.asc`",
            )
        signature = self._read(self._place(signed.signature), "the signature")
        with tempfile.TemporaryDirectory(prefix="vmforge-sums-") as folder:
            # the very bytes that are believed are those that are checked
            copy = Path(folder) / (place.name if place.name not in ("", ".", "..") else "list")
            copy.write_bytes(content)
            return content, verify_detached(copy, signature, signed.keyring, self.cancellation)

    def _place(self, location: str) -> Remote | Local:
        return mirrored(parse_location(location, self.base_dir), self.network, self.base_dir)

    def _read(self, place: Remote | Local, what: str) -> bytes:
        try:
            return self.fetcher.read_bytes(place) if isinstance(place, Remote) else place.file.read_bytes()
        except (FetchFailed, OSError) as error:
            reason = (error.strerror or "").lower() if isinstance(error, OSError) else str(error)
            raise DownloadError(f"{what} `{place}` cannot be read: {reason}") from error
