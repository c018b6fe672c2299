"""The package cache as a builder sees it: a proxy near the guest, and what went through it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class PackageCounts:
    """What a proxy did so far, apart from what it passed on of this machine's own services. Bytes are those
    of bodies.

    A hit sent no body from a mirror; those of them for which a mirror was asked whether anything had changed
    are `revalidated` too, those whose mirror could not be reached `stale`. What is neither hit nor miss was
    refused or failed.
    """

    requests: int = 0
    hits: int = 0
    misses: int = 0
    revalidated: int = 0
    stale: int = 0
    refused: int = 0
    tunnels: int = 0
    from_mirrors: int = 0
    served: int = 0
    tunnelled: int = 0


class PackageProxy(Protocol):
    """A proxy that listens."""

    @property
    def port(self) -> int: ...

    def counts(self) -> PackageCounts: ...

    def missing(self) -> Sequence[str]:
        """The URLs that were asked for and, because nothing may be fetched, not answered."""


class PackageCache(Protocol):
    """Keeps what guests fetch over HTTP, for all builds of a run."""

    def serve(
        self,
        host: str,
        *,
        aliases: Mapping[str, str] | None = None,
        used_by: str = "",
        goes_on: bool = False,
    ) -> AbstractContextManager[PackageProxy]:
        """A proxy on an address of this machine. `aliases` are the names by which the guest knows this
        machine's own services, each with the address to connect to; what they send is passed on and not
        kept. What the proxy sends is noted as used by `used_by`: in place of what was noted before, or
        beside it, if the machine `goes_on` where an earlier one was or if the build fails. Entering it raises
        `HostError`."""
