"""Seals layers in the background, while the build goes on."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor

from vmforge.cache.layers import Layer, LayerStore
from vmforge.errors import HostError, Interrupted
from vmforge.sdk.cancellation import Cancellation
from vmforge.sdk.ui import Ui

# How much less urgent sealing is than the guest, on nice's scale.
_NICE = 10


class Sealing:
    """Seals the layers of one build, one after the other, in a thread that yields to the guest."""

    def __init__(self, store: LayerStore, ui: Ui) -> None:
        self._store = store
        self._ui = ui
        self._stop = Cancellation()
        self._pool: ThreadPoolExecutor | None = None

    def add(self, layer: Layer) -> None:
        """Seal a layer, unless it is sealed."""
        if layer.sealed:
            return
        if self._pool is None:
            self._pool = ThreadPoolExecutor(1, thread_name_prefix="layers", initializer=_be_nice)
        self._pool.submit(self._seal, layer)

    def finish(self, *, at_once: bool) -> None:
        """Wait for what is left to do; `at_once` leaves it to the next run."""
        if at_once:
            self._stop.cancel()
        if self._pool is not None:
            self._pool.shutdown(wait=True)

    def _seal(self, layer: Layer) -> None:
        try:
            self._store.seal(layer, self._stop)
        except Interrupted:
            pass  # the next run does it
        except (HostError, OSError) as error:
            self._ui.warn(f"the layer after {layer.step} could not be sealed: {error}")


def _be_nice() -> None:
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
