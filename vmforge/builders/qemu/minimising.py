"""Blocks that the guest does not use any more, and how they leave the image before it is flattened.

A deleted file's blocks stay on the disk with what was in them. The guest knows which they are: it discards
them (the disk is attached so that discarded blocks are freed) or overwrites them with zeros; where it cannot,
virt-sparsify looks into its file systems once it is off.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable
from importlib.resources import files

from vmforge.builders.qemu.config import Minimise, QemuConfig
from vmforge.builders.qemu.disks import Disks
from vmforge.errors import HostError
from vmforge.hypervisor import disks as images
from vmforge.hypervisor import sparsify
from vmforge.sdk import BuildContext, Communicator
from vmforge.sdk.values import format_bytes

_TITLES = {
    Minimise.DISCARD: "Discarding unused blocks",
    Minimise.ZERO: "Overwriting unused blocks with zeros",
}

# Runs its first argument with the others, as root.
_AS_ROOT = """\
[ "$(id -u)" != 0 ] || exec sh -c "$@"
for become in sudo doas; do
    ! command -v $become >/dev/null || exec $become -n sh -c "$@"
done
echo "it needs root, and there is neither sudo nor doas" >&2
exit 1
"""


def check_host(config: QemuConfig, context: BuildContext) -> None:
    """Raise `HostError`, before the build has cost anything, if what `minimise` asks for is not here."""
    if not _needs_host(config, context) or sparsify.is_installed():
        return
    hint = sparsify.INSTALL_HINT
    if config.minimise is Minimise.SPARSIFY:
        raise HostError('`minimise = "sparsify"` needs `virt-sparsify`, which is not installed', hint=hint)
    context.ui.warn(
        "unused blocks will stay in the image: without a communicator nobody tells the guest to give "
        f"them back, and there is no `virt-sparsify` ({hint})"
    )


def _needs_host(config: QemuConfig, context: BuildContext) -> bool:
    """Whether the guest cannot be asked, or is not to be."""
    return config.minimise is Minimise.SPARSIFY or (
        config.minimise is not Minimise.OFF and not context.connector.reaches_guest
    )


class Minimising:
    """The steps of one build that `minimise` asks for; none when it is off."""

    def __init__(self, config: QemuConfig, context: BuildContext, disks: Disks) -> None:
        self._method = config.minimise
        self._context = context
        self._disks = disks
        self._on_host = _needs_host(config, context) and sparsify.is_installed()

    def in_guest(self, communicator: Communicator) -> None:
        """While the guest runs, when everything else is done in it."""
        if self._method in _TITLES:
            title = _TITLES[self._method]
            self._context.steps.run(title, lambda: self._measure(lambda: self._ask(communicator)))

    def on_host(self) -> None:
        """Once the guest is off."""
        if self._on_host:
            self._context.steps.run("Sparsifying the disk", lambda: self._measure(self._sparsify))

    def _ask(self, communicator: Communicator) -> bool:
        """Tell the guest to give its unused blocks back; whether it did."""
        said: list[str] = []
        script = files(__package__).joinpath("unused_blocks.sh").read_text(encoding="utf-8")
        words = ("sh", "-c", _AS_ROOT, "sh", script, "sh", self._method.value)
        status = communicator.run(shlex.join(words), lambda line, error: said.append(line))
        if status == 0:
            return True
        self._on_host = sparsify.is_installed()
        then = "`virt-sparsify` will" if self._on_host else "they stay in the image"
        reason = said[-1] if said else f"status {status}"
        self._context.ui.warn(f"the guest does not give its unused blocks back ({reason}); {then}")
        return False

    def _sparsify(self) -> bool:
        for path in self._disks.in_use:
            sparsify.sparsify(path, self._disks.format, self._context.cancellation)
        return True

    def _measure(self, minimise: Callable[[], bool]) -> None:
        """Do it and say how much less the images hold."""
        before = self._size()
        if not minimise():
            return
        after = self._size()
        if after < before:
            saved = f"{format_bytes(before - after)} of unused blocks"
            change = f"{format_bytes(before)} became {format_bytes(after)}"
            self._context.ui.message(f"discarded {saved}: {change}")
        elif self._method is Minimise.ZERO and self._disks.layered:
            # libvirt takes `detect_zeroes` for the disk that the machine was started with, not for overlays
            self._context.ui.message("unused blocks are zeros now, which the copy leaves out")
        else:
            self._context.ui.message(f"there were no unused blocks in the image ({format_bytes(after)})")

    def _size(self) -> int:
        """What the images hold for the guest, with all that is below them, in bytes."""
        cancellation = self._context.cancellation
        return sum(images.data_size(path, cancellation).bytes for path in self._disks.in_use)
