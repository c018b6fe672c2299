"""Builds without a network: all that they lack, said at once and before anything starts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from vmforge.cache import Store
from vmforge.cache.references import object_of
from vmforge.diagnostics import Diagnostic
from vmforge.errors import HostError
from vmforge.pipeline.inputs import Needed, remote_inputs
from vmforge.pipeline.plan import Plan
from vmforge.sdk.decoding import UNKNOWN_TEXT
from vmforge.sdk.network import (
    Mirrors,
    Network,
    NetworkRefused,
    RemoteInput,
    RemoteKind,
    file_of,
    is_local,
    shown_url,
)

_ORDER = list(RemoteKind)
_WIDTH = max(len(kind) for kind in RemoteKind) + 2


class InputsMissing(HostError):
    """Offline, builds lack what only a network has; `missing` is all of it, `others` what vmforge cannot keep
    from being asked for."""

    def __init__(self, missing: Sequence[Needed], others: Sequence[Needed], mirrors: Mirrors) -> None:
        self.missing = tuple(missing)
        count = f"{len(missing)} things" if len(missing) > 1 else "one thing"
        super().__init__(f"offline, and the build lacks {count} of the network", hint=_hint(missing))
        self.detail = "\n".join(line for one in (*missing, *others) for line in _lines(one, mirrors))


def check_offline(plan: Plan, network: Network, store: Store) -> list[Diagnostic]:
    """Warnings of what guests and programs will ask of a network by themselves.

    Raises `InputsMissing` when something is missing that vmforge would have to ask a network for.
    """
    needed = remote_inputs(plan)
    missing = [Needed(one, ()) for one in network.missing]
    missing += [one for one in needed if one.input.kind.is_ours and not _is_here(one.input, network, store)]
    others = [one for one in needed if not one.input.kind.is_ours]
    if missing:
        missing.sort(key=lambda one: _ORDER.index(one.input.kind))
        raise InputsMissing(missing, others, network.mirrors)
    return [_warning(one) for one in others]


def _is_here(wanted: RemoteInput, network: Network, store: Store) -> bool:
    """Whether a build gets it without a network."""
    if any(UNKNOWN_TEXT in url for url in wanted.urls):
        return False
    if any(_can_be_had(url, network) for url in wanted.urls):
        return True
    if wanted.kind is RemoteKind.CHECKSUMS:
        said = store.bound(wanted.key)
        return said is not None and (not wanted.keys or said.get("keys") == wanted.keys)
    if wanted.target is not None and wanted.target.is_file():
        return True
    return bool(wanted.key) and object_of(store, wanted.key, wanted.extension) is not None


def _can_be_had(url: str, network: Network) -> bool:
    try:
        place = network.locate(url)
    except NetworkRefused:
        return False
    path = file_of(place)
    # a server on this machine is believed to have what it is asked for
    return is_local(place) if path is None else path.exists()


def _warning(needed: Needed) -> Diagnostic:
    who = "the guest" if needed.input.kind is RemoteKind.GUEST else "a program of this machine"
    places = f" (`{needed.input.places[0]}`)" if needed.input.places else ""
    summary = f"offline, but {who} fetches {needed.input.what}{places}, in {_listed(needed.builds)}"
    return Diagnostic.warning(summary, hint="it fails where there is no network: see docs/air-gap.md")


def _lines(needed: Needed, mirrors: Mirrors) -> Iterator[str]:
    wanted = needed.input
    first, *others = wanted.urls or (wanted.what,)
    yield f"{wanted.kind:<{_WIDTH}}{_shown(first, mirrors)}"
    yield from (f"{'':<{_WIDTH}}or {_shown(url, mirrors)}" for url in others)
    if wanted.checksum:
        yield f"{'':<{_WIDTH}}{wanted.checksum}"
    yield f"{'':<{_WIDTH}}{wanted.what}" + (f", for {_listed(needed.builds)}" if needed.builds else "")


def _shown(url: str, mirrors: Mirrors) -> str:
    if UNKNOWN_TEXT in url:
        return "an address that is told by something missing"
    place = mirrors.place_of(url)
    return shown_url(url) + (f" (not at its mirror either: {shown_url(place)})" if place != url else "")


def _listed(builds: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in builds)


def _hint(missing: Sequence[Needed]) -> str:
    kinds = {needed.input.kind for needed in missing}
    hints = []
    if kinds - {RemoteKind.UPLOAD, RemoteKind.SECRET}:
        hints.append(
            "where there is a network, run `vmforge bundle create TEMPLATE -o lab.vmb`; here, "
            "`vmforge bundle import lab.vmb`"
        )
    if RemoteKind.SECRET in kinds:
        hints.append("give secrets as variables (`PKR_VAR_name`)")
    if RemoteKind.UPLOAD in kinds:
        hints.append("leave uploads out with `-except=NAME`")
    return "; ".join(hints)
