"""The installer's medium: the options that name it, and fetching it through the shared cache."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vmforge.sdk import BuildContext, Config, Problem, option

if TYPE_CHECKING:
    from vmforge.media.iso_source import RetrievedIso


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
    iso_target_path: Path | None = option(
        None,
        help="Put the ISO there in place of the cache; one that is a file of this machine stays where it is.",
        affects_image=False,
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
    from vmforge.media.checksum import parse_checksum

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
        parse_checksum(options.checksum or "none")
    except ValueError as error:
        yield Problem(str(error), "iso_checksum")


def retrieve_iso(options: IsoOptions, context: BuildContext, *, fetch: bool = True) -> RetrievedIso:
    """The ISO, verified, from the cache or from where it is; without `fetch` only if it is on this machine.
    Raises `DownloadError`."""
    from vmforge.cache import Store, default_root
    from vmforge.media.iso_source import retrieve

    return retrieve(
        options.urls,
        options.checksum or "none",
        store=Store(default_root(os.environ)),
        ui=context.ui,
        cancellation=context.cancellation,
        base_dir=Path.cwd(),
        target_path=options.iso_target_path,
        extension=options.iso_target_extension,
        again=options.iso_skip_cache and fetch,
        fetch=fetch,
    )
