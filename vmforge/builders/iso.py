"""The installer's medium: the options that name it, and fetching it through the shared cache."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from vmforge.sdk import BuildContext, Config, Problem, option
from vmforge.sdk.decoding import UNKNOWN_TEXT
from vmforge.sdk.network import RemoteInput, RemoteKind, file_of, is_local
from vmforge.sdk.values import expand_home

if TYPE_CHECKING:
    from vmforge.cache.layers import Hold
    from vmforge.media.iso_source import RetrievedIso
    from vmforge.media.sums import SignedBy


@dataclass(frozen=True, kw_only=True)
class IsoOptions(Config):
    """Options of every builder that installs from an ISO or starts from a disk image."""

    iso_url: str = option("", help="Where the ISO is: http, https, file, or a path.")
    iso_urls: tuple[str, ...] = option((), help="Several places of the same ISO, tried in order.")
    iso_checksum: str = option(
        "",
        help="What the ISO must be: `sha256:HEX` (also md5, sha1, sha512), the bare hex digits, "
        "`file:URL` of a checksum list, or `none`.",
    )
    iso_checksum_type: str = option(
        "", help="The kind of `iso_checksum`; Packer 1.6 dropped it for a prefix, as in `sha256:HEX`."
    )
    iso_checksum_url: str = option(
        "", help="A checksum list; Packer 1.6 dropped it for `iso_checksum` = `file:URL`."
    )
    iso_keyring: Path | None = option(
        None,
        help="The publisher's public keys: the list that `iso_checksum` names is believed only when one of "
        "them signed it.",
        affects_image=False,
    )
    iso_signature: str = option(
        "",
        help="Where the detached OpenPGP signature of that list is, unless the list is signed inside itself.",
        affects_image=False,
    )
    iso_target_path: Path | None = option(
        None,
        help="Put the ISO there in place of the cache; one that is a file of this machine stays where it is.",
        affects_image=False,
        written=True,
    )
    iso_target_extension: str = option(
        "iso", help="The file name extension in the cache.", affects_image=False
    )
    iso_skip_cache: bool = option(
        False,
        help="Fetch the ISO again, whatever the cache has. `iso_checksum` may then be left out.",
        affects_image=False,
    )

    @property
    def urls(self) -> tuple[str, ...]:
        return (self.iso_url,) if self.iso_url else self.iso_urls

    @property
    def signed_by(self) -> SignedBy | None:
        """Who must have signed the list of checksums; None where nobody is named."""
        from vmforge.media.sums import SignedBy

        if self.iso_keyring is None:
            return None
        return SignedBy(expand_home(self.iso_keyring).absolute(), self.iso_signature)

    @property
    def checksum(self) -> str:
        """`iso_checksum` as it is written today, whatever the template's age; empty when not stated."""
        if self.iso_checksum_type == "none":
            return "none"
        if self.iso_checksum_url:
            return f"file:{self.iso_checksum_url}"
        if self.iso_checksum_type and self.iso_checksum and ":" not in self.iso_checksum:
            return f"{self.iso_checksum_type}:{self.iso_checksum}"
        return self.iso_checksum


def check_iso(options: IsoOptions) -> Iterable[Problem]:
    """What is wrong with the options, judged by their values."""
    from vmforge.media.checksum import ChecksumList, parse_checksum

    if options.iso_url and options.iso_urls:
        yield Problem("`iso_url` and `iso_urls` are both set", "iso_urls", hint="keep one of them")
    if not options.urls:
        yield Problem("there is no ISO to install from", hint="set `iso_url` (or `iso_urls`)")
    for old in ("iso_checksum_type", "iso_checksum_url"):
        if getattr(options, old):
            hint = f'write `iso_checksum = "{options.checksum}"`'
            yield Problem(f"`{old}` is an old way to write `iso_checksum`", old, hint=hint, warning=True)
    if not options.checksum and not options.iso_skip_cache:
        hint = 'set `iso_checksum = "sha256:..."`, or "none" to trust whatever comes'
        yield Problem("`iso_checksum` is not set", hint=hint)
    try:
        parsed = parse_checksum(options.checksum or "none")
    except ValueError as error:
        yield Problem(str(error), "iso_checksum")
        return
    if options.iso_signature and options.iso_keyring is None:
        hint = "set `iso_keyring` to a file of the publisher's public keys"
        yield Problem("`iso_signature` says nothing without the publisher's keys", "iso_signature", hint=hint)
    if options.iso_keyring is not None and not isinstance(parsed, ChecksumList):
        hint = 'set `iso_checksum = "file:..."`: it is the publisher\'s list that is signed'
        yield Problem("`iso_keyring` is set, and `iso_checksum` names no list", "iso_keyring", hint=hint)


def retrieve_iso(options: IsoOptions, context: BuildContext, *, fetch: bool = True) -> RetrievedIso:
    """The ISO, verified, from the cache or from where it is; without `fetch` only if it is on this machine.
    Raises `DownloadError`."""
    from vmforge.cache import Store, default_root
    from vmforge.media.iso_source import medium_key, retrieve

    checksum = options.checksum or "none"
    locked = context.locked_media.get(medium_key(options.urls, checksum), "")
    again = options.iso_skip_cache and fetch
    if again and context.network.offline:
        context.ui.warn("offline: `iso_skip_cache` is not heeded, the ISO that was fetched before is used")
    return retrieve(
        options.urls,
        locked or checksum,
        store=Store(default_root(os.environ)),
        ui=context.ui,
        cancellation=context.cancellation,
        base_dir=Path.cwd(),
        target_path=options.iso_target_path,
        extension=options.iso_target_extension,
        again=again and not context.network.offline,
        fetch=fetch,
        network=context.network,
        stated_by="the lock file" if locked else "the template",
        signed=options.signed_by,
    )


class HeldIso:
    """The ISO, for as long as the build runs: nobody deletes it from the cache meanwhile."""

    def __init__(self, options: IsoOptions, context: BuildContext) -> None:
        self._options = options
        self._context = context
        self._hold: Hold | None = None

    def __enter__(self) -> RetrievedIso:
        from vmforge.cache import Store, default_root
        from vmforge.cache.in_use import hold_object

        store = Store(default_root(os.environ))
        while True:
            found = retrieve_iso(self._options, self._context)
            if found.path.parent != store.root / "objects":
                return found  # a file of the user's
            self._hold = hold_object(store, found.path)
            if self._hold is not None:
                return found
            # it was deleted since it was looked at
            self._context.cancellation.check()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._hold is not None:
            self._hold.close()
            self._hold = None


def remote_iso(options: IsoOptions) -> Iterator[RemoteInput]:
    """The medium and the list with its checksum, where they are not files of this machine."""
    from vmforge.media.checksum import ChecksumList, parse_checksum
    from vmforge.media.iso_source import medium_key

    checksum = options.checksum or "none"
    try:
        key, parsed = medium_key(options.urls, checksum), parse_checksum(checksum)
    except ValueError:  # which `check_iso` reports
        return
    keys = options.signed_by.keys_digest() if options.signed_by is not None else ""
    # one that a data source will tell may be anywhere
    if any(not is_local(url) or UNKNOWN_TEXT in url for url in options.urls):
        yield RemoteInput(
            RemoteKind.MEDIUM,
            "the ISO" if options.iso_target_extension == "iso" else "the image",
            options.urls,
            "" if checksum == "none" else checksum,
            key,
            options.iso_target_extension,
            options.iso_target_path,
            options.iso_keyring,
            options.iso_signature,
            keys,
        )
    if isinstance(parsed, ChecksumList) and not is_local(parsed.location):
        yield RemoteInput(RemoteKind.CHECKSUMS, "its checksum", (parsed.location,), key=key, keys=keys)
    if options.iso_signature and not is_local(options.iso_signature):
        # what a list said is remembered with whose keys it was checked by
        yield RemoteInput(RemoteKind.CHECKSUMS, "the list's signature", (options.iso_signature,), key=key)


def local_iso(options: IsoOptions) -> Iterator[Path]:
    """The medium and the list with its checksum, where they are files of this machine."""
    from vmforge.media.checksum import ChecksumList, parse_checksum

    places = list(options.urls)
    try:
        parsed = parse_checksum(options.checksum or "none")
    except ValueError:  # which `check_iso` reports
        parsed = None
    if isinstance(parsed, ChecksumList):
        places += [parsed.location, *([options.iso_signature] if options.iso_signature else [])]
    if options.iso_keyring is not None:
        yield options.iso_keyring
    yield from (path for place in places if (path := file_of(place)) is not None)
