"""What goes into a bundle, gathered: files of the templates, wheels, objects of the store and their keys."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from vmforge.bundles.manifest import (
    Binding,
    BundledLayer,
    BundledTemplate,
    Manifest,
    ProjectFile,
    StoreObject,
    WheelFile,
)
from vmforge.bundles.wheels import platform_name, python_version
from vmforge.cache import DigestMemory
from vmforge.cache.layers import Layer
from vmforge.errors import HostError, VmforgeError

# Larger files of projects are media, which are packed already.
_LARGEST_PACKED: Final = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Source:
    """Where the content of a member comes from, and what the member is called."""

    name: str
    path: Path
    may_pack: bool = False


@dataclass
class Collection:
    """Gathers a bundle. `root` is the folder that the templates' files lie below; what is added twice is
    there once. `on_bytes` counts what is hashed for it, and may raise. `warnings` are what the user should
    know of."""

    root: Path
    digests: DigestMemory
    on_bytes: Callable[[int], None] = lambda count: None
    sources: dict[str, Source] = field(default_factory=dict)  # by SHA-256
    warnings: list[str] = field(default_factory=list)
    _files: dict[str, ProjectFile] = field(default_factory=dict)
    _folders: set[str] = field(default_factory=set)
    _wheels: dict[str, WheelFile] = field(default_factory=dict)
    _objects: dict[tuple[str, str], StoreObject] = field(default_factory=dict)
    _bindings: dict[str, Binding] = field(default_factory=dict)
    _layers: dict[str, BundledLayer] = field(default_factory=dict)
    _salt: str = ""
    _templates: list[BundledTemplate] = field(default_factory=list)
    _left_out: set[str] = field(default_factory=set)

    def add_template(self, path: Path, arguments: Iterable[str]) -> None:
        """A template that builds are to be of; its files are added on their own. Raises `VmforgeError` for
        one that is not below the root."""
        relative = self._below(path)
        if relative is None:
            hint = "name a folder above it: `--root DIR`"
            raise VmforgeError(f"`{path}` is not below `{self.root}`", hint=hint)
        self._templates.append(BundledTemplate(relative, tuple(arguments)))

    def add_path(self, path: Path) -> None:
        """A file, or a folder with all that it holds. What is not there is passed over, and what is not below
        the root is left out, with a warning. Raises `VmforgeError` for relative paths that lead out of it."""
        if not path.exists():
            return
        relative = self._below(path)
        if relative is None:
            if not path.is_absolute():
                hint = "name a folder above it: `--root DIR`"
                raise VmforgeError(f"`{path}`, which a build reads, is not below `{self.root}`", hint=hint)
            if str(path) not in self._left_out:
                self.warnings.append(f"`{path}` is left out: it must be there, at the same place, as well")
            self._left_out.add(str(path))
            return
        if path.is_absolute():
            self.warnings.append(f"the template names `{path}` by its whole path, which will be another one")
        if path.is_dir():
            self._add_folder(path, relative)
        else:
            self._add_file(path, relative)

    def add_wheel(self, path: Path) -> None:
        """A Python package."""
        digest = self._source(path, f"wheels/{path.name}")
        self._wheels[path.name] = WheelFile(path.name, digest)

    def add_object(self, digest: str, extension: str, path: Path, origin: str) -> None:
        """An object for the shared store, whose content is at `path`."""
        name = f"objects/{digest}.{extension}" if extension else f"objects/{digest}"
        self.sources.setdefault(digest, Source(name, path))
        self._objects[digest, extension] = StoreObject(digest, extension, origin)

    def add_layer(self, layer: Layer, template: Path) -> None:
        """A sealed layer, after the one that it lies on, with key and inputs as they are to be found by; all
        of one bundle have one salt. `template` is the folder of its template."""
        for name, digest in layer.files.items():
            may_pack = not name.endswith(".zst")
            self.sources.setdefault(
                digest, Source(f"layers/{layer.id}/{name}", layer.folder / name, may_pack)
            )
        self._salt = layer.salt
        self._layers[layer.id] = BundledLayer(
            id=layer.id,
            key=layer.key,
            parent=layer.parent,
            step=layer.step,
            build=layer.build,
            template=self._below(template) or ".",
            created=round(layer.created * 1000),
            disks=layer.disks,
            inputs=dict(sorted(layer.inputs.items())),
            host=dict(sorted(layer.host.items())),
            files=dict(sorted(layer.files.items())),
        )

    def bind(self, key: str, record: Mapping[str, str]) -> None:
        """A key for the store's index."""
        self._bindings[key] = Binding(key, dict(sorted(record.items())))

    def manifest(self) -> Manifest:
        """All of it but `members`, in an order that only the content tells."""
        from vmforge import __version__

        folder = self._below(Path.cwd())
        return Manifest(
            vmforge=__version__,
            python=python_version() if self._wheels else "",
            platform=platform_name() if self._wheels else "",
            templates=tuple(self._templates),
            files=tuple(sorted(self._files.values(), key=lambda file: file.path)),
            folders=tuple(sorted(self._folders - self._files.keys())),
            wheels=tuple(sorted(self._wheels.values(), key=lambda wheel: wheel.name)),
            objects=tuple(sorted(self._objects.values(), key=lambda o: (o.sha256, o.extension))),
            bindings=tuple(sorted(self._bindings.values(), key=lambda binding: binding.key)),
            layers=tuple(self._layers.values()),
            layer_salt=self._salt,
            left_out=tuple(sorted(self._left_out)),
            folder=folder or ".",
        )

    def _below(self, path: Path) -> str | None:
        """The path from the root; None for what is not below it."""
        whole, root = os.path.normpath(Path.cwd() / path), os.path.normpath(Path.cwd() / self.root)
        relative = os.path.relpath(whole, root)
        return None if relative == ".." or relative.startswith("../") else relative

    def _add_folder(self, path: Path, relative: str) -> None:
        for folder, names in _walk(path):
            inside = os.path.normpath(Path(relative) / folder.relative_to(path))
            if inside != ".":
                self._folders.add(inside)
            for name in names:
                self._add_file(folder / name, os.path.normpath(Path(inside) / name))

    def _add_file(self, path: Path, relative: str) -> None:
        if not path.is_file():  # a socket, a link that leads nowhere
            return
        try:
            relative.encode()
        except UnicodeEncodeError:
            raise VmforgeError(f"the name of `{relative!r}` is no UTF-8", hint="rename the file") from None
        digest = self._source(path, f"project/{relative}", may_pack=path.stat().st_size <= _LARGEST_PACKED)
        self._files[relative] = ProjectFile(relative, digest, os.access(path, os.X_OK))

    def _source(self, path: Path, name: str, *, may_pack: bool = False) -> str:
        try:
            digest = self.digests.digests(path, ["sha256"], self.on_bytes)["sha256"]
        except OSError as error:
            raise HostError(f"`{path}` cannot be read: {(error.strerror or str(error)).lower()}") from None
        self.sources.setdefault(digest, Source(name, path, may_pack))
        return digest


def _walk(top: Path) -> Iterator[tuple[Path, list[str]]]:
    """The folders below one and the files in each, links followed, none twice on one way down."""
    waiting = [(top, frozenset[str]())]
    while waiting:
        folder, above = waiting.pop()
        real = os.path.realpath(folder)
        if real in above:
            continue
        entries = sorted(folder.iterdir())
        yield folder, [entry.name for entry in entries if not entry.is_dir()]
        waiting += [(entry, above | {real}) for entry in entries if entry.is_dir()]
