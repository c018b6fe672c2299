"""`vmforge iso`: installers' images in the shared cache, where builds find them."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from vmforge.cli.ages import age
from vmforge.cli.cache_listing import count_text, size_text
from vmforge.cli.flags import Command, Group
from vmforge.cli.iso_addition import Addition
from vmforge.cli.iso_checks import Checks
from vmforge.cli.iso_desk import Desk, signed_by
from vmforge.cli.iso_listing import (
    described,
    inspection_as_json,
    iso_as_json,
    iso_rows,
    kept_text,
    short_id,
    title_of,
)
from vmforge.cli.terminal import Terminal
from vmforge.errors import UsageError

if TYPE_CHECKING:
    from vmforge.media.iso_catalog import IsoCatalog, KeptIso

NAME = "iso"

command = typer.Typer(
    cls=Group,
    help="Put installers' ISOs into the cache that builds share; list, check, delete and look into them.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

_ALL: Final = "all"

AsJson = Annotated[bool, typer.Option("--json", help="As JSON; sizes in bytes, times in seconds since 1970.")]
Sums = Annotated[
    str,
    typer.Option("--sums", metavar="FILE|URL", help="The publisher's list of checksums (`SHA256SUMS`)."),
]
Signature = Annotated[
    str,
    typer.Option(
        "--signature",
        metavar="FILE|URL",
        help="The detached OpenPGP signature of that list; without a list, of the ISO itself.",
    ),
]
Keyring = Annotated[
    Path | None,
    typer.Option(
        "--keyring",
        metavar="FILE",
        help="The publisher's public keys. Given alone: the list is signed inside of itself.",
    ),
]
Ids = Annotated[
    list[str],
    typer.Argument(metavar="[ID...]", help="First letters of a digest, or a URL.", show_default=False),
]


@command.command("add", cls=Command)
def add(
    context: typer.Context,
    iso: Annotated[str, typer.Argument(metavar="FILE|URL", help="The ISO.", show_default=False)],
    checksum: Annotated[
        str,
        typer.Option("--checksum", help="What it must be, as in `iso_checksum`: `sha256:...`, `file:...`."),
    ] = "",
    sums: Sums = "",
    signature: Signature = "",
    keyring: Keyring = None,
    url: Annotated[
        str, typer.Option("--url", help="The URL by which templates name a FILE: builds find it by that.")
    ] = "",
) -> None:
    """Check an ISO and put it into the cache.

    Builds find it there by its URL, its SHA-256 and the checksum that was given here, and fetch nothing.
    """
    shown: Terminal = context.obj
    if checksum and sums:
        raise UsageError("`-checksum` and `-sums` are both given", hint="keep one of them")
    signed = signed_by(signature, keyring)
    with Desk.open(shown) as desk:
        request = Addition(desk, iso, f"file:{sums}" if sums else checksum or "none", signed, url)
        digest, signer = request.run()
        (entry,) = desk.catalog().chosen([digest])
        for line in kept_text(entry, signer):
            shown.print(line)
        if not entry.label and not entry.identity.known:
            shown.note("warning: this is no ISO image that says what it is; builds get it as it is")


@command.command("list", cls=Command)
def list_(context: typer.Context, as_json: AsJson = False) -> None:
    """List the ISOs in the cache, also those that builds put there."""
    shown: Terminal = context.obj
    with Desk.open(shown) as desk:
        catalog = desk.catalog()
        entries = catalog.entries()
        used = [catalog.in_use(entry) for entry in entries]
    if as_json:
        listed = [iso_as_json(entry, use) for entry, use in zip(entries, used, strict=True)]
        shown.print(json.dumps(listed, indent=2, ensure_ascii=False))
    elif entries:
        for line in iso_rows(entries, used):
            shown.print(line)
    else:
        shown.print(f"there is no ISO in the cache `{desk.store.root}`")


@command.command("verify", cls=Command)
def verify(
    context: typer.Context,
    ids: Ids = [],
    sums: Sums = "",
    signature: Signature = "",
    keyring: Keyring = None,
    remove: Annotated[bool, typer.Option("--remove", help="Delete what is damaged.")] = False,
) -> int:
    """Read ISOs again in full (all of them, unless ids are given); exits with 1 when one is not what it was.

    With a list of checksums, or a signature, also whether it is what the publisher states.
    """
    shown: Terminal = context.obj
    signed = signed_by(signature, keyring)
    with Desk.open(shown) as desk:
        catalog = desk.catalog()
        everything = not ids or ids == [_ALL]
        entries = catalog.entries() if everything else catalog.chosen(ids)
        checks = Checks(desk, catalog, entries, sums, signed, named=not everything)
        judged = checks.run()
        for entry, verdict in judged:
            line = f"{verdict.word:<7}  {short_id(entry)}  {title_of(entry)}"
            shown.print(f"{line}: {verdict.reason}" if verdict.reason else line)
            if remove and verdict.damaged:
                done = catalog.remove(entry)
                shown.print("         deleted" if done else "         in use, and not deleted")
    failed = [entry for entry, verdict in judged if verdict.reason]
    found = f"{len(failed)} of them not as they should be" if failed else "all as they should be"
    shown.print(f"{count_text(entries, 'ISO')} read" + (f", {found}" if entries else ""))
    return 1 if failed else 0


@command.command("prune", cls=Command)
def prune(
    context: typer.Context,
    ids: Ids = [],
    older_than: Annotated[
        str,
        typer.Option(
            "--older-than", metavar="AGE", help="Delete what was unused for so long (`30d`, `12h`)."
        ),
    ] = "",
    keep_size: Annotated[
        str, typer.Option("--keep-size", metavar="SIZE", help="Leave ISOs of this size at most (`20G`).")
    ] = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", "-n", help="Delete nothing; say what would be.")
    ] = False,
) -> None:
    """Delete ISOs: the named ones, those long unused, or the longest unused down to a size.

    Never one that a running build uses.
    """
    shown: Terminal = context.obj
    if bool(ids) == bool(older_than or keep_size):
        hint = "give ids, or `-older-than`, or `-keep-size`; `vmforge iso list` shows what there is"
        raise UsageError("which ISOs are to be deleted?", hint=hint)
    with Desk.open(shown) as desk:
        catalog = desk.catalog()
        if ids:
            deleted = [entry for entry in catalog.chosen(ids) if _removed(shown, catalog, entry, dry_run)]
        else:
            since = time.time() - age(older_than, "-older-than") if older_than else 0.0
            deleted = catalog.prune(_size(keep_size), unused_since=since, rehearse=dry_run)
    verb = "would delete" if dry_run else "deleted"
    for entry in deleted:
        shown.print(f"{verb} {short_id(entry)}  {size_text(entry.item.size):>9}  {title_of(entry)}")
    freed = size_text(sum(entry.item.size for entry in deleted))
    shown.print(f"{freed} {'would be freed' if dry_run else 'freed'}")


@command.command("inspect", cls=Command)
def inspect(
    context: typer.Context,
    iso: Annotated[str, typer.Argument(metavar="FILE|URL|ID", help="The ISO.", show_default=False)],
    as_json: AsJson = False,
) -> None:
    """Look into an ISO: what it installs, how it boots, its kernel.

    Of one at a URL only the parts that tell are read.
    """
    from vmforge.media.iso_inspection import inspect_iso

    shown: Terminal = context.obj
    with Desk.open(shown) as desk:
        place, kept = desk.medium(iso)
        found = inspect_iso(place, desk.reader().fetcher)
    if as_json:
        shown.print(json.dumps(inspection_as_json(found, kept), indent=2, ensure_ascii=False))
        return
    for line in described(found, kept):
        shown.print(line)


def _size(text: str) -> int:
    from vmforge.sdk.values import Size

    try:
        return Size.parse(text).bytes if text else sys.maxsize
    except ValueError as error:
        raise UsageError(f"`-keep-size`: {error}") from None


# -- telling and deleting ------------------------------------------------------------------------


def _removed(shown: Terminal, catalog: IsoCatalog, entry: KeptIso, dry_run: bool) -> bool:
    done = not catalog.in_use(entry) if dry_run else catalog.remove(entry)
    if not done:
        shown.print(f"{short_id(entry)} ({title_of(entry)}) is in use, and stays")
    return done
