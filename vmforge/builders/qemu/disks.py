"""The disks of a build: made before it, flattened after it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from vmforge.builders.qemu.config import DiskFormat, QemuConfig
from vmforge.errors import HostError, VmforgeError
from vmforge.hypervisor import disks as images
from vmforge.sdk import BuildContext, Size
from vmforge.sdk.values import format_bytes

_CHUNK = 4 * 1024 * 1024


@dataclass
class Disks:
    """Where the disks are: the first is the one that the guest is installed on. `paths` is where they end
    up; `in_use` is where the machine has them, which is elsewhere while layers are kept."""

    config: QemuConfig
    context: BuildContext
    medium: Path
    paths: tuple[Path, ...]
    in_use: tuple[Path, ...]

    @classmethod
    def planned(
        cls, config: QemuConfig, context: BuildContext, medium: Path, folder: Path, name: str
    ) -> Disks:
        """The disks by Packer's names: `NAME`, `NAME-1`, `NAME-2` ... `medium` is the image that they start
        from with `disk_image`."""
        others = (folder / f"{name}-{n}" for n in range(1, len(config.disk_additional_size) + 1))
        paths = (folder / name, *others)
        return cls(config, context, medium, paths, paths)

    @property
    def layered(self) -> bool:
        return self.in_use != self.paths

    @property
    def format(self) -> DiskFormat:
        """The format of the disks in use: layers are overlays, which are qcow2."""
        return DiskFormat.QCOW2 if self.layered else self.config.format

    @property
    def are_copied(self) -> bool:
        """Whether the finished disks are copies of those in use."""
        return self.layered or self.config.compacts

    def create(self) -> None:
        """Make them: empty, or, with `disk_image`, from the image."""
        if self.config.disk_image:
            self._start_from(self.medium)
        else:
            self._create(self.in_use[0], self.config.disk_size)
        for path, size in zip(self.in_use[1:], self.config.disk_additional_size, strict=True):
            self._create(path, size)

    def work_in(self, folder: Path) -> None:
        """Have the disks in use in a folder of layers."""
        self.in_use = tuple(folder / f"disk-{n}.qcow2" for n in range(len(self.paths)))

    def lay_over(self, frozen: Sequence[Path], folder: Path) -> tuple[Path, ...]:
        """New overlays in a folder of layers, over disks that are not written any more."""
        overlays = tuple(folder / path.name for path in frozen)
        for overlay, path in zip(overlays, frozen, strict=True):
            images.create(
                overlay, None, "qcow2", backing=path, movable=True, cancellation=self.context.cancellation
            )
        return overlays

    def finish(self) -> None:
        """Flatten the first disk, if the template wants that, all disks where layers are kept, and check
        every disk."""
        if self.layered:
            for source, target in zip(self.in_use, self.paths, strict=True):
                if self.config.use_backing_file and target == self.paths[0]:
                    self._gather(source, target)
                else:
                    self._flatten(source, target)
        elif self.config.compacts:
            self._flatten(self.paths[0], self.paths[0])
        for path in self.paths:
            found = images.check(path, self.config.format, self.context.cancellation)
            if found.errors:
                hint = "build again; if it happens twice, check this machine's disk and memory"
                raise VmforgeError(f"the finished disk `{path}` has {found.errors} errors", hint=hint)

    def _create(self, path: Path, size: Size) -> None:
        images.create(
            path,
            size,
            self.format,
            extra=self.config.qemu_img_args.create,
            cancellation=self.context.cancellation,
        )

    def _start_from(self, medium: Path) -> None:
        image, target = images.info(medium, self.context.cancellation), self.in_use[0]
        grows = not self.config.skip_resize_disk and self._is_smaller(image)
        if self.config.use_backing_file:
            self._lay_over(image, target)
        elif self._can_be_copied(image):
            self._copy(medium, target)
        else:
            self._convert(medium, target, image.format, self.format)
        if grows:
            images.resize(
                target,
                self.config.disk_size,
                self.format,
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
            self.format,
            backing=image.path,
            backing_format=image.format,
            extra=self.config.qemu_img_args.create,
            cancellation=self.context.cancellation,
        )
        self.context.ui.message(f"the disk needs `{image.path}` for as long as it is used")

    def _can_be_copied(self, image: images.DiskInfo) -> bool:
        """Others are converted, which keeps a raw image's holes and makes one with a backing file whole."""
        wants_qcow2 = self.format is DiskFormat.QCOW2 and not self.config.qemu_img_args.convert
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

    def _flatten(self, source: Path, target: Path) -> None:
        before = images.info(source, self.context.cancellation).actual_size
        format = self.format.value
        self._convert(source, target, format, self.config.format, compress=self.config.compresses)
        after = images.info(target, self.context.cancellation).actual_size
        if not self.layered:
            self.context.ui.message(f"{format_bytes(before.bytes)} became {format_bytes(after.bytes)}")

    def _gather(self, source: Path, target: Path) -> None:
        """With `use_backing_file` the finished disk holds all that differs from the image, in whichever layer
        it is. A conversion over a backing file looks at the topmost layer alone, so they become one first."""
        image = images.info(self.medium, self.context.cancellation)
        gathered = target.with_name(f".{target.name}.gathered")
        try:
            images.create(gathered, None, "qcow2", backing=source, cancellation=self.context.cancellation)
            images.rebase(
                gathered, image.path.absolute(), image.format, cancellation=self.context.cancellation
            )
            over = ("-B", str(image.path.absolute()), "-F", image.format)
            compress, format = self.config.compresses, self.config.format
            self._convert(gathered, target, "qcow2", format, compress=compress, over=over)
        finally:
            gathered.unlink(missing_ok=True)

    def _convert(
        self,
        source: Path,
        target: Path,
        source_format: str,
        format: DiskFormat,
        *,
        compress: bool = False,
        over: Sequence[str] = (),
    ) -> None:
        title = "converting" if source == self.medium else "flattening"
        with self.context.ui.progress(title, 100, unit="%") as bar:
            images.convert(
                source,
                target,
                format,
                source_format=source_format,
                compress=compress,
                progress=_steps(bar.advance),
                extra=(*over, *self.config.qemu_img_args.convert),
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
