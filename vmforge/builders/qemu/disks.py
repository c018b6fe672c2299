"""The disks of a build: made before it, flattened after it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from vmforge.builders.qemu.config import DiskFormat, QemuConfig
from vmforge.errors import HostError, VmforgeError
from vmforge.hypervisor import disks as images
from vmforge.sdk import BuildContext, Size
from vmforge.sdk.values import format_bytes


@dataclass(frozen=True)
class Disks:
    """Where the disks are: the first is the one that the guest is installed on."""

    config: QemuConfig
    context: BuildContext
    paths: tuple[Path, ...]

    @classmethod
    def planned(cls, config: QemuConfig, context: BuildContext, folder: Path, name: str) -> Disks:
        """The disks by Packer's names: `NAME`, `NAME-1`, `NAME-2` ..."""
        others = (folder / f"{name}-{n}" for n in range(1, len(config.disk_additional_size) + 1))
        return cls(config, context, (folder / name, *others))

    def create(self, medium: Path) -> None:
        """Make them: empty, or, with `disk_image`, from the image `medium`."""
        if self.config.disk_image:
            self._start_from(medium)
        else:
            self._create(self.paths[0], self.config.disk_size)
        for path, size in zip(self.paths[1:], self.config.disk_additional_size, strict=True):
            self._create(path, size)

    def finish(self) -> None:
        """Flatten the first disk, if the template wants that, and check every disk."""
        if self.config.compacts:
            self._flatten(self.paths[0])
        for path in self.paths:
            found = images.check(path, self.config.format, self.context.cancellation)
            if found.errors:
                hint = "build again; if it happens twice, check this machine's disk and memory"
                raise VmforgeError(f"the finished disk `{path}` has {found.errors} errors", hint=hint)

    def _create(self, path: Path, size: Size) -> None:
        images.create(
            path,
            size,
            self.config.format,
            extra=self.config.qemu_img_args.create,
            cancellation=self.context.cancellation,
        )

    def _start_from(self, medium: Path) -> None:
        target, cancellation = self.paths[0], self.context.cancellation
        found = images.info(medium, cancellation)
        if self.config.use_backing_file:
            images.create(
                target, None, "qcow2", backing=medium, backing_format=found.format, cancellation=cancellation
            )
        elif found.format == self.config.format and not self.config.qemu_img_args.convert:
            _copy(medium, target)
        else:
            images.convert(
                medium,
                target,
                self.config.format,
                source_format=found.format,
                extra=self.config.qemu_img_args.convert,
                cancellation=cancellation,
            )
        if not self.config.skip_resize_disk:
            self._resize(target, found.virtual_size)

    def _resize(self, path: Path, current: Size) -> None:
        wanted = self.config.disk_size
        if wanted < current:
            hint = f"set `disk_size` to at least `{current.bytes}b`, or `skip_resize_disk = true`"
            raise VmforgeError(f"the image is larger ({current}) than `disk_size` ({wanted})", hint=hint)
        if wanted > current:
            extra = self.config.qemu_img_args.resize
            images.resize(
                path, wanted, self.config.format, extra=extra, cancellation=self.context.cancellation
            )

    def _flatten(self, path: Path) -> None:
        before = images.info(path, self.context.cancellation).actual_size
        with self.context.ui.progress("flattening", 100, unit="%") as bar:
            images.convert(
                path,
                path,
                self.config.format,
                source_format=self.config.format,
                compress=self.config.disk_compression and self.config.format is DiskFormat.QCOW2,
                progress=_steps(bar.advance),
                extra=self.config.qemu_img_args.convert,
                cancellation=self.context.cancellation,
            )
        after = images.info(path, self.context.cancellation).actual_size
        self.context.ui.message(f"{format_bytes(before.bytes)} became {format_bytes(after.bytes)}")


def _copy(source: Path, target: Path) -> None:
    try:
        shutil.copyfile(source, target)
    except OSError as error:
        raise HostError(f"cannot copy `{source}` to `{target}`: {error.strerror}") from None


def _steps(advance: Callable[[int], None]) -> Callable[[float], None]:
    """qemu-img tells how far it is; a progress bar wants to know how much came on top."""
    shown = 0

    def progress(percent: float) -> None:
        nonlocal shown
        if int(percent) > shown:
            advance(int(percent) - shown)
            shown = int(percent)

    return progress
