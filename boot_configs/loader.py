"""Finds the boot configs and reads them: a system's file over its family's, over the shared parameters."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

from boot_configs.model import AnswerFile, BootConfig, IsoSigns
from boot_configs.parameters import Parameter, ParameterType, suggestion
from boot_configs.rendering import Delivery, Firmware, KernelBoot

_HOME: Final = Path(__file__).parent
_SYSTEMS: Final = _HOME / "systems"
_FAMILIES: Final = _HOME / "families"


class UnknownName(LookupError):
    """There is no boot config of this name; `hint` says which there are."""

    def __init__(self, name: str, hint: str) -> None:
        super().__init__(f"there is no boot config `{name}`")
        self.hint = hint


def names() -> tuple[str, ...]:
    """The names of all systems, sorted, versions by their numbers."""
    return tuple(sorted((path.stem for path in _SYSTEMS.glob("*.toml")), key=_by_version))


def load(name: str) -> BootConfig:
    """The boot config of a system, by its name or an alias, in any case. Raises `UnknownName`."""
    wanted = name.lower()
    if wanted not in names():
        wanted = _aliases().get(wanted, "")
    if not wanted:
        known = (*names(), *_aliases())
        listed = ", ".join(f"`{one}`" for one in names())
        raise UnknownName(name, suggestion(name.lower(), known) or f"there are {listed}")
    return _load(wanted)


@cache
def _load(name: str) -> BootConfig:
    system = _read(_SYSTEMS / f"{name}.toml")
    family = str(system["family"])
    folder = _FAMILIES / family
    merged = _merged(_read(folder / "family.toml"), system)
    kernel = merged.get("kernel")
    boot = merged.get("boot", {})
    return BootConfig(
        name=name,
        family=family,
        title=merged["title"],
        version=str(merged["version"]),
        codename=merged.get("codename", ""),
        aliases=tuple(merged.get("aliases", ())),
        guest_os=merged.get("guest_os", ""),
        parameters=_parameters(merged.get("parameters", {})),
        answer_files=tuple(_answer_file(entry) for entry in merged["answer_files"]),
        boot={firmware: tuple(boot[firmware]) for firmware in Firmware if firmware in boot},
        iso=_iso_signs(merged.get("iso", {})),
        values=merged.get("values", {}),
        options=merged.get("options", {}),
        label=merged.get("media", {}).get("label", ""),
        unlock=boot.get("unlock", ""),
        kernel=_kernel(kernel) if kernel else None,
        folders=(folder, _FAMILIES),
    )


def _kernel(entry: Mapping[str, str]) -> KernelBoot:
    return KernelBoot(entry["cmdline"], entry.get("path", ""), entry.get("initrd", ""))


def _iso_signs(entry: Mapping[str, Any]) -> IsoSigns:
    volume_id, info = (tuple(entry.get(key, ())) for key in ("volume_id", "info"))
    return IsoSigns(volume_id, info, entry.get("page", ""), entry.get("file", ""))


def _read(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        return tomllib.load(file)


@cache
def _aliases() -> Mapping[str, str]:
    return {alias: name for name in names() for alias in _read(_SYSTEMS / f"{name}.toml").get("aliases", ())}


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Tables merged, other values those of `above`."""
    merged = dict(below)
    for key, value in above.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = _merged(merged[key], value) if both else value
    return merged


def _parameters(declared: Mapping[str, Mapping[str, Any]]) -> dict[str, Parameter]:
    """Those that are supported, in the order of the shared ones, a family's own behind them."""
    shared = _read(_HOME / "parameters.toml")
    order = [*(name for name in shared if name in declared), *(n for n in declared if n not in shared)]
    supported = [name for name in order if declared[name].get("supported", True)]
    return {name: _parameter(name, _merged(shared.get(name, {}), declared[name])) for name in supported}


def _parameter(name: str, entry: Mapping[str, Any]) -> Parameter:
    choices = tuple(entry.get("choices", ()))
    default = entry.get("default", choices[0] if choices else None)
    return Parameter(name, ParameterType(entry["type"]), entry["help"], default, choices)


def _answer_file(entry: Mapping[str, Any]) -> AnswerFile:
    delivery = Delivery(entry["delivery"]) if "delivery" in entry else None
    return AnswerFile(
        template=entry["template"],
        path=entry["path"],
        kind=entry["kind"],
        dialect=entry.get("dialect", ""),
        optional=entry.get("optional", False),
        delivery=delivery,
    )


def _by_version(name: str) -> tuple[object, ...]:
    family, _, version = name.rpartition("-")
    numbers = [int(part) for part in version.split(".") if part.isdecimal()]
    return (family, *numbers) if numbers else (name,)
