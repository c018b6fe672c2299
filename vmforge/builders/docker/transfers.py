"""What an engine tells while it pulls, pushes and builds: a stream of JSON objects, shown as they come."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from vmforge.builders.docker.errors import EngineError
from vmforge.sdk import Progress, Ui
from vmforge.sdk.lines import LineSplitter

# Said of every layer, several times over.
_DULL = re.compile(
    r"Pulling from|Pulling fs layer|Waiting|Downloading|Verifying Checksum|Download complete|Extracting|"
    r"Pull complete|\S+: digest: |Preparing|Pushing$|Pushed|Layer already exists|"
    r"The push refers to|Already exists"
)
_BUILT = re.compile(r"(?:Successfully built |^sha256:)([0-9a-f]{12,64})\s*$")
_FULL_ID = re.compile(r"(?:sha256:)?([0-9a-f]{64})")


def image_id(text: str) -> str:
    """An image's identity as Docker writes it: `sha256:HEX`. Podman leaves the beginning out at times."""
    found = _FULL_ID.fullmatch(text.strip())
    return f"sha256:{found[1]}" if found else text.strip()


def follow_transfer(ui: Ui, title: str, doing: str, events: Iterable[Mapping[str, Any]]) -> str:
    """Show a pull or a push; returns the digest that it told of, or `""`. Raises `EngineError`."""
    digest = ""
    with ui.progress(title, None) as progress:
        counter = _Layers(progress)
        for event in events:
            _check(doing, event)
            counter.count(event)
            status = str(event.get("status") or event.get("stream") or "").strip()
            digest = _digest(event) or digest
            if status and not event.get("progressDetail") and not _DULL.match(status):
                ui.message(status)
    return digest


def follow_build(ui: Ui, events: Iterable[Mapping[str, Any]]) -> str:
    """Show the build of a Dockerfile; returns the image's id. Raises `EngineError`."""
    found = ""
    lines = LineSplitter(ui.output)
    for event in events:
        _check("build the Dockerfile", event)
        text = str(event.get("stream") or "")
        lines.feed(text.encode())
        aux = event.get("aux")
        if isinstance(aux, Mapping) and aux.get("ID"):
            found = str(aux["ID"])
        elif built := _BUILT.search(text.strip()):
            found = built[1]
    lines.finish()
    if not found:
        raise EngineError("the engine built the Dockerfile and did not say what the image is called")
    return found


class _Layers:
    """Adds up the layers of one transfer, each of which tells how far it is."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._done: dict[str, int] = {}

    def count(self, event: Mapping[str, Any]) -> None:
        detail = event.get("progressDetail")
        if not isinstance(detail, Mapping) or event.get("status") not in ("Downloading", "Pushing"):
            return
        layer, current = str(event.get("id", "")), int(detail.get("current") or 0)
        self._progress.advance(max(0, current - self._done.get(layer, 0)))
        self._done[layer] = max(current, self._done.get(layer, 0))


def _check(doing: str, event: Mapping[str, Any]) -> None:
    error = event.get("error")
    detail = event.get("errorDetail")
    if not error and isinstance(detail, Mapping):
        error = detail.get("message")
    if error:
        raise EngineError(f"cannot {doing}: {' '.join(str(error).split())}")


def _digest(event: Mapping[str, Any]) -> str:
    aux = event.get("aux")
    if isinstance(aux, Mapping) and aux.get("Digest"):
        return str(aux["Digest"])
    found = re.search(r"digest: (sha256:[0-9a-f]{64})", str(event.get("status") or ""), re.IGNORECASE)
    return found[1] if found else ""
