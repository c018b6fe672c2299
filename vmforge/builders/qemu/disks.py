"""The disks of a build: made before it, flattened after it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from vmforge.builders.qemu.config import DiskFormat, QemuConfig
from vmforge.errors import HostError, VmforgeError
from vmforge.hypervisor import disks as images
from vmforge.sdk import BuildContext, Size
from vmforge.sdk.values import format_bytes

_CHUNK = 4 * 1024 * 1024


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
        image, target = images.info(medium, self.context.cancellation), self.paths[0]
        grows = not self.config.skip_resize_disk and self._is_smaller(image)
        if self.config.use_backing_file:
            self._lay_over(image, target)
        elif self._can_be_copied(image):
            self._copy(medium, target)
        else:
            self._convert(medium, target, image.format)
        if grows:
            images.resize(
                target,
                self.config.disk_size,
                self.config.format,
                extra=self.config.qemu_img_args.resize,
                cancellation=self.context.cancellation,
            )

    def _is_smaller(self, image: images.DiskInfo) -> bool:
        """Whether the image must grow to `disk_size`. Raises `VmforgeError` if it would have to shrink."""
        wanted, current = self.config.disk_size, image.virtual_size
        if wanted < current:
            hint = f"set `disk_size` to at least `{current.bytes}b`, or `skip_resize_disk = true`"
            raise VmforgeError(f"the image is larger ({current}) than `disk_size` ({wanted})", hint=hint)
        return wanted > current

    def _lay_over(self, image: images.DiskInfo, target: Path) -> None:
        images.create(
            target,
            None,
            self.config.format,
            backing=image.path,
            backing_format=image.format,
            extra=self.config.qemu_img_args.create,
            cancellation=self.context.cancellation,
        )
        self.context.ui.message(f"the disk needs `{image.path}` for as long as it is used")

    def _can_be_copied(self, image: images.DiskInfo) -> bool:
        """Others are converted, which keeps a raw image's holes and makes one with a backing file whole."""
        wants_qcow2 = self.config.format is DiskFormat.QCOW2 and not self.config.qemu_img_args.convert
        return wants_qcow2 and image.format == "qcow2" and image.backing is None

    def _copy(self, source: Path, target: Path) -> None:
        """Copy an image as it is: a compressed one stays so."""
        try:
            with (
                source.open("rb") as reading,
                target.open("xb") as writing,
                self.context.ui.progress("copying", source.stat().st_size) as bar,
            ):
                while chunk := reading.read(_CHUNK):
                    self.context.cancellation.check()
                    writing.write(chunk)
                    bar.advance(len(chunk))
        except OSError as error:
            raise HostError(f"cannot copy `{source}` to `{target}`: {error.strerror}") from None

    def _flatten(self, path: Path) -> None:
        before = images.info(path, self.context.cancellation).actual_size
        self._convert(path, path, self.config.format, compress=self.config.compresses)
        after = images.info(path, self.context.cancellation).actual_size
        self.context.ui.message(f"{format_bytes(before.bytes)} became {format_bytes(after.bytes)}")

    def _convert(self, source: Path, target: Path, source_format: str, *, compress: bool = False) -> None:
        title = "flattening" if source == target else "converting"
        with self.context.ui.progress(title, 100, unit="%") as bar:
            images.convert(
                source,
                target,
                self.config.format,
                source_format=source_format,
                compress=compress,
                progress=_steps(bar.advance),
                extra=self.config.qemu_img_args.convert,
                cancellation=self.context.cancellation,
            )


def _steps(advance: Callable[[int], None]) -> Callable[[float], None]:
    """qemu-img tells how far it is; a progress bar wants to know how much came on top."""
    shown = 0

    def progress(percent: float) -> None:
        nonlocal shown
        if int(percent) > shown:
            advance(int(percent) - shown)
            shown = int(percent)

    return progress
