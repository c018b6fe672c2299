"""The store of layers: makes, finds, checks and deletes them."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from vmforge.cache.durable import space_checked, sync_folder
from vmforge.cache.layers.holding import Hold, LayerFolder, kept_over, try_lock
from vmforge.cache.layers.layer import RECORD, Layer, occupied, read_layer, write_layer
from vmforge.cache.layers.sealing import seal, sealing_alone, tidy
from vmforge.cache.lock import Cancellable, KeyLock
from vmforge.cache.store import Store
from vmforge.errors import HostError


class LayerStore:
    """The layers of a store. Safe to use from several processes and threads at once.

    Raises `HostError` where there can be none that nobody else may read.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self.root = store.root / "layers"
        self._locks = store.root / "locks"
        try:
            self.root.mkdir(mode=0o700, exist_ok=True)
            if self.root.stat().st_mode & 0o077:
                self.root.chmod(0o700)
        except OSError as error:
            raise self._unusable(error) from error

    # -- making ---------------------------------------------------------------------------------

    def lock(
        self, key: str, cancellation: Cancellable, *, on_wait: Callable[[str], None] = lambda holder: None
    ) -> KeyLock:
        """The lock of a key, held by the build that is about to make its layer."""
        return self._store.lock(_bound(key), cancellation, on_wait=on_wait)

    def begin(self, id: str = "") -> LayerFolder:
        """A folder for the next layer, of a new id if none is given. Raises `HostError` on a full disk, or
        where the store is gone; FileExistsError, which is an OSError, for an id that is taken."""
        try:
            with space_checked(self.root):
                return LayerFolder(self.root, self._locks, id)
        except FileExistsError:
            raise
        except FileNotFoundError:
            hint = "build again, and leave the cache alone meanwhile (`vmforge cache prune` deletes safely)"
            raise HostError(f"the cache `{self._store.root}` was deleted", hint=hint) from None
        except OSError as error:
            raise self._unusable(error) from error

    def commit(self, folder: LayerFolder, layer: Layer) -> Layer:
        """Make a folder the layer of its key, as it is. Raises `HostError` on a full disk; OSError comes
        through. What fails here leaves a folder that is deleted when it is closed."""
        sizes, written = {}, {}
        for path in folder.path.iterdir():
            with suppress(PermissionError):  # libvirt's daemon gives files to the user that runs QEMU
                path.chmod(0o600)
            status = path.stat()
            sizes[path.name], written[path.name] = status.st_size, status.st_mtime_ns
        whole = replace(
            layer, id=folder.id, folder=folder.path, sizes=sizes, written=written, boot=_boot_id()
        )
        write_layer(whole)
        try:
            self._store.bind(_bound(layer.key), {"layer": folder.id})
        except BaseException:
            (folder.path / RECORD).unlink(missing_ok=True)
            raise
        return whole

    def adopt(self, folder: LayerFolder, layer: Layer) -> Layer:
        """Make a folder with the files of a sealed layer, which are on the disk, the layer of its key. Raises
        `HostError` on a full disk; OSError comes through."""
        sizes = {name: (folder.path / name).stat().st_size for name in layer.files}
        whole = replace(layer, id=folder.id, folder=folder.path, sizes=sizes, written={}, boot="")
        for name, digest in whole.files.items():
            self._store.digests.remember(whole.folder / name, {"sha256": digest})
        write_layer(whole)
        sync_folder(whole.folder)
        self._store.bind(_bound(whole.key), {"layer": whole.id})
        return whole

    def clear(self, id: str) -> bool:
        """Delete what there is of a layer, whole or not; False when somebody uses it."""
        return self._delete(self.root / id, self.read(id))

    def seal(self, layer: Layer, cancellation: Cancellable) -> Layer | None:
        """Compress the memory, hash every file and write all of it to the disk: from then on damage is
        noticed, and a crash of the machine harms nothing. What another process seals is left to it.

        The layer as it is then; None when it was deleted. Raises `HostError` on a full disk; OSError comes
        through.
        """
        with Hold() as hold:
            if not hold.add(self._lock_file(layer.id)) or self.read(layer.id) is None:
                return None
            with sealing_alone(layer) as alone:
                now = self.read(layer.id)
                if not alone or now is None or now.sealed or self.damage(now):
                    return now
                sealed = seal(now, cancellation)
            for name, digest in sealed.files.items():
                self._store.digests.remember(sealed.folder / name, {"sha256": digest})
            return sealed

    # -- finding --------------------------------------------------------------------------------

    def find(self, key: str, on_damage: Callable[[Layer, str], None]) -> Layer | None:
        """The layer of a key, verified with all below it; None when there is none. `on_damage` is told of a
        layer that is not as it was when it was made, which is deleted."""
        record = self._store.bound(_bound(key))
        layer = self.read(record["layer"]) if record else None
        if layer is None or layer.key != key:
            return None
        for part in self._chain(layer):
            if part is None:
                self.remove(layer)  # what it lay on is gone
                return None
            if damage := self.damage(part):
                if self.read(part.id) is not None:  # else it was only deleted meanwhile
                    on_damage(part, damage)
                    self.remove(part)
                return None
        return layer

    def chain(self, layer: Layer) -> tuple[Layer, ...]:
        """The layer and all below it, the first one first."""
        return tuple(part for part in self._chain(layer) if part is not None)[::-1]

    def hold(self, layer: Layer) -> Hold | None:
        """Keep a layer and all below it for as long as the result is open, and note that they are used; None
        when one is being deleted."""
        hold = Hold()
        try:
            for part in self._chain(layer):
                if part is None or not hold.add(self._lock_file(part.id)):
                    break
                os.utime(part.folder / RECORD)
            else:
                return hold
        except FileNotFoundError:
            pass  # deleted before it was held
        except BaseException:
            hold.close()
            raise
        hold.close()
        return None

    def read(self, id: str) -> Layer | None:
        """A layer by its id. Raises `HostError` when it cannot be read, though it is there."""
        return read_layer(self.root / id)

    def layers(self) -> list[Layer]:
        """Every whole layer that can be read, the longest unused first."""
        found = []
        for folder in self._folders():
            with suppress(HostError):
                found.append(self.read(folder.name))
        return sorted((layer for layer in found if layer is not None), key=lambda layer: layer.last_used)

    def carried(self) -> list[Layer]:
        """The layers that bundles brought."""
        return [layer for layer in self.layers() if layer.salt]

    def in_use(self, layer: Layer) -> bool:
        """Whether a running build makes or uses it, as far as can be told without waiting."""
        lock = try_lock(self._lock_file(layer.id), fcntl.LOCK_EX)
        if lock is not None:
            os.close(lock)
        return lock is None

    # -- history, for explanations --------------------------------------------------------------

    def note_inputs(self, build: str, step: str, inputs: Mapping[str, str]) -> None:
        """Remember what a step of a build depended on when it was last cut."""
        self._store.bind(_history(build, step), {"inputs": json.dumps(dict(inputs), sort_keys=True)})

    def noted_inputs(self, build: str, step: str) -> dict[str, str] | None:
        record = self._store.bound(_history(build, step))
        return dict(json.loads(record["inputs"])) if record else None

    # -- deleting -------------------------------------------------------------------------------

    def remove(self, layer: Layer) -> bool:
        """Delete a layer; False when somebody uses it. What lies on it is of no use any more."""
        return self._delete(layer.folder, layer)

    def sweep(self) -> int:
        """Delete what ended processes left in the making, and layers that were not sealed before this machine
        was stopped, whose lower layer is gone, or in whose place there is a newer one; returns the bytes that
        this freed."""
        freed = 0
        for folder in self._folders():
            if not self._is_of_use(folder):
                size = occupied(folder)
                freed += size if self._delete(folder, self.read(folder.name), self._is_of_use) else 0
        # the upper ones first, so that the lower ones have nothing on them
        for layer in sorted(self.layers(), key=lambda layer: layer.created, reverse=True):
            if not self._is_findable(layer.folder):
                freed += layer.size if self._delete(layer.folder, layer, self._is_findable) else 0
        for lock_file in self._locks.glob("layer-*"):
            folder = self.root / lock_file.name.removeprefix("layer-")
            if not folder.exists():
                self._delete(folder, None, Path.exists)
        return freed

    def prune(self, limit: int, *, unused_since: float = 0.0, rehearse: bool = False) -> list[Layer]:
        """Delete the longest unused layers until what is left takes up at most `limit` bytes, and none was
        last used before `unused_since`; never one that another or a kept machine lies on, or that is in
        use. Returns what was deleted, or, with `rehearse`, would be."""
        left, deleted, refused = self.layers(), list[Layer](), set[str]()
        total = sum(layer.size for layer in left)
        under_kept = {kept_over(folder) for folder in self._folders()}
        while True:
            needed = {layer.parent for layer in left} | under_kept | refused
            leaf = next((layer for layer in left if layer.id not in needed), None)
            if leaf is None or (total <= limit and leaf.last_used >= unused_since):
                return deleted
            if self.in_use(leaf) if rehearse else not self.remove(leaf):
                refused.add(leaf.id)
                continue
            total -= leaf.size
            deleted.append(leaf)
            left.remove(leaf)

    def kept(self) -> list[Path]:
        """The folders with the disks of machines that were left to the user."""
        return sorted(folder for folder in self._folders() if kept_over(folder) is not None)

    def discard_kept(self, folder: Path) -> bool:
        """Delete the disks of a kept machine; False while the build that left it runs."""
        return self._delete(folder, None)

    def verify(self, layer: Layer) -> str:
        """Read every file of a layer again; what is wrong with it, empty when nothing is."""
        for name in layer.files:
            self._store.digests.forget(layer.folder / name)
        return self.damage(layer)

    def damage(self, layer: Layer) -> str:
        """What is wrong with a layer, empty when nothing is; files that did not change since are not read
        again."""
        if damage := self._difference(layer):
            now = self.read(layer.id)
            if now is not None and now.sealed and not layer.sealed:
                return self._difference(now)  # it was sealed while we looked
            return damage
        return ""

    # -- inside ---------------------------------------------------------------------------------

    def _chain(self, layer: Layer) -> Iterator[Layer | None]:
        part: Layer | None = layer
        while True:
            yield part
            if part is None or not part.parent:
                return
            part = self.read(part.parent)

    def _folders(self) -> list[Path]:
        try:
            return list(self.root.iterdir())
        except FileNotFoundError:  # the cache was deleted
            return []

    def _is_of_use(self, folder: Path) -> bool:
        try:
            layer = self.read(folder.name)
            if layer is None:
                return kept_over(folder) is not None
            if not layer.sealed and layer.boot != _boot_id():
                return False
            tidy(layer)
            return all(part is not None for part in self._chain(layer))
        except HostError:  # it cannot be told
            return True

    def _is_findable(self, folder: Path) -> bool:
        """Whether its key leads to this layer, or another layer or a kept machine lies on it."""
        layer = self.read(folder.name)
        if layer is None or self._store.bound(_bound(layer.key)) == {"layer": layer.id}:
            return True
        above = {other.parent for other in self.layers()} | {kept_over(other) for other in self._folders()}
        return layer.id in above

    def _delete(
        self, folder: Path, layer: Layer | None, unless: Callable[[Path], bool] = lambda folder: False
    ) -> bool:
        """Delete a folder that nobody uses, `unless` that then says no."""
        lock_file = self._lock_file(folder.name)
        lock = try_lock(lock_file, fcntl.LOCK_EX)
        if lock is None:
            return False
        try:
            if unless(folder):
                return False
            (folder / RECORD).unlink(missing_ok=True)
            shutil.rmtree(folder, ignore_errors=True)
            if layer is not None:
                self._forget(layer)
            lock_file.unlink(missing_ok=True)
        finally:
            os.close(lock)
        return True

    def _forget(self, layer: Layer) -> None:
        """Delete what the rest of the store knows about a deleted layer."""
        for name in layer.files:
            self._store.digests.forget(layer.folder / name)
        self._store.unbind(_bound(layer.key), {"layer": layer.id})

    def _difference(self, layer: Layer) -> str:
        """How a layer differs from what its record says."""
        if not layer.sealed and layer.boot != _boot_id():
            return "it was not on the disk yet when this machine was stopped"
        for name, size in layer.sizes.items():
            path = layer.folder / name
            try:
                status = path.stat()
                if status.st_size != size:
                    return f"`{name}` has {status.st_size:,} of {size:,} bytes"
                same = self._is_same(layer, path, status.st_mtime_ns)
            except FileNotFoundError:
                return f"`{name}` is gone"
            except OSError as error:
                if error.errno != errno.EIO:
                    raise HostError(f"`{path}` cannot be read: {error.strerror}") from error
                same = False
            if not same:
                return f"`{name}` is not what was written"
        return ""

    def _is_same(self, layer: Layer, path: Path, written: int) -> bool:
        if not layer.sealed:
            return layer.written[path.name] == written
        return self._store.digests.digests(path, ["sha256"])["sha256"] == layer.files[path.name]

    def _unusable(self, error: OSError) -> HostError:
        hint = "set `VMFORGE_CACHE_DIR` to a folder of your own"
        return HostError(f"layers cannot be kept in `{self.root}`: {error.strerror}", hint=hint)

    def _lock_file(self, id: str) -> Path:
        return self._locks / f"layer-{id}"


def _bound(key: str) -> str:
    return f"layer:{key}"


def _history(build: str, step: str) -> str:
    return f"inputs:{build}:{step}"


def _boot_id() -> str:
    """Changes with every start of this machine (https://docs.kernel.org/admin-guide/sysctl/kernel.html)."""
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
