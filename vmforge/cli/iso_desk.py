"""What the commands of `vmforge iso` share: the store, and what reading and fetching need."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vmforge.cli.offline_options import network_of
from vmforge.cli.terminal import Terminal
from vmforge.errors import UsageError

if TYPE_CHECKING:
    from vmforge.cache import Store
    from vmforge.media.iso_catalog import IsoCatalog, KeptIso
    from vmforge.media.location import Local, Remote
    from vmforge.media.sums import SignedBy, SumsReader
    from vmforge.sdk import Cancellation, Ui
    from vmforge.sdk.network import Network


@dataclass(frozen=True)
class Desk:
    """The store, and what reading and fetching need, for one command."""

    shown: Terminal
    store: Store
    ui: Ui
    cancellation: Cancellation
    network: Network

    @classmethod
    @contextmanager
    def open(cls, shown: Terminal) -> Iterator[Desk]:
        """Raises `HostError` where there can be no store."""
        from vmforge.cache import Store, default_root
        from vmforge.cli.signals import Signals
        from vmforge.sdk import Cancellation

        cancellation = Cancellation()
        with Signals(cancellation, lambda: None):
            store = Store(default_root(os.environ))
            yield cls(shown, store, shown.ui("iso"), cancellation, network_of())

    def catalog(self) -> IsoCatalog:
        from vmforge.media.iso_catalog import IsoCatalog

        return IsoCatalog(self.store)

    def reader(self) -> SumsReader:
        from vmforge.media.download import Fetcher
        from vmforge.media.sums import SumsReader

        fetcher = Fetcher(self.ui, self.cancellation, network=self.network)
        return SumsReader(fetcher, self.ui, self.cancellation, Path.cwd(), self.network)

    def medium(self, text: str) -> tuple[Remote | Local, KeptIso | None]:
        """The medium that a FILE, a URL or an ID means, and what it is in the cache, if it is meant there."""
        from vmforge.media.location import Local

        if "://" in text or Path(text).expanduser().exists():
            return self.place(text), None
        (entry,) = self.catalog().chosen([text])
        return Local(entry.item.path), entry

    def place(self, text: str) -> Remote | Local:
        """What a FILE or URL on the command line means."""
        from vmforge.media.location import mirrored, parse_location

        return mirrored(parse_location(text, Path.cwd()), self.network, Path.cwd())


def signed_by(signature: str, keyring: Path | None) -> SignedBy | None:
    """Whose signature is asked for. Raises `UsageError`."""
    if keyring is None:
        if signature:
            raise UsageError("`-signature` says nothing without the publisher's keys", hint="give `-keyring`")
        return None
    from vmforge.media.sums import SignedBy

    return SignedBy(keyring.expanduser().absolute(), signature)
