"""A floppy and a CD made for the build from the template's files and texts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from vmforge.sdk import BuildContext, Config, Problem, option
from vmforge.sdk.values import can_be_path


@dataclass(frozen=True, kw_only=True)
class CdOptions(Config):
    """Options of a CD that is made for the build."""

    cd_files: tuple[str, ...] = option((), help="Files and folders to put on a CD; globs allowed.")
    cd_content: Mapping[str, str] = option({}, help="Texts to put on the CD, by file name.")
    cd_label: str = option("packer", help="The CD's label; cloud-init wants `cidata`.")

    @property
    def wants_cd(self) -> bool:
        return bool(self.cd_files or self.cd_content)


@dataclass(frozen=True, kw_only=True)
class RemovableMediaOptions(CdOptions):
    """Options of the floppy and the second CD."""

    floppy_files: tuple[str, ...] = option((), help="Files to put on a floppy, in its root; globs allowed.")
    floppy_dirs: tuple[str, ...] = option((), help="Folders to put on the floppy.")
    floppy_content: Mapping[str, str] = option({}, help="Texts to put on the floppy, by file name.")
    floppy_label: str = option("packer", help="The floppy's label.")

    @property
    def wants_floppy(self) -> bool:
        return bool(self.floppy_files or self.floppy_dirs or self.floppy_content)


def check_removable_media(options: CdOptions) -> Iterable[Problem]:
    """Files that are named outright must exist; globs may match nothing until the build runs."""
    for name in ("floppy_files", "floppy_dirs", "cd_files"):
        for text in getattr(options, name, ()):
            if not any(c in text for c in "*?[") and not (can_be_path(text) and Path(text).exists()):
                yield Problem(f"`{name}`: there is no file `{text}`", name)


def named_files(options: CdOptions) -> Iterator[Path]:
    """The files and folders that the options name, globs written out; what matches nothing as it is named."""
    names = (
        (*options.floppy_files, *options.floppy_dirs) if isinstance(options, RemovableMediaOptions) else ()
    )
    for pattern in (*names, *options.cd_files):
        relative = pattern and can_be_path(pattern) and not Path(pattern).is_absolute()
        yield from (sorted(Path().glob(pattern)) if relative else []) or [Path(pattern)]


def make_floppy(options: RemovableMediaOptions, context: BuildContext) -> Path | None:
    """The floppy's image, in the build's scratch folder; None when the template wants none."""
    from vmforge.media.floppy import write_floppy

    if not options.wants_floppy:
        return None
    target = context.scratch.absolute() / "floppy.img"
    write_floppy(
        target,
        files=options.floppy_files,
        dirs=options.floppy_dirs,
        content=options.floppy_content,
        label=options.floppy_label,
        base_dir=Path.cwd(),
        ui=context.ui,
    )
    return target


def make_cd(options: CdOptions, context: BuildContext, name: str = "cd.iso") -> Path | None:
    """The CD's image, in the build's scratch folder under that name; None when the template wants none."""
    from vmforge.media.cdrom import write_cdrom

    if not options.wants_cd:
        return None
    target = context.scratch.absolute() / name
    write_cdrom(
        target,
        files=options.cd_files,
        content=options.cd_content,
        label=options.cd_label,
        base_dir=Path.cwd(),
        ui=context.ui,
    )
    return target
