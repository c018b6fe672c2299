"""Adds boxes to a catalogue on the disk, which other builds may be adding to as well."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from vmforge.errors import VmforgeError
from vmforge.images.blocks import read_blocks, total_size
from vmforge.images.box.catalog import CatalogEntry, add_entry
from vmforge.images.staging import StagedFile
from vmforge.post_processors.lock import FileLock
from vmforge.post_processors.vagrant.boxes import Box
from vmforge.post_processors.vagrant.config import CatalogConfig
from vmforge.sdk import BuildContext

WRITER = "vagrant"


def add_boxes(config: CatalogConfig, boxes: Sequence[Box], context: BuildContext) -> None:
    """Add the boxes as a version. Raises `VmforgeError` when the file is something else, or of another
    box, or cannot be written."""
    entries = [
        CatalogEntry(
            config.version, box.provider, box.architecture, _url(config, box.path), _sha256(box.path, context)
        )
        for box in boxes
    ]
    with FileLock(config.path, WRITER, context.cancellation):
        document = _read(config)
        for entry in entries:
            document = add_entry(document, entry)
        with StagedFile(config.path, WRITER) as file:
            file.write(json.dumps(document, indent=2, ensure_ascii=False).encode() + b"\n")
    context.ui.message(f"`{config.path}` has version {config.version} of `{config.box_tag}`")


def _read(config: CatalogConfig) -> dict[str, Any]:
    """The catalogue so far, with the name and the description that it is to have."""
    try:
        text = config.path.read_text(encoding="utf-8")
        document = json.loads(text) if text.strip() else {}
        if not isinstance(document, dict):
            raise ValueError("it is no object")
    except FileNotFoundError:
        document = {}
    except OSError as error:
        raise VmforgeError(f"catalogue `{config.path}` cannot be read: {error.strerror}") from error
    except ValueError as error:
        hint = "move the file away, and a new one is made"
        raise VmforgeError(f"`{config.path}` is not a catalogue of boxes: {error}", hint=hint) from error
    name = document.get("name", config.box_tag)
    if name != config.box_tag:
        hint = "give each box a catalogue of its own"
        raise VmforgeError(f"`{config.path}` is the catalogue of `{name}`", hint=hint)
    described = {"description": config.description} if config.description else {}
    return {"name": name, **document, **described}


def _url(config: CatalogConfig, box: Path) -> str:
    if not config.base_url:
        return box.absolute().as_uri()
    relative = Path(os.path.relpath(box.absolute(), config.path.absolute().parent)).as_posix()
    return f"{config.base_url.rstrip('/')}/{quote(relative)}"


def _sha256(path: Path, context: BuildContext) -> str:
    digest = hashlib.sha256()
    with context.ui.progress(f"Summing {path.name}", total_size([path])) as progress:
        for block in read_blocks(path):
            context.cancellation.check()
            digest.update(block)
            progress.advance(len(block))
    return digest.hexdigest()
