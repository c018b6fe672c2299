"""The media of builds, for bundles and lock files: fetched where need be, and how they are found again."""

from __future__ import annotations

from pathlib import Path

from vmforge.bundles.collecting import Collection
from vmforge.cache import Store
from vmforge.errors import DownloadError
from vmforge.media.checksum import ChecksumList, parse_checksum
from vmforge.media.download import Fetcher
from vmforge.media.iso_source import RetrievedIso, resolve_checksum, retrieve
from vmforge.media.location import parse_location
from vmforge.media.sums import SignedBy, SumsReader
from vmforge.sdk.cancellation import Cancellation
from vmforge.sdk.network import Network, RemoteInput, shown_url
from vmforge.sdk.ui import Ui


class MediaDesk:
    """Gets media for one command. Raises `DownloadError`, `HostError`, `Interrupted`."""

    def __init__(self, store: Store, ui: Ui, cancellation: Cancellation, network: Network) -> None:
        self._store = store
        self._ui = ui
        self._cancellation = cancellation
        self._network = network

    def retrieve(self, wanted: RemoteInput) -> RetrievedIso:
        """The medium, verified, from the store or from where it is."""
        return retrieve(
            wanted.urls,
            wanted.checksum or "none",
            store=self._store,
            ui=self._ui,
            cancellation=self._cancellation,
            base_dir=Path.cwd(),
            extension=wanted.extension,
            network=self._network,
            signed=_signed(wanted),
        )

    def checksum(self, wanted: RemoteInput) -> str:
        """What the medium must be, as `sha256:HEX` or another type: as it is stated or listed, else as it is
        now."""
        parsed = parse_checksum(wanted.checksum or "none")
        if parsed is None:
            return f"sha256:{self.retrieve(wanted).digest}"
        if not isinstance(parsed, ChecksumList):
            return str(parsed)
        sources = [parse_location(url, Path.cwd()) for url in wanted.urls]
        fetcher = Fetcher(self._ui, self._cancellation, network=self._network)
        reader = SumsReader(fetcher, self._ui, self._cancellation, Path.cwd(), self._network)
        found = resolve_checksum(wanted.checksum, sources, reader, _signed(wanted))
        if found is None:
            raise DownloadError(f"there is no checksum for `{shown_url(wanted.urls[0])}`")
        return str(found)

    def add_to(self, collection: Collection, wanted: RemoteInput) -> None:
        """Put the medium into a bundle, with all keys that a build looks it up by."""
        medium = self.retrieve(wanted)
        origin = shown_url(wanted.urls[0])
        collection.add_object(medium.digest, wanted.extension, medium.path, origin)
        key = wanted.key
        said = self._store.bound(key) or {}
        if "checksum" in said:  # by a list, and perhaps whose keys that was checked by
            collection.bind(key, said)
            key = said["checksum"]
        record = self._store.bound(key) or {}
        if record.get("sha256") != medium.digest:  # a file of a mirror's, used where it is
            record = {"sha256": medium.digest, "size": str(medium.path.stat().st_size)}
        known = {"url": origin, "etag": "", "last_modified": "", "size": ""}
        collection.bind(key, {**known, **record, "url": origin})


def _signed(wanted: RemoteInput) -> SignedBy | None:
    """Who must have signed the list with the medium's checksum."""
    if wanted.keyring is None:
        return None
    return SignedBy(wanted.keyring.expanduser().absolute(), wanted.signature)
