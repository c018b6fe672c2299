"""One `vmforge iso add`: a file or a URL, checked, and in the cache."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vmforge.cli.iso_desk import Desk
from vmforge.errors import DownloadError, UsageError, VmforgeError

if TYPE_CHECKING:
    from vmforge.media.location import Local, Remote
    from vmforge.media.sums import SignedBy


@dataclass(frozen=True)
class Addition:
    """One `vmforge iso add`."""

    desk: Desk
    iso: str
    checksum: str
    signed: SignedBy | None
    url: str

    def run(self) -> tuple[str, str]:
        """The digest of what is now in the cache, and who signed it ("" where that was not asked)."""
        from vmforge.media.location import Local

        if self.signed is not None and not self._has_list() and not self.signed.signature:
            hint = "give `-sums` for a list, or `-signature` for the ISO's own"
            raise UsageError("`-keyring` is given, and nothing that is signed", hint=hint)
        place = self.desk.place(self.iso)
        if isinstance(place, Local):
            return self._add_file(place)
        if self.url:
            raise UsageError("`-url` is for files; a URL is known by itself", hint="leave it out")
        return self._fetch()

    def _has_list(self) -> bool:
        return self.checksum.startswith("file:")

    def _add_file(self, place: Local) -> tuple[str, str]:
        from vmforge.media.iso_adding import add_file
        from vmforge.media.iso_source import remember_listed, resolve_checksum
        from vmforge.media.location import Remote

        url = self.url or (self.iso if "://" in self.iso and not self.iso.startswith("file:") else "")
        names: list[Remote | Local] = [Remote(url), place] if url else [place]
        signed = self.signed if self._has_list() else None
        stated = resolve_checksum(self.checksum, names, self.desk.reader(), signed)
        signers: list[str] = []
        try:
            total = place.file.stat().st_size
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise DownloadError(f"`{place}` cannot be read: {reason}") from error
        with self.desk.shown.progress(f"Reading {place.name}", total, "B") as progress:
            digest = add_file(
                self.desk.store,
                place.file,
                stated,
                url=url,
                cancellation=self.desk.cancellation,
                on_bytes=progress.advance,
                accept=lambda path: signers.append(self._signer_of(path)),
            )
        if url:
            remember_listed(self.checksum, [url], stated, self.desk.store, signed)
        return digest, signers[0]

    def _fetch(self) -> tuple[str, str]:
        from vmforge.media.iso_adding import note_places
        from vmforge.media.iso_source import retrieve

        signed = self.signed if self._has_list() else None
        found = retrieve(
            [self.iso],
            self.checksum,
            store=self.desk.store,
            ui=self.desk.ui,
            cancellation=self.desk.cancellation,
            base_dir=Path.cwd(),
            network=self.desk.network,
            stated_by="the checksum",
            signed=signed,
        )
        try:
            signer = self._signer_of(found.path)
        except VmforgeError:
            if not found.from_cache:
                self.desk.store.discard(found.path)
            raise
        if self.checksum != "none":  # which says what its server has, and is to be asked for a newer one
            note_places(self.desk.store, found.digest, None, self.iso)
        return found.digest, signer

    def _signer_of(self, medium: Path) -> str:
        """Who signed the medium itself, if that is asked for. Raises `DownloadError` when nobody did."""
        if self.signed is None or self._has_list():
            return ""
        return str(self.desk.reader().verify_medium(medium, self.signed))
