"""The proxy of one build: listens where its guest can reach it, and counts."""

from __future__ import annotations

import functools
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING

from http_server.listener import Listener, listen
from vmforge.errors import HostError
from vmforge.package_cache.counts import Tally
from vmforge.package_cache.handler import Handler
from vmforge.package_cache.tunnel import Tunnels
from vmforge.sdk.network import RemoteInput, RemoteKind
from vmforge.sdk.packages import PackageCounts

if TYPE_CHECKING:
    from vmforge.package_cache.cache import PackageCache


@dataclass(frozen=True, slots=True)
class Usage:
    """Whom a proxy is used by, if anybody wants to know; see `sdk.packages.PackageCache`."""

    by: str
    goes_on: bool


class Proxy:
    """Listens for as long as the `with` block runs (the contract is `sdk.packages.PackageProxy`)."""

    def __init__(self, cache: PackageCache, host: str, aliases: Mapping[str, str], usage: Usage) -> None:
        self.cache, self.host, self.aliases = cache, host, aliases
        self.tally = Tally()
        self.tunnels = Tunnels()
        self.stopped = threading.Event()
        self._usage = usage
        self._used: set[str] = set()
        self._missing: dict[str, None] = {}
        self._listener: Listener | None = None
        self.port = 0

    def __enter__(self) -> Proxy:
        try:
            self._listener = listen(self.host, None, functools.partial(Handler, proxy=self))
        except OSError as error:
            raise HostError(f"cannot serve the package cache on `{self.host}`: {error.strerror}") from None
        self.port = self._listener.server_port
        self._listener.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stopped.set()
        self.cache.wake_readers()
        self.tunnels.close()
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.stop()
        if self._usage.by:
            beside = self._usage.goes_on or error is not None
            self.cache.shelf.note_used(self._usage.by, self._used, beside=beside)

    def counts(self) -> PackageCounts:
        """See `PackageProxy`."""
        return self.tally.counts

    def missing(self) -> tuple[str, ...]:
        """See `PackageProxy`."""
        return tuple(self._missing)

    # -- for its connections ------------------------------------------------------------------

    def note_used(self, url: str) -> None:
        self._used.add(url)

    def note_missing(self, url: str) -> None:
        self._missing[url] = None
        self.cache.network.miss(RemoteInput(RemoteKind.GUEST, "what the guest asks for", (url,)))

    def is_itself(self, host: str, port: int) -> bool:
        """Whether a request leads back to this proxy."""
        own = (self.host, *(name for name, address in self.aliases.items() if address == self.host))
        return port == self.port and host in own
