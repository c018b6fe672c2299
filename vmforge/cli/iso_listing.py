"""ISOs as text and as JSON: the list of those in the cache, and one of them looked into."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from vmforge.cli.cache_listing import ago, size_text, table

if TYPE_CHECKING:
    from vmforge.media.iso import BootEntry
    from vmforge.media.iso_catalog import KeptIso
    from vmforge.media.iso_identity import IsoIdentity
    from vmforge.media.iso_inspection import Inspection
    from vmforge.media.iso_kernels import BootFiles

_SHORT: Final = 12


def boot_config_of(identity: IsoIdentity, label: str) -> str:
    """The name of the boot config for a medium; empty when there is none.

    By the system and version that were told from the medium; for one that tells neither, by the labels that
    boot configs look for.
    """
    import boot_configs

    for name in identity.config_names:
        try:
            return boot_configs.load(name).name
        except boot_configs.UnknownName:
            continue
    if identity.known:
        return ""
    for name in boot_configs.names():
        if any(re.search(pattern, label) for pattern in boot_configs.load(name).iso.volume_id):
            return name
    return ""


# -- the list -----------------------------------------------------------------------------------


def iso_rows(entries: Sequence[KeptIso], in_use: Sequence[bool]) -> Iterator[str]:
    """A table of what is in the cache, the last used first."""
    rows = [("ID", "SYSTEM", "BOOT CONFIG", "USED", "SIZE", "FROM", "")]
    for entry, used in zip(reversed(entries), reversed(in_use), strict=True):
        places = [shown_place(url) for url in entry.urls]
        more = f" (and {len(places) - 1} more)" if len(places) > 1 else ""
        rows.append(
            (
                short_id(entry),
                title_of(entry),
                boot_config_of(entry.identity, entry.label) or "-",
                ago(entry.item.last_used),
                size_text(entry.item.size),
                f"{places[0]}{more}" if places else "-",
                "in use" if used else "",
            )
        )
    return table(rows)


def iso_as_json(entry: KeptIso, in_use: bool) -> dict[str, object]:
    return {
        "sha256": entry.digest,
        "file": str(entry.item.path),
        **identity_as_json(entry.identity, entry.label),
        "size": entry.item.size,
        "urls": [shown_place(url) for url in entry.urls],
        "last_used": entry.item.last_used,
        "in_use": in_use,
    }


def identity_as_json(identity: IsoIdentity, label: str) -> dict[str, object]:
    return {
        "system": identity.system or None,
        "title": identity.title,
        "version": identity.version or None,
        "codename": identity.codename or None,
        "arch": identity.arch or None,
        "variant": identity.variant or None,
        "editions": list(identity.editions),
        "label": label,
        "boot_config": boot_config_of(identity, label) or None,
    }


# -- one image ----------------------------------------------------------------------------------


def described(found: Inspection, kept: KeptIso | None) -> Iterator[str]:
    """An image for people; `kept` is what it is in the cache."""
    yield found.identity.title if found.identity.known else "an unknown system"
    yield from _fields(
        ("boot config", boot_config_of(found.identity, found.label) or "none for this system"),
        ("codename", found.identity.codename),
        ("volume id", found.label),
        ("size", size_text(found.size)),
        ("boots", ", ".join(_boot_text(entry) for entry in found.boots) or "not by itself"),
        ("kernel", _kernel_text(found.kernel)),
        ("editions", ", ".join(found.identity.editions)),
        ("sha256", kept.digest if kept else ""),
        *(("from", shown_place(url)) for url in (kept.urls if kept else ())),
    )
    if found.size < found.image_size:
        yield f"warning: the file breaks off: {found.size:,} of {found.image_size:,} bytes are there"


def inspection_as_json(found: Inspection, kept: KeptIso | None) -> dict[str, object]:
    kernel = found.kernel
    return {
        **identity_as_json(found.identity, found.label),
        "size": found.size,
        "image_size": found.image_size,
        "complete": found.size >= found.image_size,
        "boots": [{"platform": entry.platform, "path": entry.path} for entry in found.boots],
        "kernel": kernel
        and {
            "family": kernel.family,
            "kernel": kernel.kernel,
            "initrd": kernel.initrd,
            "options": list(kernel.options),
        },
        "sha256": kept.digest if kept else None,
        "urls": [shown_place(url) for url in (kept.urls if kept else ())],
        "bytes_read": found.bytes_read,
    }


def kept_text(entry: KeptIso, signer: str) -> Iterator[str]:
    """What `vmforge iso add` put into the cache."""
    yield title_of(entry)
    yield from _fields(
        ("boot config", boot_config_of(entry.identity, entry.label)),
        ("sha256", entry.digest),
        ("signed by", signer),
        ("file", str(entry.item.path)),
        ("size", size_text(entry.item.size)),
        *(("from", shown_place(url)) for url in entry.urls),
    )


# -- words --------------------------------------------------------------------------------------


def title_of(entry: KeptIso) -> str:
    if entry.identity.known:
        return entry.identity.title
    return f"unknown ({entry.label})" if entry.label else "unknown"


def short_id(entry: KeptIso) -> str:
    return entry.digest[:_SHORT]


def shown_place(url: str) -> str:
    """A URL without what may be a password in it."""
    from vmforge.sdk.network import shown_url

    return shown_url(url)


def _fields(*fields: tuple[str, str]) -> Iterator[str]:
    return (f"  {name:<12} {value}" for name, value in fields if value)


def _boot_text(entry: BootEntry) -> str:
    return f"{entry.platform} ({entry.path})" if entry.path else entry.platform


def _kernel_text(kernel: BootFiles | None) -> str:
    return f"{kernel.kernel}, {kernel.initrd}" if kernel is not None else ""
