"""What a bundle says of itself: the JSON that is its first member, and that its signature is of.

The text is canonical: keys sorted, no spaces, UTF-8, so that one content has one text. Nothing in it tells
when or where the bundle was made.
"""

from __future__ import annotations

import json
import re
import typing
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Final

from vmforge.errors import VmforgeError

FORMAT: Final = "vmforge-bundle"
VERSION: Final = 1
_HEX: Final = re.compile(r"[0-9a-f]{64}")
_EXTENSION: Final = re.compile(r"(?!part)[a-z0-9_-]{0,32}", re.ASCII | re.IGNORECASE)
_LAYER: Final = re.compile(r"[0-9a-f]{16}")
# Not the store's own records (`layer.json`, `kept.json`).
_LAYER_FILE: Final = re.compile(
    r"(?!layer\.json|kept\.json)[a-z0-9][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)?", re.ASCII
)
# What builds look up in the store's index, and so what a bundle may put there.
_KEYS: Final = ("md5:", "sha1:", "sha256:", "sha512:", "url:", "listed:", "data:", "package:", "no package:")


class BundleError(VmforgeError):
    """A file is no whole bundle, or none to be trusted."""


@dataclass(frozen=True, slots=True)
class Member:
    """A member of the archive: content of `size` bytes. One that is `packed` (zstd) lies there in
    `stored_size` bytes with a digest of their own; else these are the same."""

    name: str
    sha256: str
    size: int
    packed: bool
    stored_size: int
    stored_sha256: str


@dataclass(frozen=True, slots=True)
class ProjectFile:
    """A file of the templates' own, below the folder that the bundle is unpacked to."""

    path: str
    sha256: str
    executable: bool = False


@dataclass(frozen=True, slots=True)
class WheelFile:
    """A Python package, by its file name."""

    name: str
    sha256: str


@dataclass(frozen=True, slots=True)
class StoreObject:
    """An object of the shared store: a medium, a guest's package."""

    sha256: str
    extension: str
    origin: str


@dataclass(frozen=True, slots=True)
class Binding:
    """What a key of the store's index leads to."""

    key: str
    record: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class BundledLayer:
    """A machine frozen after a step of a build. `id` names its folder, `parent` the layer below it, which
    comes before it; `template` is the template's folder below the project's, `created` is in milliseconds
    since the epoch. `files` are the SHA-256 of its files by name. Secrets enter `key` and `inputs` with the
    manifest's `layer_salt`; `host` says, by the names of inputs, what the machine was that it was made on."""

    id: str
    key: str
    parent: str
    step: str
    build: str
    template: str
    created: int
    disks: tuple[str, ...]
    inputs: Mapping[str, str]
    host: Mapping[str, str]
    files: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class BundledTemplate:
    """A template, by its path below the project's folder, and the arguments that it is built with."""

    path: str
    arguments: tuple[str, ...] = ()


@dataclass(frozen=True)
class Manifest:
    """All that a bundle holds. `members` are in their order in the archive, each content once.

    `folder` is the one to build in, below the project's. `python` and `platform` are what the wheels are for.
    `signer` is the public key in hex, empty for a bundle that is not signed. `left_out` are files that builds
    read but that are not below the project's folder. `layer_salt` is a key, in hex, empty without layers.
    """

    vmforge: str
    members: tuple[Member, ...] = ()
    templates: tuple[BundledTemplate, ...] = ()
    files: tuple[ProjectFile, ...] = ()
    folders: tuple[str, ...] = ()
    wheels: tuple[WheelFile, ...] = ()
    objects: tuple[StoreObject, ...] = ()
    bindings: tuple[Binding, ...] = ()
    layers: tuple[BundledLayer, ...] = ()
    layer_salt: str = ""
    left_out: tuple[str, ...] = ()
    folder: str = "."
    python: str = ""
    platform: str = ""
    signer: str = ""
    format: str = field(default=FORMAT)
    version: int = field(default=VERSION)

    def encode(self) -> bytes:
        """The canonical text."""
        return json.dumps(asdict(self), sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()

    @classmethod
    def decode(cls, text: bytes) -> Manifest:
        """Raises `BundleError` unless it is the canonical text of a manifest without contradictions, whose
        paths all stay below their folder."""
        try:
            document = json.loads(text)
        except (ValueError, RecursionError):
            raise BundleError("the bundle's manifest is no JSON") from None
        if not isinstance(document, dict) or document.get("format") != FORMAT:
            raise BundleError("this is no bundle of vmforge's")
        if document.get("version") != VERSION:
            hint = "import it with the vmforge that is in it: `tar -xf FILE wheels`"
            raise BundleError(
                f"the bundle is of format {document.get('version')!r}, not {VERSION}", hint=hint
            )
        try:
            manifest = cls(**_read(cls, document))
            manifest._check()
            canonical = manifest.encode() == text
        except (TypeError, ValueError, KeyError) as error:
            raise BundleError(f"the bundle's manifest is not valid: {error}") from None
        if not canonical:
            raise BundleError("the bundle's manifest is not in its canonical form")
        return manifest

    def _check(self) -> None:
        """Raises ValueError."""
        digests = _unique("member", (member.sha256 for member in self.members))
        _unique("member", (member.name for member in self.members))
        for member in self.members:
            _check_path(member.name)
            _check_member(member)
        used = {f.sha256 for f in self.files} | {w.sha256 for w in self.wheels}
        used |= {digest for layer in self.layers for digest in layer.files.values()}
        if used | {o.sha256 for o in self.objects} != digests:
            raise ValueError("members and what they are for do not agree")
        _check_tree([file.path for file in self.files], self.folders)
        for wheel in self.wheels:
            _check_path(wheel.name)
            if "/" in wheel.name:
                raise ValueError(f"`{wheel.name}` is no name of a wheel")
        _unique("wheel", (wheel.name for wheel in self.wheels))
        for stored in self.objects:
            if not _EXTENSION.fullmatch(stored.extension):
                raise ValueError(f"`{stored.extension}` is no extension of the store's")
        _unique("key", (binding.key for binding in self.bindings))
        for binding in self.bindings:
            if not binding.key.startswith(_KEYS):
                raise ValueError(f"`{binding.key}` is no key that a bundle may bring")
        self._check_layers()
        self._check_texts()
        for path in (self.folder, *(template.path for template in self.templates)):
            if path != ".":
                _check_path(path)

    def _check_layers(self) -> None:
        """That each lies on one before it, and that their files stay in their folders. Raises ValueError."""
        if bool(self.layers) != bool(_HEX.fullmatch(self.layer_salt)):
            raise ValueError("layers and their salt do not agree")
        _unique("layer", (layer.key for layer in self.layers))
        known = {""}
        for layer in self.layers:
            if not _LAYER.fullmatch(layer.id) or layer.id in known or layer.parent not in known:
                raise ValueError(f"the layer `{layer.id}` is not where it belongs")
            known.add(layer.id)
            names = all(_LAYER_FILE.fullmatch(name) for name in layer.files)
            if not names or not layer.disks or not set(layer.disks) <= set(layer.files):
                raise ValueError(f"the files of the layer `{layer.id}` are no layer's")
            if not _HEX.fullmatch(layer.key) or layer.created < 0:
                raise ValueError(f"the layer `{layer.id}` has no key")
            if layer.template != ".":
                _check_path(layer.template)

    def _check_texts(self) -> None:
        """That nothing that is shown steers the terminal. Raises ValueError."""
        shown = [self.vmforge, self.python, self.platform, *self.left_out]
        shown += [stored.origin for stored in self.objects]
        for layer in self.layers:
            shown += [layer.step, layer.build, *layer.inputs, *layer.inputs.values()]
            shown += [*layer.host, *layer.host.values()]
        shown += [line for one in self.templates for a in one.arguments for line in a.splitlines()]
        for text in shown:
            if not text.replace("\t", " ").isprintable():
                raise ValueError(f"{text!r} cannot be shown")


def _read(of: Any, document: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a dataclass out of JSON, types checked. Raises ValueError, KeyError."""
    hints = typing.get_type_hints(of)
    names = {item.name for item in fields(of)}
    if set(document) != names:
        raise ValueError(f"fields are missing or too many: {sorted(set(document) ^ names)}")
    return {name: _value(hints[name], document[name], name) for name in names}


def _value(of: Any, value: Any, name: str) -> Any:
    arguments = typing.get_args(of)
    if typing.get_origin(of) is tuple:
        if not isinstance(value, list):
            raise ValueError(f"`{name}` is no list")
        return tuple(_value(arguments[0], item, name) for item in value)
    if of == Mapping[str, str]:
        if not isinstance(value, dict) or not all(isinstance(item, str) for item in value.values()):
            raise ValueError(f"`{name}` is no table of texts")
        return value
    if of in (str, bool, int):
        if type(value) is not of:
            raise ValueError(f"`{name}` is no {of.__name__}")
        return value
    if not isinstance(value, dict):
        raise ValueError(f"`{name}` is no object")
    return of(**_read(of, value))


def _unique(what: str, names: Iterable[str]) -> set[str]:
    listed = list(names)
    if len(set(listed)) != len(listed):
        raise ValueError(f"a {what} is there twice")
    return set(listed)


def _check_member(member: Member) -> None:
    if not (_HEX.fullmatch(member.sha256) and _HEX.fullmatch(member.stored_sha256)):
        raise ValueError(f"`{member.name}` has no SHA-256")
    if min(member.size, member.stored_size) < 0:
        raise ValueError(f"`{member.name}` has no size")
    stored = (member.stored_size, member.stored_sha256)
    if not member.packed and stored != (member.size, member.sha256):
        raise ValueError(f"`{member.name}` has two sizes or digests")


def _check_path(path: str) -> None:
    """That a path is relative and stays below its folder, however it is written."""
    parts = path.split("/")
    if any(part in ("", ".", "..") for part in parts) or "\\" in path or not path.isprintable():
        raise ValueError(f"{path!r} is no path below a folder")


def _check_tree(files: Sequence[str], folders: Sequence[str]) -> None:
    """That files and folders can be there together."""
    for path in (*files, *folders):
        _check_path(path)
    known = _unique("path", (*files, *folders))
    for path in known:
        parts = path.split("/")
        above = {"/".join(parts[:count]) for count in range(1, len(parts))}
        if above & set(files):
            raise ValueError(f"`{path}` lies in a file")
