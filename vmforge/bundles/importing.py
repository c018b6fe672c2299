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
from vmforge.bundles.manifest import BundleError, Manifest, StoreObject
from vmforge.cache import Store, require_space, space_checked
from vmforge.cache.durable import sync_folder
from vmforge.errors import HostError, VmforgeError
from vmforge.sdk.cancellation import Cancellation

PROJECT, WHEELS = "project", "wheels"
# Algorithms whose digests are keys of the store's index.
_ALGORITHMS: Final = ("md5", "sha1", "sha256", "sha512")


@dataclass(frozen=True)
class Imported:
    """What an import brought: the folder with project and wheels, and how many of the objects were new."""

    manifest: Manifest
    folder: Path
    new_objects: int


def import_bundle(
    bundle: Bundle,
    store: Store,
    output: Path,
    cancellation: Cancellation,
    on_bytes: Callable[[int], None] = lambda count: None,
) -> Imported:
    """Take in a bundle whose signature has been checked; `on_bytes` counts what is read of it.

    Every byte is checked as it is read, but for objects that the store has: those are checked there, and
    passed over, so that an import that broke off goes on where it was. The folder, and what leads to the
    objects, are there when all else is. Raises `BundleError`, `HostError`,
    `Interrupted`, and `VmforgeError` for a folder that is there already.
    """
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise VmforgeError(f"`{output}` is there already", hint="name another folder: `--output DIR`")
    with _staging(output) as staged:
        intake = _Intake(bundle.manifest, store, staged, cancellation, on_bytes)
        intake.make_folders()
        for content in bundle.members():
            intake.take(content)
        intake.bind()
        _sync_tree(staged)
        if output.exists():
            output.rmdir()
        staged.rename(output)
        sync_folder(output.absolute().parent)
    return Imported(bundle.manifest, output, intake.new_objects)


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
        self._files: dict[str, list[tuple[Path, bool]]] = defaultdict(list)
        self._objects: dict[str, list[StoreObject]] = defaultdict(list)
        # what keys of the index claim of an object: its digests by algorithm
        self._claims: dict[str, dict[str, str]] = defaultdict(dict)
        self.new_objects = 0
        for file in manifest.files:
            self._files[file.sha256].append((staged / PROJECT / file.path, file.executable))
        for wheel in manifest.wheels:
            self._files[wheel.sha256].append((staged / WHEELS / wheel.name, False))
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

    def take(self, content: Content) -> None:
        """Put a content wherever it belongs."""
        member = content.member
        missing = [one for one in self._objects[member.sha256] if not self._is_kept(one)]
        if not missing and not self._files[member.sha256]:
            self._on_bytes(member.stored_size)
            return
        require_space(self._store.root, member.size * len(missing))
        with ExitStack() as stack:
            targets = [stack.enter_context(self._opened(path, x)) for path, x in self._files[member.sha256]]
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
    def _opened(self, path: Path, executable: bool) -> Iterator[BinaryIO]:
        path.parent.mkdir(parents=True, exist_ok=True)
        with space_checked(self._staged), path.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        path.chmod(0o755 if executable else 0o644)

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
