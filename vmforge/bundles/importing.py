"""Takes a bundle in: objects into the shared store, templates and wheels into a folder of their own."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from vmforge.bundles.archive import Bundle, Content
from vmforge.bundles.manifest import BundledLayer, BundleError, Manifest, StoreObject
from vmforge.cache import Store, require_space, space_checked
from vmforge.cache.durable import sync_folder
from vmforge.cache.layers import Layer, LayerIntake, LayerStore
from vmforge.errors import HostError, VmforgeError
from vmforge.sdk.cancellation import Cancellation

PROJECT, WHEELS = "project", "wheels"
# Algorithms whose digests are keys of the store's index.
_ALGORITHMS: Final = ("md5", "sha1", "sha256", "sha512")


@dataclass(frozen=True)
class Imported:
    """What an import brought: the folder with project and wheels, how many of the objects were new, and which
    layers."""

    manifest: Manifest
    folder: Path
    new_objects: int
    new_layers: tuple[Layer, ...] = ()


def import_bundle(
    bundle: Bundle,
    store: Store,
    output: Path,
    cancellation: Cancellation,
    on_bytes: Callable[[int], None] = lambda count: None,
) -> Imported:
    """Take in a bundle whose signature has been checked; `on_bytes` counts what is read of it.

    Every byte is checked as it is read, but for objects that the store has: those are checked there, and
    passed over, so that an import that broke off goes on where it was. The folder, the layers, and what leads
    to the objects, are there when all else is. Raises `BundleError`, `HostError`,
    `Interrupted`, and `VmforgeError` for a folder that is there already.
    """
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise VmforgeError(f"`{output}` is there already", hint="name another folder: `--output DIR`")
    with _staging(output) as staged, _layer_intake(bundle.manifest, store, cancellation) as layers:
        intake = _Intake(bundle.manifest, store, staged, cancellation, on_bytes)
        intake.make_folders()
        if layers is not None:
            intake.expect_layers(layers, output)
        for content in bundle.members():
            intake.take(content)
        intake.bind()
        new_layers = layers.commit() if layers is not None else []
        _sync_tree(staged)
        if output.exists():
            output.rmdir()
        staged.rename(output)
        sync_folder(output.absolute().parent)
    return Imported(bundle.manifest, output, intake.new_objects, tuple(new_layers))


class _Intake:
    """One import: where each content goes, and what has been seen of it."""

    def __init__(
        self,
        manifest: Manifest,
        store: Store,
        staged: Path,
        cancellation: Cancellation,
        on_bytes: Callable[[int], None],
    ) -> None:
        self._manifest = manifest
        self._store = store
        self._staged = staged
        self._cancellation = cancellation
        self._on_bytes = on_bytes
        self._files: dict[str, list[tuple[Path, int]]] = defaultdict(list)  # and their modes
        self._objects: dict[str, list[StoreObject]] = defaultdict(list)
        # what keys of the index claim of an object: its digests by algorithm
        self._claims: dict[str, dict[str, str]] = defaultdict(dict)
        self.new_objects = 0
        for file in manifest.files:
            mode = 0o755 if file.executable else 0o644
            self._files[file.sha256].append((staged / PROJECT / file.path, mode))
        for wheel in manifest.wheels:
            self._files[wheel.sha256].append((staged / WHEELS / wheel.name, 0o644))
        for stored in manifest.objects:
            self._objects[stored.sha256].append(stored)
        for binding in manifest.bindings:
            algorithm, _, digest = binding.key.partition(":")
            if algorithm in _ALGORITHMS:
                self._claims[binding.record.get("sha256", "")][algorithm] = digest

    def make_folders(self) -> None:
        (self._staged / PROJECT).mkdir()
        (self._staged / WHEELS).mkdir()
        for folder in self._manifest.folders:
            (self._staged / PROJECT / folder).mkdir(parents=True, exist_ok=True)

    def expect_layers(self, intake: LayerIntake, output: Path) -> None:
        """Have the files of layers that are missing go where they belong; `output` is where templates will
        be."""
        for bundled in self._manifest.layers:
            template = output.absolute() / PROJECT / bundled.template
            folder = intake.expect(_layer(bundled, self._manifest.layer_salt, template))
            if folder is not None:
                for name, digest in bundled.files.items():
                    self._files[digest].append((folder / name, 0o600))

    def take(self, content: Content) -> None:
        """Put a content wherever it belongs."""
        member = content.member
        missing = [one for one in self._objects[member.sha256] if not self._is_kept(one)]
        if not missing and not self._files[member.sha256]:
            self._on_bytes(member.stored_size)
            return
        files = self._files[member.sha256]
        in_store = [path for path, _ in files if path.is_relative_to(self._store.root)]
        require_space(self._store.root, member.size * len([*missing, *in_store]))
        with ExitStack() as stack:
            targets = [stack.enter_context(self._opened(path, mode)) for path, mode in files]
            targets += [stack.enter_context(self._kept(one)) for one in missing]
            hashers = {name: hashlib.new(name, usedforsecurity=False) for name in _ALGORITHMS[:2]}
            hashers["sha512"] = hashlib.sha512()
            wanted = {n: hashers[n] for n in self._claims[member.sha256] if n in hashers}
            for chunk in content.chunks():
                self._cancellation.check()
                for target in targets:
                    target.write(chunk)
                for hasher in wanted.values():
                    hasher.update(chunk)
                self._on_bytes(len(chunk))
            self._check_claims(member.sha256, {name: h.hexdigest() for name, h in wanted.items()})
        self.new_objects += len(missing)

    def bind(self) -> None:
        """Have the index lead to what is there now."""
        for binding in self._manifest.bindings:
            self._store.bind(binding.key, binding.record)

    def _is_kept(self, stored: StoreObject) -> bool:
        path = self._store.lookup(
            stored.sha256, stored.extension, on_bytes=lambda count: self._cancellation.check()
        )
        if path is None:
            return False
        claims = self._claims[stored.sha256]
        self._check_claims(stored.sha256, self._store.digests.digests(path, claims) if claims else {})
        return True

    def _check_claims(self, digest: str, actual: dict[str, str]) -> None:
        for algorithm, found in actual.items():
            if self._claims[digest].get(algorithm, found) != found:
                raise BundleError(f"the bundle's manifest claims a wrong {algorithm} of an object")

    @contextmanager
    def _opened(self, path: Path, mode: int) -> Iterator[BinaryIO]:
        path.parent.mkdir(parents=True, exist_ok=True)
        with space_checked(path.parent), path.open("xb") as file:
            path.chmod(mode)
            yield file
            file.flush()
            os.fsync(file.fileno())

    @contextmanager
    def _kept(self, stored: StoreObject) -> Iterator[BinaryIO]:
        """An object on its way into the store; it is there when the block has ended well."""
        key = f"sha256:{stored.sha256}"
        with self._store.lock(key, self._cancellation):
            part = self._store.staged(f"{key}.{stored.extension}")
            try:
                with space_checked(self._store.root), part.open("wb") as file:
                    yield file
                self._store.commit(part, stored.sha256, stored.extension, origin=stored.origin)
            finally:
                part.unlink(missing_ok=True)


@contextmanager
def _layer_intake(
    manifest: Manifest, store: Store, cancellation: Cancellation
) -> Iterator[LayerIntake | None]:
    """The way into the store for layers; None where there are none."""
    if not manifest.layers:
        yield None
        return
    with LayerIntake(LayerStore(store), cancellation) as intake:
        yield intake


def _layer(bundled: BundledLayer, salt: str, template: Path) -> Layer:
    return Layer(
        id=bundled.id,
        folder=Path(),
        key=bundled.key,
        parent=bundled.parent,
        step=bundled.step,
        build=bundled.build,
        template=str(template),
        created=bundled.created / 1000,
        disks=bundled.disks,
        inputs=bundled.inputs,
        files=bundled.files,
        salt=salt,
        host=bundled.host,
    )


@contextmanager
def _staging(output: Path) -> Iterator[Path]:
    """A folder beside the one that is to be; deleted unless it was renamed."""
    try:
        output.absolute().parent.mkdir(parents=True, exist_ok=True)
        staged = Path(tempfile.mkdtemp(prefix=f".{output.name}.", dir=output.absolute().parent))
        staged.chmod(0o755)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise HostError(f"`{output}` cannot be made: {reason}") from None
    try:
        yield staged
    finally:
        shutil.rmtree(staged, ignore_errors=True)


def _sync_tree(top: Path) -> None:
    for folder, _, _ in os.walk(top):
        sync_folder(Path(folder))
