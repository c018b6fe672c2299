"""The flags about the network, and the policy that they come to."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from vmforge.errors import UsageError, VmforgeError

if TYPE_CHECKING:
    from vmforge.sdk.network import Mirror, Network

Offline = Annotated[
    bool,
    typer.Option(
        "--offline",
        help="Ask nothing of a network; say at once all that is missing. Also `VMFORGE_OFFLINE=1`.",
    ),
]
MirrorOption = Annotated[
    list[str],
    typer.Option(
        "--mirror",
        metavar="URL=URL",
        help="Ask the second place for all that begins with the first URL "
        "(`https://a/=file:///srv/a/`); repeatable.",
    ),
]

_VARIABLE: Final = "VMFORGE_MIRRORS"


def network_of(offline: bool = False, mirror: Sequence[str] = ()) -> Network:
    """The policy that the flags, the environment and the mirrors file come to. Flags win over the file,
    but the longest URL over all. Raises `UsageError` for flags that make no sense, `VmforgeError` for such a
    file."""
    from vmforge.sdk.network import Mirrors, Network, is_offline

    given = [_given(text) for text in mirror]
    mirrors = Mirrors((*given, *_of_file(mirrors_file(os.environ), named=_VARIABLE in os.environ)))
    return Network(offline=offline or is_offline(os.environ), mirrors=mirrors)


def mirrors_file(environment: Mapping[str, str]) -> Path:
    """`VMFORGE_MIRRORS`, else `mirrors.toml` in the folder of the user's settings."""
    if own := environment.get(_VARIABLE):
        return Path(own)
    return settings_folder(environment) / "mirrors.toml"


def settings_folder(environment: Mapping[str, str]) -> Path:
    """The folder of the user's settings for vmforge (XDG Base Directory)."""
    shared = environment.get("XDG_CONFIG_HOME", "")
    # the specification says to ignore a relative path
    home = Path(environment.get("HOME") or Path.home())
    return (Path(shared) if shared.startswith("/") else home / ".config") / "vmforge"


def _given(text: str) -> Mirror:
    from vmforge.sdk.network import Mirror

    prefix, equals, place = text.partition("=")
    if not equals:
        hint = "write both, as in `--mirror https://cdimage.debian.org/=file:///srv/debian/`"
        raise UsageError(f"`-mirror {text}` names one URL, and not two with `=` between them", hint=hint)
    # a URL may hold `=` itself: the second one begins behind the first `=` that a place follows
    for at in (at for at, character in enumerate(text) if character == "="):
        if text[at + 1 :].lower().startswith(("http://", "https://", "file:")):
            prefix, place = text[:at], text[at + 1 :]
            break
    try:
        return Mirror.parse(prefix, place)
    except ValueError as error:
        raise UsageError(f"`-mirror`: {error}") from None


def _of_file(path: Path, *, named: bool) -> Iterator[Mirror]:
    """The pairs of a mirrors file: a table `mirrors` of URLs and places. One that is not there has none,
    unless the user `named` it."""
    if not path.exists():
        if named:
            raise VmforgeError(f"there is no mirrors file `{path}`", hint=f"see `{_VARIABLE}`")
        return
    import tomllib

    from vmforge.sdk.network import Mirror

    try:
        found = tomllib.loads(path.read_text(encoding="utf-8")).get("mirrors", {})
    except (OSError, ValueError) as error:
        raise VmforgeError(f"the mirrors file `{path}` cannot be read: {error}") from None
    hint = 'write a table: `[mirrors]`, and below it `"https://host/" = "file:///folder/"`'
    if not isinstance(found, dict):
        raise VmforgeError(f"the mirrors file `{path}` has no table `mirrors`", hint=hint)
    for prefix, place in found.items():
        try:
            if not isinstance(place, str):
                raise ValueError(f"the place of `{prefix}` is no text")
            yield Mirror.parse(prefix, place)
        except ValueError as error:
            raise VmforgeError(f"the mirrors file `{path}`: {error}", hint=hint) from None
