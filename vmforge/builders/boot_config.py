"""Boot configs: the options, and what the named system's config supplies for all others."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from vmforge.builders.boot import BOOT_FIELDS
from vmforge.builders.kernel_boot import BootMethod
from vmforge.builders.removable_media import RemovableMediaOptions
from vmforge.sdk import UNKNOWN, BuildContext, Config, Presets, Problem, Secret, Value, option
from vmforge.sdk.body import Body
from vmforge.sdk.decoding import decode, holds_unknown
from vmforge.sdk.interpolate import Interpolator, interpolator
from vmforge.sdk.late import check_late
from vmforge.sdk.options import options_of

if TYPE_CHECKING:
    from boot_configs import BootConfig, Delivery, Firmware, Rendered, RenderedFile

# What a source needs that a config would have supplied, had it been right.
_STAND_INS: Final[Mapping[str, Value]] = {"ssh_username": "nobody", "winrm_username": "nobody"}


# What a running build may put into answer files, to judge them by.
_SAMPLES: Final = {
    "HTTPIP": "192.0.2.1",
    "HTTPPort": "8000",
    "Name": "sample",
    "SSHPublicKey": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA== sample",
    "PackageProxy": "",
}


@dataclass(frozen=True, kw_only=True)
class BootConfigOptions(Config):
    """Options of every builder that installs a system from its ISO."""

    boot_config: str = option(
        "",
        help="The system to install, as `vmforge os list` names it (`debian-12`). It supplies answer files, "
        "boot command, shutdown and login; every option that the source sets itself wins.",
        affects_image=False,  # what it comes to does: `Installation.texts`
    )
    boot_params: Mapping[str, object] = option(
        {},
        late=True,
        help='What to tell the installer: `{ hostname = "web", timezone = "Europe/Berlin" }`. `vmforge os '
        "show NAME` lists what a system knows.",
        affects_image=False,
    )


@dataclass(frozen=True, kw_only=True)
class _Stated(BootConfigOptions):
    """What else in a source decides what the config supplies."""

    boot_method: BootMethod = option(BootMethod.TYPE, help="As `KernelBootOptions` has it.")
    efi_boot: bool | None = option(None, help="As `HardwareOptions` has it.")
    efi_firmware_code: Path | None = option(None, help="As `HardwareOptions` has it.")
    efi_firmware_vars: Path | None = option(None, help="As `HardwareOptions` has it.")
    disk_image: bool = option(False, help="As `DiskOptions` has it.")
    ssh_username: str = option("", help="As the communicator has it.")
    ssh_password: Secret = option(Secret(""), help="As the communicator has it.")
    winrm_username: str = option("", help="As the communicator has it.")
    winrm_password: Secret = option(Secret(""), help="As the communicator has it.")


def presets(body: Body, engine: Interpolator) -> Presets:
    """What the source's boot config supplies; nothing for a source that names none."""
    own = {name: setting for name, setting in body.settings.items() if name in options_of(_Stated)}
    decoded = decode(Body(own, (), body.range), [_Stated], engine)
    if _Stated not in decoded.configs or "boot_config" in decoded.unknown:  # which is reported elsewhere
        return Presets({**_STAND_INS, "ssh_username": UNKNOWN} if "boot_config" in own else {})
    stated = decoded.get(_Stated)
    if not stated.boot_config:
        hint = 'set `boot_config = "NAME"`; `vmforge os list` lists the names'
        return Presets(
            problems=(Problem("`boot_params` without `boot_config`", "boot_params", hint),)
            if stated.boot_params
            else ()
        )
    return _supplied(stated, frozenset(_own_names(body)))


def _own_names(body: Body) -> Iterator[str]:
    """The names of what a source sets itself."""
    yield from (name for name, setting in body.settings.items() if setting.value is not None)
    yield from (block.type for block in body.blocks)


def _supplied(stated: _Stated, own: frozenset[str]) -> Presets:
    import boot_configs

    try:
        config = boot_configs.load(stated.boot_config)
    except boot_configs.UnknownName as error:
        return Presets(_STAND_INS, problems=(Problem(str(error), "boot_config", error.hint),))
    if stated.disk_image:
        problem = Problem("`disk_image` has no installer, which `boot_config` is about", "boot_config")
        return Presets(_STAND_INS, problems=(problem,))
    params = _parameters(config, stated)
    if found := config.check(params):
        problems = tuple(Problem(p.summary, "boot_params", p.hint, part=p.name) for p in found)
        return Presets(_STAND_INS, problems=problems)
    firmware = _firmware(config, stated)
    rendered = config.render(params, firmware=firmware, salt="")
    impossible = _impossible(config, rendered, firmware, stated, own)
    values = _options(rendered, firmware, stated, own) | _labels(rendered)
    return Presets(values, {"boot_params": params}, (impossible,) if impossible else (), rendered.secrets)


def _parameters(config: BootConfig, stated: _Stated) -> dict[str, Any]:
    """What the template says, with the login that it names as the account to be made."""
    user = stated.ssh_username or stated.winrm_username
    password = stated.ssh_password or stated.winrm_password
    login: dict[str, Any] = {"password": password.value} if password else {}
    if user == "root":
        login["root"] = "password" if password else "key"
    elif user:
        login["user"] = user
    params = {name: value for name, value in stated.boot_params.items() if not _is_unknown(value)}
    if params.get("password_hash"):
        login.pop("password", None)
    return {name: value for name, value in login.items() if name in config.parameters} | params


def _is_unknown(value: object) -> bool:
    return holds_unknown(cast("Value", value))


def _firmware(config: BootConfig, stated: _Stated) -> Firmware:
    from boot_configs import Firmware

    wanted = config.options.get("efi_boot") if stated.efi_boot is None else stated.efi_boot
    efi = wanted or stated.efi_firmware_code or stated.efi_firmware_vars
    return Firmware.UEFI if efi else Firmware.BIOS


def _impossible(
    config: BootConfig, rendered: Rendered, firmware: Firmware, stated: _Stated, own: frozenset[str]
) -> Problem | None:
    """Why the machine cannot be started as the source wants it."""
    if stated.boot_method is BootMethod.KERNEL:
        return _without_typing(config, rendered)
    if not rendered.boot_command.get(firmware) and not own & {"boot_command", "boot_steps"}:
        name = "UEFI" if firmware == "uefi" else "a BIOS"
        hint = "set `efi_boot = true`" if firmware == "bios" else "leave `efi_boot` out"
        return Problem(f"{config.title} is not installed with {name}", "boot_config", hint)
    return None


def _without_typing(config: BootConfig, rendered: Rendered) -> Problem | None:
    if rendered.kernel is None:
        summary = f"{config.title} has no kernel that could be booted by itself"
        return Problem(summary, "boot_method", "leave `boot_method` out")
    if rendered.unlock:
        hint = "leave `boot_method` out: the passphrase that the installed system asks for is then typed"
        return Problem("a boot without typing leaves the disk's passphrase unanswered", "boot_method", hint)
    return None


def _options(
    rendered: Rendered, firmware: Firmware, stated: _Stated, own: frozenset[str]
) -> dict[str, Value]:
    """Those of the source's options that the config sets."""
    values = {name: cast("Value", value) for name, value in rendered.options.items()}
    if stated.boot_method is BootMethod.KERNEL:
        values.pop("boot_wait", None)
        kernel = rendered.kernel
        if kernel is not None:
            values |= {
                "kernel_cmdline": kernel.cmdline,
                "kernel_path": kernel.kernel,
                "initrd_path": kernel.initrd,
            }
    elif own & {"boot_command", "boot_steps"}:
        values.pop("boot_wait", None)  # which belongs to the command
    else:
        values["boot_command"] = (*rendered.boot_command.get(firmware, ()), *filter(None, [rendered.unlock]))
    return values


def _labels(rendered: Rendered) -> dict[str, Value]:
    ways = {file.delivery.value for file in rendered.answer_files}
    return {f"{way}_label": rendered.label for way in ("cd", "floppy") if way in ways and rendered.label}


@dataclass(frozen=True)
class Installation:
    """A source's boot config, its answer files rendered but for what only a running build knows.

    `uses_efi` says which firmware the machine has.
    """

    options: BootConfigOptions
    uses_efi: bool

    def files(self, delivery: Delivery, *, salt: str | None = None) -> tuple[RenderedFile, ...]:
        """The answer files that go this way; none without a config."""
        rendered = self._rendered(salt)
        found = rendered.answer_files if rendered is not None else ()
        return tuple(file for file in found if file.delivery is delivery)

    def texts(self) -> dict[str, str]:
        """What an installed machine depends on, by the name that a user knows it by: the same whenever equal
        parameters make equal machines."""
        rendered = self._rendered("")
        if rendered is None:
            return {}
        texts = {f"the answer file `{file.path}`": file.text for file in rendered.answer_files}
        # a password stands in them as its hash, whose salt is another each time
        return {**texts, "the answers' secrets": json.dumps(sorted(rendered.secrets))}

    def check(self) -> Iterable[Problem]:
        """What is wrong with the texts that the parameters make."""
        rendered = self._rendered("")
        for file in rendered.answer_files if rendered is not None else ():
            complaints = list(check_late(file.text, BOOT_FIELDS, "boot_params"))
            yield from complaints or _check_answers(file)

    def _rendered(self, salt: str | None) -> Rendered | None:
        if not self.options.boot_config:
            return None
        import boot_configs

        try:
            config = boot_configs.load(self.options.boot_config)
            firmware = boot_configs.Firmware.UEFI if self.uses_efi else boot_configs.Firmware.BIOS
            return config.render(self.options.boot_params, firmware=firmware, salt=salt)
        except (boot_configs.UnknownName, boot_configs.ParameterProblems):
            return None  # `presets` has said so


def _check_answers(file: RenderedFile) -> Iterator[Problem]:
    """What the format's validator says, if there is one for it."""
    from vmforge.builders.answer_checks import AnswerKind, check

    if file.kind not in list(AnswerKind):
        return
    text = interpolator().with_fields(_SAMPLES).render(file.text)
    for found in check(AnswerKind(file.kind), text, file.dialect):
        yield Problem(found.text(file.path), "boot_config", found.hint, warning=found.warning)


def serves(installation: Installation) -> bool:
    """Whether the embedded server has answer files to give."""
    from boot_configs import Delivery

    return bool(installation.options.boot_config) and bool(installation.files(Delivery.HTTP, salt=""))


def served_answers(
    installation: Installation, context: BuildContext, fields: Mapping[str, object]
) -> dict[str, str]:
    """The answer files for the embedded server, by path. `fields` are what their `{{ }}` may use."""
    from boot_configs import Delivery

    return _filled(installation.files(Delivery.HTTP), context, fields)


def with_answers(
    media: RemovableMediaOptions,
    installation: Installation,
    context: BuildContext,
    fields: Mapping[str, object],
) -> RemovableMediaOptions:
    """The disc and the floppy with the answer files that go on them, but for those that the template has."""
    from boot_configs import Delivery

    discs = _filled(installation.files(Delivery.CD), context, fields)
    floppies = _filled(installation.files(Delivery.FLOPPY), context, fields)
    return replace(
        media,
        cd_content={**discs, **media.cd_content},
        floppy_content={**floppies, **media.floppy_content},
    )


def _filled(
    files: Iterable[RenderedFile], context: BuildContext, fields: Mapping[str, object]
) -> dict[str, str]:
    return {file.path: context.render(file.text, fields) for file in files}
