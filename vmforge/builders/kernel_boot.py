"""Booting an installer's kernel straight from its ISO: the options, and what the machine starts with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from vmforge.builders.boot import BOOT_FIELDS
from vmforge.sdk import BuildContext, Config, Problem, option
from vmforge.sdk.late import check_late

if TYPE_CHECKING:
    from vmforge.hypervisor.devices import Kernel


class BootMethod(StrEnum):
    """How the installer is started: by what is typed at its boot prompt, or past that prompt."""

    TYPE = "type"
    KERNEL = "kernel"


@dataclass(frozen=True, kw_only=True)
class KernelBootOptions(Config):
    """Options of every builder that can boot a kernel by itself."""

    boot_method: BootMethod = option(
        BootMethod.TYPE,
        help="How the installer is started: `type` boots the ISO and types `boot_command`; `kernel` boots "
        "the ISO's kernel with `kernel_cmdline`, and nothing is typed.",
    )
    kernel_cmdline: str = option(
        "",
        late=True,
        help="With `kernel`: what to tell the kernel and the installer. What the ISO's own boot loader would "
        "say and the installer needs is put in front of it, unless it is said here.",
    )
    kernel_path: str = option(
        "",
        help="With `kernel`: the kernel's path in the ISO.",
        default_text="where Debian, Ubuntu, Fedora, RHEL, SUSE, Alpine and Arch keep it",
    )
    initrd_path: str = option(
        "",
        help="With `kernel`: the path of the initial RAM disk in the ISO.",
        default_text="what goes with the kernel",
    )

    @property
    def boots_kernel(self) -> bool:
        return self.boot_method is BootMethod.KERNEL


def check_kernel_boot(options: KernelBootOptions) -> Iterable[Problem]:
    """What is wrong or odd in the options, judged by their values."""
    yield from check_late(options.kernel_cmdline, BOOT_FIELDS, "kernel_cmdline")
    if options.boots_kernel:
        return
    for name in ("kernel_cmdline", "kernel_path", "initrd_path"):
        if getattr(options, name):
            hint = 'set `boot_method = "kernel"`'
            yield Problem(
                f'`{name}` has no effect without `boot_method = "kernel"`', name, hint=hint, warning=True
            )


def read_kernel(
    options: KernelBootOptions, context: BuildContext, iso: Path, arch: str, fields: Mapping[str, object]
) -> Kernel:
    """Copy kernel and initial RAM disk out of the ISO into the build's scratch folder, and render the
    command line; `fields` are what its `{{ }}` may use. `arch` is libvirt's name of the processor. Raises
    VmforgeError when the ISO has no kernel that is known."""
    from vmforge.hypervisor.devices import Kernel
    from vmforge.media.iso import IsoImage
    from vmforge.media.iso_kernels import find_boot_files

    image, initrd = (context.scratch.absolute() / name for name in ("kernel", "initrd"))
    with IsoImage(iso) as medium:
        found = find_boot_files(medium, arch, kernel=options.kernel_path, initrd=options.initrd_path)
        medium.extract(found.kernel, image)
        context.cancellation.check()
        medium.extract(found.initrd, initrd)
    command_line = join_command_line(found.options, context.render(options.kernel_cmdline, fields))
    context.ui.message(f"booting {found.kernel} with `{command_line}`")
    return Kernel(image, initrd, command_line)


def join_command_line(needed: Iterable[str], given: str) -> str:
    """One line of the given options, behind those needed ones whose names are not among them."""
    lines = (line.strip() for line in given.splitlines())
    stated = " ".join(filter(None, lines))
    names = {_name(word) for word in stated.split()}
    return " ".join([*(word for word in needed if _name(word) not in names), *filter(None, [stated])])


def _name(word: str) -> str:
    # Anaconda's options were once written without their prefix
    return word.partition("=")[0].removeprefix("inst.")
