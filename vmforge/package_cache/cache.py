"""The package cache of a run: decides for each request what to send, and joins those for the same URL."""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Mapping
from email.message import Message
from types import TracebackType
from typing import BinaryIO, Final

from vmforge.cache import Store
from vmforge.package_cache.counts import Tally
from vmforge.package_cache.fetch import Fetch, Wanted
from vmforge.package_cache.headers import mirror_headers, own_headers, wants_reload
from vmforge.package_cache.proxy import Proxy, Usage
from vmforge.package_cache.request import Request
from vmforge.package_cache.shelf import Kept, PackageShelf, Ready, open_file
from vmforge.package_cache.upstream import Upstream
from vmforge.package_cache.urls import Refused, is_lasting
from vmforge.sdk.network import Network, file_of

log = logging.getLogger("vmforge.package_cache")

# Where a mirror cannot be asked whether a file has changed, because it named neither its date nor its tag,
# the file is not fetched again for so long. Debian's archive changes four times a day.
FRESH_SECONDS: Final = 3600.0


class PackageCache:
    """Keeps what guests fetch over HTTP, for all builds of a run (the contract is `sdk.packages`).

    Packages and what is named by its checksum are kept for good; for everything else the mirror is asked
    each time whether it has changed, unless the `network` is not to be asked. What comes from the mirror of a
    URL is kept under the URL. `limit` is how many bytes may be kept when the run ends; None means any.
    """

    def __init__(
        self,
        store: Store,
        *,
        network: Network | None = None,
        limit: int | None = None,
    ) -> None:
        self.shelf = PackageShelf(store)
        self.network = network or Network()
        self.upstream = Upstream(self.network)
        self.name = f"vmforge-{uuid.uuid4().hex[:12]}"
        self._limit = limit
        self._lock = threading.Lock()
        self._fetches: dict[str, Fetch] = {}
        self._running: set[Fetch] = set()
        self._idle = threading.Condition(self._lock)

    def __enter__(self) -> PackageCache:
        self.shelf.sweep()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Break off what is still being fetched; what has come is kept."""
        self.upstream.close()
        with self._lock:
            # not for those that still look for a mirror: they will find this closed
            self._idle.wait_for(lambda: not any(fetch.is_receiving for fetch in self._running))
        if self._limit is not None:
            self.shelf.prune(self._limit)

    def serve(
        self,
        host: str,
        *,
        aliases: Mapping[str, str] | None = None,
        used_by: str = "",
        goes_on: bool = False,
    ) -> Proxy:
        """See `sdk.packages.PackageCache`."""
        return Proxy(self, host, dict(aliases or {}), Usage(used_by, goes_on))

    # -- for the proxies ----------------------------------------------------------------------

    def obtain(self, request: Request) -> Ready | Fetch:
        """What to answer a request with: something that is kept, or a fetch that has begun, which the caller
        has to leave.

        Raises Refused for what is not kept when nothing may be fetched.
        """
        url = request.target.url
        ready = None if request.is_private else self._find(url)
        if ready is not None and self._may_be_sent(ready.kept, request.headers):
            return ready
        kept = None
        if ready is not None:
            ready.body.close()
            kept = ready.kept
        if not request.is_local:
            self._check_network(url)
            if (file := file_of(self.network.mirrors.place_of(url))) is not None:
                return open_file(file, url)
        fetch = self._start(self._wanted(request, kept), request.tally)
        return fetch if fetch is not None else self.obtain(request)

    def open_kept(self, kept: Kept) -> BinaryIO | None:
        return self.shelf.open(kept)

    def wake_readers(self) -> None:
        """Let those who wait for a fetch look whether they are stopped."""
        with self._lock:
            running = list(self._running)
        for fetch in running:
            fetch.wake()

    def _find(self, url: str) -> Ready | None:
        kept = self.shelf.find(url)
        body = self.shelf.open(kept) if kept is not None else None
        return Ready(kept, body) if kept is not None and body is not None else None

    def _check_network(self, url: str) -> None:
        """Raises Refused when no mirror of a URL may be asked."""
        if self.network.allows(url):
            return
        if self.shelf.was_absent(url):
            raise Refused(404, f"the mirror had no `{url}` when it was last asked")
        raise Refused(504, f"this build is offline, and the package cache does not have `{url}`")

    def _may_be_sent(self, kept: Kept, client: Message) -> bool:
        """Whether the mirror need not be asked first."""
        if not self.network.allows(kept.url):
            return True
        if wants_reload(client):
            return False
        if is_lasting(kept.url):
            return True
        return not kept.can_be_confirmed and 0 <= time.time() - kept.fetched < FRESH_SECONDS

    def _wanted(self, request: Request, kept: Kept | None) -> Wanted:
        via, target, aliases = f"1.1 {self.name}", request.target, request.aliases
        if request.is_private or (request.method == "HEAD" and kept is None):
            return Wanted(request.method, target, own_headers(request.headers, via), aliases, keeps=False)
        return Wanted("GET", target, mirror_headers(request.headers, kept, via), aliases, kept)

    def _start(self, wanted: Wanted, tally: Tally) -> Fetch | None:
        """A fetch that is read: the running one of the same URL, if there is one; None when one has ended
        since the URL was looked for."""
        fetch = Fetch(wanted, self.upstream, self.shelf, tally, self._ended)
        with self._lock:
            running = self._fetches.get(wanted.url) if wanted.keeps else None
            if running is not None and running.join():
                return running
            if wanted.keeps and wanted.kept is None and self.shelf.find(wanted.url) is not None:
                return None
            if wanted.keeps:
                self._fetches[wanted.url] = fetch
            self._running.add(fetch)
        fetch.start()
        return fetch

    def _ended(self, fetch: Fetch) -> None:
        with self._lock:
            self._running.discard(fetch)
            if self._fetches.get(fetch.wanted.url) is fetch:
                del self._fetches[fetch.wanted.url]
            self._idle.notify_all()
