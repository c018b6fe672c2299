"""The media in the shared store as a list: what each is, where it is from, and whether somebody uses it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Final

from vmforge.cache import Store, StoredObject
from vmforge.cache.in_use import discard_unused, is_in_use
from vmforge.errors import VmforgeError
from vmforge.media.checksum import Algorithm
from vmforge.media.iso import IsoImage
from vmforge.media.iso_identity import IsoIdentity, identify_image

# What is noted of an image is made again when these change.
_DETECTION: Final = "1"
_ISO: Final = "iso"
# Keys that a retrieval binds; others lead to objects that are no media.
_URL_KEY: Final = "url:"
_LISTED_KEY: Final = "listed:"
_MEDIUM_KEYS: Final = (_URL_KEY, *(f"{algorithm}:" for algorithm in Algorithm))
# How many letters of a digest one must give.
SHORTEST_ID: Final = 4


@dataclass(frozen=True, slots=True)
class KeptIso:
    """A medium in the store. `urls` are those that it is found by, as given; `label` is its volume id."""

    item: StoredObject
    identity: IsoIdentity
    label: str
    urls: tuple[str, ...]

    @property
    def digest(self) -> str:
        return self.item.digest


class IsoCatalog:
    """The media of a store."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def entries(self) -> list[KeptIso]:
        """Every medium, the longest unused first. What is no ISO image is listed as unknown."""
        media = {record.get("sha256", "") for key, record in self._bindings if key.startswith(_MEDIUM_KEYS)}
        found = (item for item in self.store.objects() if item.extension == _ISO or item.digest in media)
        return [self.describe(item) for item in found]

    def chosen(self, ids: Sequence[str]) -> list[KeptIso]:
        """Those that ids mean: the first letters of a digest, or a URL. Raises VmforgeError for an id that
        means none, or several."""
        entries = self.entries()
        return list({entry.digest: entry for entry in (_one(entries, wanted) for wanted in ids)}.values())

    def describe(self, item: StoredObject) -> KeptIso:
        """What an object is; looked into once, and remembered."""
        identity, label = self._identity(item)
        return KeptIso(item, identity, label, tuple(sorted(set(self._urls(item)))))

    def in_use(self, entry: KeptIso) -> bool:
        return is_in_use(self.store, entry.item.path)

    def is_whole(self, entry: KeptIso, on_bytes: Callable[[int], None]) -> bool:
        """Whether a medium is what its name says, read again in full. OSError comes through."""
        self.store.digests.forget(entry.item.path)
        return self.digest(entry, Algorithm.SHA256, on_bytes) == entry.digest

    def digest(self, entry: KeptIso, algorithm: Algorithm, on_bytes: Callable[[int], None]) -> str:
        """A digest of a medium, from memory where it has not changed. OSError comes through."""
        return self.store.digests.digests(entry.item.path, [algorithm], on_bytes)[algorithm]

    def remove(self, entry: KeptIso) -> bool:
        """Delete a medium and what is known of it; False when somebody uses it."""
        if not discard_unused(self.store, entry.item.path):
            return False
        for key, record in list(self.store.bindings("")):
            if key == _identity_key(entry.digest) or record.get("sha256") == entry.digest:
                self.store.unbind(key, record)
        return True

    def prune(self, limit: int, *, unused_since: float, rehearse: bool) -> list[KeptIso]:
        """Delete the longest unused media until what is left takes up at most `limit` bytes, and none was
        last used before `unused_since`; never one that is in use. Returns what was, or would be, deleted."""
        entries, deleted = self.entries(), list[KeptIso]()
        total = sum(entry.item.size for entry in entries)
        for entry in entries:
            if total <= limit and entry.item.last_used >= unused_since:
                break
            if self.in_use(entry) if rehearse else not self.remove(entry):
                continue
            total -= entry.item.size
            deleted.append(entry)
        return deleted

    @cached_property
    def _bindings(self) -> list[tuple[str, dict[str, str]]]:
        return [*self.store.bindings("")]

    def _urls(self, item: StoredObject) -> Iterator[str]:
        for key, record in self._bindings:
            if key.startswith(_URL_KEY) and record.get("sha256") == item.digest:
                yield from key.removeprefix(_URL_KEY).splitlines()
            elif key.startswith(_LISTED_KEY) and record.get("checksum") == f"sha256:{item.digest}":
                yield from key.splitlines()[1:]
            elif record.get("sha256") == item.digest and record.get("url"):
                yield record["url"]
        if item.origin:
            yield item.origin

    def _identity(self, item: StoredObject) -> tuple[IsoIdentity, str]:
        key = _identity_key(item.digest)
        record = self.store.bound(key) or {}
        if record.get("detection") == _DETECTION:
            fields = json.loads(record["identity"])
            return IsoIdentity(**{**fields, "editions": tuple(fields["editions"])}), record["label"]
        try:
            with IsoImage(item.path) as image:
                identity, label = identify_image(image), image.volume_id
        except VmforgeError:
            return IsoIdentity(), ""  # a disk image, or a damaged one
        self.store.bind(
            key, {"detection": _DETECTION, "identity": json.dumps(asdict(identity)), "label": label}
        )
        return identity, label


def _identity_key(digest: str) -> str:
    return f"iso identity:{digest}"


def _one(entries: Sequence[KeptIso], wanted: str) -> KeptIso:
    found = [entry for entry in entries if wanted in entry.urls]
    if not found and len(wanted) >= SHORTEST_ID:
        found = [
            entry for entry in entries if entry.digest.startswith(wanted.lower().removeprefix("sha256:"))
        ]
    if len(found) == 1:
        return found[0]
    if not found:
        raise VmforgeError(f"the cache has no ISO `{wanted}`", hint="`vmforge iso list` lists them")
    listed = ", ".join(f"`{entry.digest[:12]}` ({entry.identity.title})" for entry in found)
    raise VmforgeError(f"`{wanted}` means several ISOs", hint=f"name one by its digest: {listed}")
