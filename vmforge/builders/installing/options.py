"""The options that builders on other hypervisors share, and what is wrong with them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from vmforge.builders import boot_config
from vmforge.builders.answer_files import AnswerFileOptions, check_answer_files
from vmforge.builders.answer_texts import check_own_answers
from vmforge.builders.boot import BootOptions, check_boot, check_unseen
from vmforge.builders.boot_config import BootConfigOptions, Installation
from vmforge.builders.iso import IsoOptions, check_iso, local_iso
from vmforge.builders.removable_media import RemovableMediaOptions, check_removable_media, named_files
from vmforge.builders.shutdown import ShutdownOptions
from vmforge.sdk import Config, Duration, Presets, Problem, option
from vmforge.sdk.body import Body, Setting
from vmforge.sdk.interpolate import Interpolator
from vmforge.sdk.options import options_of, paths_of

_NO_SCREEN = "the screen of this hypervisor's machines cannot be waited for"


@dataclass(frozen=True, kw_only=True)
class InstallOptions(
    AnswerFileOptions, RemovableMediaOptions, BootConfigOptions, BootOptions, ShutdownOptions
):
    """Options of every builder on another hypervisor."""

    vm_name: str = option("", help="The machine's name.", default_text="packer-BUILDNAME")
    disable_shutdown: bool = option(
        False,
        help="Do not shut the guest down: a provisioner does, and is given `shutdown_timeout` for it.",
    )
    post_shutdown_delay: Duration = option(
        Duration(0), help="How long to wait once the guest is off, before anything is done to the machine."
    )

    @property
    def kernel_cmdline(self) -> str:
        """These builders boot what the medium boots."""
        return ""

    @property
    def uses_efi(self) -> bool:
        """Whether the machine has UEFI."""
        return False


@dataclass(frozen=True, kw_only=True)
class OutputOptions(Config):
    """Options of builders that leave files on this machine."""

    output_directory: Path | None = option(
        None, written=True, help="Where the image goes; must not exist.", default_text="output-BUILDNAME"
    )


def check_install(config: InstallOptions, *, sees: bool = True, medium: bool = True) -> Iterable[Problem]:
    """What is wrong with the shared options, the medium's among them where `config` has these and a
    `medium` is always fetched. A machine whose screen vmforge does not `see` cannot be waited for."""
    return chain(
        check_iso(config) if medium and isinstance(config, IsoOptions) else (),
        check_answer_files(config),
        check_removable_media(config),
        check_own_answers(config),
        Installation(config, config.uses_efi).check(),
        check_boot(config),
        () if sees else _check_unseen(config),
        _check_shutdown(config),
    )


def _check_unseen(config: InstallOptions) -> Iterable[Problem]:
    for problem in check_unseen(config):
        hint = 'set a time, as in `boot_wait = "10s"`'
        if problem.option != "boot_wait":
            own = "have a `boot_command` of your own" if config.boot_config else "wait for a time instead"
            hint = f"{own}, with `<wait10>` where it is to wait for ten seconds"
        yield dataclasses.replace(problem, summary=_NO_SCREEN, hint=hint)


def _check_shutdown(config: InstallOptions) -> Iterable[Problem]:
    if config.disable_shutdown and config.shutdown_command:
        summary = "`shutdown_command` is not run with `disable_shutdown = true`"
        yield Problem(summary, "shutdown_command", hint="keep one of them", warning=True)
    if config.shutdown_timeout.seconds <= 0:
        yield Problem("`shutdown_timeout` leaves no time", "shutdown_timeout")


def local_files(config: InstallOptions) -> tuple[Path, ...]:
    """The files of this machine that a build with `config` reads; see `Component.local_inputs`."""
    iso = local_iso(config) if isinstance(config, IsoOptions) else ()
    return (*paths_of(config), *iso, *named_files(config))


def presets(
    body: Body, engine: Interpolator, config_type: type[Config], *, efi_option: tuple[str, str] | None = None
) -> Presets:
    """What the source's boot config supplies, of the options that this hypervisor has. `efi_option` is the
    option that asks for UEFI here, and its value."""
    name, value = efi_option or ("", "")
    stated = body.settings.get(name)
    if stated is not None and isinstance(stated.value, (str, bool, int)):
        efi = Setting("efi_boot", str(stated.value).startswith(value), stated.range)
        body = dataclasses.replace(body, settings={**body.settings, "efi_boot": efi})
    found = boot_config.presets(body, engine)
    values = dict(found.values)
    if values.pop("efi_boot", False) and name:
        values[name] = value
    foreign = set(options_of(_qemu_options())) - set(options_of(config_type))
    return dataclasses.replace(found, values={k: v for k, v in values.items() if k not in foreign})


def _qemu_options() -> type[Config]:
    """The hypervisor that boot configs are written for."""
    from vmforge.builders.qemu.config import QemuConfig

    return QemuConfig
