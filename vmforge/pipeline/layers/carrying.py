"""The layers of a build as a bundle is to carry them."""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from typing import Final

from vmforge.cache.layers import Hold, Layer
from vmforge.errors import VmforgeError
from vmforge.pipeline.layers.build_layers import BuildLayers
from vmforge.pipeline.layers.fingerprints import bundle_key
from vmforge.pipeline.layers.steps import host_traits
from vmforge.sdk.cancellation import Cancellation
from vmforge.sdk.layers import Inputs

# The begin of a qcow2 image: magic, version, where the name of the backing file is, and how long
# (https://www.qemu.org/docs/master/interop/qcow2.html).
_QCOW2: Final = struct.Struct(">4sIQI")
_MAGIC: Final = b"QFI\xfb"


@dataclass(frozen=True)
class Carriage:
    """The layers of a build, the first one first, with key, inputs and salt as the bundle is to have them.
    They cannot be deleted before `hold` is closed."""

    layers: tuple[Layer, ...]
    hold: Hold


def carriage(own: BuildLayers, inputs: Inputs, cancellation: Cancellation) -> Carriage | str:
    """All layers down from the deepest that the build would begin from; a sentence when there is none. Seals
    those that are not yet. Raises `VmforgeError` while a running build seals one, `HostError` on a full disk;
    OSError comes through."""
    lookup = own.lookup(inputs)
    _, deepest = lookup.deepest()
    hold = own.store.hold(deepest) if deepest is not None else None
    if deepest is None or hold is None:
        return "none are kept here; build it first"
    if reason := _bound_to_here(own.store.chain(deepest)[0]):
        hold.close()
        return reason
    try:
        salt = bundle_key(own.fingerprints.key)
        chain = own.links(inputs, salt)
        host = {name: str(trait) for name, trait in host_traits(inputs).items()}
        found = []
        for part in own.store.chain(deepest):
            link = chain[lookup.index_of(part)]
            whole = _sealed(own, part, cancellation)
            found.append(replace(whole, key=link.key, inputs=link.step.inputs, salt=salt.hex(), host=host))
    except BaseException:
        hold.close()
        raise
    return Carriage(tuple(found), hold)


def _bound_to_here(layer: Layer) -> str:
    """Why the disks of a first layer are of no use elsewhere; empty when they are."""
    for name in layer.disks:
        with (layer.folder / name).open("rb") as disk:
            magic, _, offset, size = _QCOW2.unpack(disk.read(_QCOW2.size).ljust(_QCOW2.size, b"\0"))
            disk.seek(offset)
            if magic == _MAGIC and offset and disk.read(size).startswith(b"/"):
                return "their disks lie on an image outside of them (`use_backing_file`)"
    return ""


def _sealed(own: BuildLayers, layer: Layer, cancellation: Cancellation) -> Layer:
    sealed = own.store.seal(layer, cancellation)
    if sealed is None or not sealed.sealed:
        hint = "wait for the end of the build, and make the bundle again"
        raise VmforgeError(f"the layer after {layer.step} is in the making", hint=hint)
    return sealed
