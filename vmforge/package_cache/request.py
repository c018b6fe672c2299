"""A client's request, with what its proxy knows of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from email.message import Message

from vmforge.package_cache.counts import Tally
from vmforge.package_cache.headers import is_private
from vmforge.package_cache.urls import Target


@dataclass(frozen=True, slots=True)
class Request:
    """What a client asks a proxy for. The proxy gives its `aliases`, and its `tally` to count what comes from
    mirrors."""

    method: str
    target: Target
    headers: Message
    aliases: Mapping[str, str]
    tally: Tally

    @property
    def is_local(self) -> bool:
        """Whether this machine itself is asked."""
        return self.target.host in self.aliases

    @property
    def is_private(self) -> bool:
        """Whether the answer is neither taken from the shelf nor put there."""
        return self.is_local or is_private(self.headers)
