"""From the URLs and the checksum of a template to a verified file on this machine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from vmforge.cache import Store
from vmforge.errors import DownloadError
from vmforge.media.checksum import Algorithm, Checksum, ChecksumList, choose, parse_checksum
from vmforge.media.download import Fetcher, FetchFailed, Patience
from vmforge.media.location import Local, Remote, key_of, mirrored, parse_location
from vmforge.media.partial import Origin, PartialFile
from vmforge.media.shelf import CacheShelf, Kept, Shelf, TargetShelf
from vmforge.media.sums import SignedBy, SumsReader
from vmforge.sdk.cancellation import Cancellation
from vmforge.sdk.network import Network
from vmforge.sdk.ui import Progress, Ui
from vmforge.sdk.values import format_bytes


@dataclass(frozen=True, slots=True)
class RetrievedIso:
    """A verified medium. `digest` is its SHA-256 in hex, whatever the template states."""

    path: Path
    digest: str
    from_cache: bool


def retrieve(
    urls: Sequence[str],
    checksum: str,
    *,
    store: Store,
    ui: Ui,
    cancellation: Cancellation,
    base_dir: Path,
    target_path: Path | None = None,
    extension: str = "iso",
    again: bool = False,
    fetch: bool = True,
    patience: Patience | None = None,
    network: Network | None = None,
    stated_by: str = "the template",
    signed: SignedBy | None = None,
) -> RetrievedIso:
    """The first of `urls` that can be had and is what `checksum` says.

    A file on this machine is used where it is. Others are fetched once into the store (or to
    `target_path`), also when several processes ask. Relative paths count from `base_dir`. With the
    checksum `none` a fetched file is used again as long as its server names the same version. With
    `again` everything is fetched, whatever was fetched before; without `fetch` what is not here already is
    an error. A mirror of the `network` that is a folder of this machine has its files used where they are.
    `stated_by` is who says what the checksum is; a list that has it is believed only when it is `signed` so,
    where that is given.
    Raises DownloadError, HostError, Interrupted.
    """
    sources = [parse_location(url, base_dir) for url in urls]
    if not sources:
        raise DownloadError("no URL is given for the ISO", hint="set `iso_url`")
    allowed = network or Network()
    fetcher = Fetcher(ui, cancellation, patience, allowed)
    stated = _remembered(checksum, urls, store, allowed, signed)
    if stated is None:
        reader = SumsReader(fetcher, ui, cancellation, base_dir, allowed)
        stated = resolve_checksum(checksum, sources, reader, signed)
        remember_listed(checksum, urls, stated, store, signed)
    key = str(stated) if stated else url_key(urls)
    shelf: Shelf
    if target_path is None or (allowed.offline and not (base_dir / target_path).exists()):
        shelf = CacheShelf(store, key, stated, extension)
    else:
        shelf = TargetShelf(store, key, stated, base_dir / target_path)
    retrieval = _Retrieval(sources, stated, store, shelf, fetcher, ui, cancellation, allowed)
    retrieval.again, retrieval.may_fetch, retrieval.stated_by = again, fetch, stated_by
    return retrieval.run()


def medium_key(urls: Sequence[str], checksum: str) -> str:
    """What the medium of these URLs is kept under in the store, as far as an `iso_checksum` tells. Raises
    ValueError for one that is malformed."""
    parsed = parse_checksum(checksum)
    if parsed is None:
        return url_key(urls)
    return listed_key(parsed, urls) if isinstance(parsed, ChecksumList) else str(parsed)


def url_key(urls: Sequence[str]) -> str:
    """What a medium without a checksum is kept under."""
    return "url:" + "\n".join(map(key_of, urls))


def listed_key(listed: ChecksumList, urls: Sequence[str]) -> str:
    """Under which key the store remembers what a list said about the file of these URLs."""
    return "listed:" + "\n".join(map(key_of, (listed.location, *urls)))


def _remembered(
    text: str, urls: Sequence[str], store: Store, network: Network, signed: SignedBy | None
) -> Checksum | None:
    """What a list that may not be asked now said when it was; checked by the same keys, if by any."""
    try:
        parsed = parse_checksum(text)
    except ValueError:
        return None
    if not isinstance(parsed, ChecksumList) or network.allows(parsed.location):
        return None
    record = store.bound(listed_key(parsed, urls)) or {}
    if signed is not None and record.get("keys") != signed.keys_digest():
        return None
    found = parse_checksum(record.get("checksum", "none"))
    return found if isinstance(found, Checksum) else None


def remember_listed(
    text: str, urls: Sequence[str], stated: Checksum | None, store: Store, signed: SignedBy | None = None
) -> None:
    """Note what a list (`text` is an `iso_checksum`) said about the file of these URLs, for when it cannot be
    asked, and by whose keys it was checked."""
    parsed = parse_checksum(text)
    if isinstance(parsed, ChecksumList) and stated is not None:
        key, record = listed_key(parsed, urls), {"checksum": str(stated)}
        known = store.bound(key) or {}
        if signed is not None:
            record["keys"] = signed.keys_digest()
        elif known.get("checksum") == str(stated):
            record = known  # it was checked once, and says the same
        if known != record:
            store.bind(key, record)


def resolve_checksum(
    text: str, sources: Sequence[Remote | Local], reader: SumsReader, signed: SignedBy | None = None
) -> Checksum | None:
    """The checksum that an `iso_checksum` comes to, looked up in its list if it names one; None for `none`.

    Raises DownloadError when it is malformed, or when the list cannot be read, lacks the file or is not
    `signed` as it must be; HostError when that cannot be told on this machine.
    """
    try:
        parsed = parse_checksum(text)
    except ValueError as error:
        raise DownloadError(str(error)) from error
    if not isinstance(parsed, ChecksumList):
        return parsed
    sums = reader.read(parsed.location, signed)
    found = choose(sums.listed, [source.path for source in sources])
    if found is None:
        names = ", ".join(f"`{item.name}`" for item in sums.listed[:5] if item.name)
        raise DownloadError(
            f"the list of checksums `{sums.place}` has none for `{sources[0].name}`",
            hint=f"it names {names}" if names else "it holds no checksums at all; is it the right file?",
        )
    return found


class _Unusable(Exception):
    """One source could not be used; the next may do."""


class _Retrieval:
    """One call of `retrieve`."""

    def __init__(
        self,
        sources: Sequence[Remote | Local],
        stated: Checksum | None,
        store: Store,
        shelf: Shelf,
        fetcher: Fetcher,
        ui: Ui,
        cancellation: Cancellation,
        network: Network,
    ) -> None:
        self._sources = sources
        self._stated = stated
        self._store = store
        self._shelf = shelf
        self._fetcher = fetcher
        self._ui = ui
        self._cancellation = cancellation
        self._network = network
        self.again = False
        self.may_fetch = True
        self.stated_by = "the template"

    def run(self) -> RetrievedIso:
        failures: list[str] = []
        for source in self._sources:
            if failures:
                self._ui.warn(f"{failures[-1]}; trying `{source}`")
            try:
                if isinstance(source, Local):
                    return self._use_local(source)
                return self._cached_or_fetched(source)
            except _Unusable as failure:
                failures.append(str(failure))
        if len(failures) == 1:
            raise DownloadError(failures[0], hint=self._hint())
        listed = "".join(f"\n  {failure}" for failure in failures)
        raise DownloadError(f"none of the {len(failures)} URLs could be used:{listed}", hint=self._hint())

    def _hint(self) -> str:
        if all(isinstance(source, Local) for source in self._sources):
            return "check `iso_url` and `iso_checksum`"
        return "check `iso_url` and `iso_checksum`, and whether this machine reaches the server"

    def _use_local(self, source: Local) -> RetrievedIso:
        path = source.file
        try:
            with _Watch(f"Checking {source.name}", self._ui, self._cancellation) as watch:
                digests = self._store.digests.digests(path, _algorithms(self._stated), watch)
        except FileNotFoundError as error:
            raise _Unusable(f"there is no file `{path}`") from error
        except OSError as error:
            raise _Unusable(f"`{path}` cannot be read: {(error.strerror or str(error)).lower()}") from error
        self._verify(source, digests)
        return RetrievedIso(path, digests[Algorithm.SHA256], from_cache=False)

    def _cached_or_fetched(self, source: Remote) -> RetrievedIso:
        with self._shelf.lock(self._cancellation, self._tell_waiting):
            kept = None if self.again else self._find(source)
            if kept is not None:
                self._ui.message(f"already fetched: {kept.path}")
                return RetrievedIso(kept.path, kept.digest, from_cache=True)
            place = mirrored(source, self._network, Path())
            if isinstance(place, Local):
                return self._use_local(place)
            if not self.may_fetch:
                raise _Unusable(f"`{source}` has not been fetched yet")
            return self._fetch(source)

    def _find(self, source: Remote) -> Kept | None:
        """What was fetched before, if it is still what it should be."""
        with _Watch(f"Checking {source.name}", self._ui, self._cancellation) as watch:
            kept = self._shelf.find(watch, self._tell_damage)
        return kept if kept is not None and self._is_current(kept.path, source) else None

    def _is_current(self, path: Path, source: Remote) -> bool:
        """Whether a kept file is still what its server has, where no checksum says what it should be."""
        if self._stated is not None:
            return True
        origin = self._shelf.origin()
        if not origin.url or not self._network.allows(origin.url):
            return True
        # what the store knows of a URL does not let anybody in
        asked = source if origin.url == str(source) else Remote(origin.url)
        try:
            return origin.is_same_file(self._fetcher.probe(asked))
        except FetchFailed as failure:
            self._ui.warn(f"using {path} although its server could not be asked for a newer one: {failure}")
            return True

    def _tell_waiting(self, holder: str) -> None:
        who = f"process {holder}" if holder else "another process"
        self._ui.message(f"waiting for {who}, which is fetching or checking the same ISO")

    def _tell_damage(self, path: Path) -> None:
        self._ui.warn(f"{path} is not what it should be; fetching it again")

    def _fetch(self, source: Remote) -> RetrievedIso:
        staged = self._shelf.staged()
        with (
            _Watch(f"Checking {staged.name}", self._ui, self._cancellation) as watch,
            PartialFile(staged, _algorithms(self._stated), watch) as partial,
        ):
            if partial.size:
                self._ui.message(f"{format_bytes(partial.size)} are there from an earlier attempt")
            self._ui.message(f"downloading {source}")
            self._fetch_verified(source, partial)
            kept = self._shelf.accept(staged, partial.digests(), partial.origin or Origin())
            partial.forget_origin()
        return RetrievedIso(kept.path, kept.digest, from_cache=False)

    def _fetch_verified(self, source: Remote, partial: PartialFile) -> None:
        """Fetch until the file is what it should be. A wrong one is deleted; what broke off is kept."""
        for last in (False, True):
            try:
                self._fetcher.fetch(source, partial, verifiable=self._stated is not None)
            except FetchFailed as failure:
                raise _Unusable(f"`{source}` could not be fetched: {failure}") from failure
            try:
                self._verify(source, partial.digests())
                return
            except _Unusable:
                if last or not partial.resumed:
                    partial.discard()
                    raise
            # one of the parts may have been of another version
            self._ui.message("the parts do not make the file that is expected; fetching all of it again")
            partial.restart()

    def _verify(self, source: Remote | Local, digests: dict[str, str]) -> None:
        if self._stated is None:
            return
        actual = digests[self._stated.algorithm]
        if actual != self._stated.digest:
            raise _Unusable(
                f"`{source}` is not the file that {self.stated_by} states: its {self._stated.algorithm} is "
                f"{actual}, expected {self._stated.digest}"
            )


def _algorithms(stated: Checksum | None) -> set[str]:
    return {str(Algorithm.SHA256), str(stated.algorithm if stated else Algorithm.SHA256)}


class _Watch:
    """Counts bytes that are being hashed: shows them once they are many, and ends when told to."""

    _MANY = 256 * 1024 * 1024

    def __init__(self, title: str, ui: Ui, cancellation: Cancellation) -> None:
        self._title = title
        self._ui = ui
        self._cancellation = cancellation
        self._done = 0
        self._progress: Progress | None = None

    def __call__(self, count: int) -> None:
        self._cancellation.check()
        self._done += count
        if self._progress is not None:
            self._progress.advance(count)
        elif self._done > self._MANY:
            self._progress = self._ui.progress(self._title, None)
            self._progress.__enter__()
            self._progress.advance(self._done)

    def __enter__(self) -> _Watch:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._progress is not None:
            self._progress.__exit__(kind, error, trace)
            self._progress = None
