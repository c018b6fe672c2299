"""Layers of elsewhere on their way into the store: all of them at once, when each is whole."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

from vmforge.cache.layers.holding import LayerFolder
from vmforge.cache.layers.layer import Layer
from vmforge.cache.layers.store import LayerStore
from vmforge.cache.lock import Cancellable
from vmforge.errors import HostError


class LayerIntake:
    """Takes in sealed layers, lower ones first. A resource: what was not committed is deleted when it ends.

    One intake runs at a time; others wait in `__enter__`.
    """

    def __init__(self, store: LayerStore, cancellation: Cancellable) -> None:
        self._store = store
        self._cancellation = cancellation
        self._resources = ExitStack()
        self._made: list[tuple[LayerFolder, Layer]] = []

    def __enter__(self) -> LayerIntake:
        self._resources.enter_context(self._store.lock("intake", self._cancellation))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._resources.close()

    def expect(self, layer: Layer) -> Path | None:
        """The folder that the files of a layer are to be written to, and synced; None when the store has the
        layer. Raises `HostError` when what there is of it is damaged and in use, and on a full disk."""
        if self._is_there(layer):
            return None
        in_use = HostError(
            f"the layer `{layer.id}` is in use, and not as it should be",
            hint="wait for the end of the builds that run",
        )
        if not self._store.clear(layer.id):
            raise in_use
        try:
            folder = self._store.begin(layer.id)
        except FileExistsError:
            raise in_use from None
        self._resources.callback(folder.close)
        self._made.append((folder, layer))
        return folder.path

    def commit(self) -> list[Layer]:
        """Have builds find the layers; returns the new ones. Raises `HostError` on a full disk; OSError comes
        through."""
        return [self._store.adopt(folder, layer) for folder, layer in self._made]

    def _is_there(self, layer: Layer) -> bool:
        """Whether the store has the layer, undamaged; it is then kept until the end."""
        known = self._store.read(layer.id)
        if known is None or known.files != layer.files or self._store.damage(known):
            return False
        hold = self._store.hold(known)
        if hold is not None:
            self._resources.callback(hold.close)
        return hold is not None
