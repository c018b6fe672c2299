"""The options of a component, declared once.

A component's configuration is a frozen dataclass whose fields are made with `option(...)`:

    @dataclass(frozen=True, kw_only=True)
    class GreetConfig(Config):
        text: str = option(help="what to say")
        times: int = option(1, help="how often")

From the declaration come decoding (decoding.py), the reference pages (`vmforge docs`), what is
secret, and what belongs to a layer's key.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any, Final

from vmforge.sdk.values import Duration, Secret, Size

_METADATA_KEY: Final = "vmforge.option"
REQUIRED: Final = dataclasses.MISSING


@dataclass(frozen=True)
class Config:
    """The base of all configurations; has no options itself."""


@dataclass(frozen=True, slots=True)
class OptionInfo:
    """What is declared about one option beside its type and default."""

    help: str
    late: bool = False  # `{{ }}` in it is rendered by the component at run time, not when decoded
    affects_image: bool = True  # part of a layer's key
    aliases: tuple[str, ...] = ()  # older names, accepted with a warning
    unit: str = ""  # for Size: the unit of a bare number ("m")
    default_text: str = ""  # how the reference shows a default that is computed
    written: bool = False  # a path that the build writes, and does not read


def option(
    default: Any = REQUIRED,
    *,
    help: str,
    late: bool = False,
    affects_image: bool = True,
    aliases: tuple[str, ...] = (),
    unit: str = "",
    default_text: str = "",
    written: bool = False,
) -> Any:
    """Declare an option as a field of a `Config`. Without a default the user must set it."""
    info = OptionInfo(help, late, affects_image, aliases, unit, default_text, written)
    metadata = {_METADATA_KEY: info}
    if isinstance(default, Mapping):
        # dataclasses refuse a dict as a default, because instances could share and change it
        return dataclasses.field(default_factory=lambda: dict(default), metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


@dataclass(frozen=True, slots=True)
class Option:
    """A declared option, resolved: its name, type, default and `OptionInfo`."""

    name: str
    type: Any
    default: Any
    info: OptionInfo

    @property
    def required(self) -> bool:
        return self.default is REQUIRED

    @property
    def type_text(self) -> str:
        """The type as users know it: `string`, `list of string`, `duration` ..."""
        return describe_type(self.type)


def options_of(config_type: type[Config]) -> Mapping[str, Option]:
    """The options that a configuration declares, in order of declaration."""
    key: Any = config_type  # mypy takes no class for something that can be hashed
    return _options_of(key)


@cache
def _options_of(config_type: Any) -> Mapping[str, Option]:
    hints = typing.get_type_hints(config_type)
    return types.MappingProxyType(
        {
            f.name: Option(f.name, hints[f.name], _default_of(f), f.metadata[_METADATA_KEY])
            for f in dataclasses.fields(config_type)
            if _METADATA_KEY in f.metadata
        }
    )


def _default_of(field: dataclasses.Field[Any]) -> Any:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default


_TYPE_NAMES = {
    str: "string",
    bool: "bool",
    int: "number",
    float: "number",
    Size: "size",
    Duration: "duration",
    Secret: "secret string",
    Path: "path",
}


def describe_type(of: Any) -> str:
    """A field's type in the template language's terms."""
    if of in _TYPE_NAMES:
        return _TYPE_NAMES[of]
    if isinstance(of, type) and issubclass(of, StrEnum):
        return "one of " + ", ".join(f"`{member.value}`" for member in of)
    if isinstance(of, type) and issubclass(of, Config):
        return "block"
    origin, arguments = typing.get_origin(of), typing.get_args(of)
    if origin is tuple:
        return f"list of {describe_type(arguments[0])}"
    if origin is not None and isinstance(origin, type) and issubclass(origin, Mapping):
        return f"map of {describe_type(arguments[1])}"
    present = tuple(without_none(of))
    if present == (of,):
        return "any value"
    return " or ".join(map(describe_type, present))


def without_none(of: Any) -> Iterator[Any]:
    """The members of `T | None` except None; `of` itself when it is no union."""
    if typing.get_origin(of) in (typing.Union, types.UnionType):
        yield from (member for member in typing.get_args(of) if member is not type(None))
    else:
        yield of


def secrets_of(config: Config) -> Iterator[str]:
    """Every secret string that a configuration holds, nested ones too."""
    for value in (getattr(config, f.name) for f in dataclasses.fields(config)):
        yield from _secrets_in(value)


def texts_of(config: Config) -> Iterator[str]:
    """The plain strings among a configuration's values."""
    return (value for f in dataclasses.fields(config) if isinstance(value := getattr(config, f.name), str))


def paths_of(config: Config) -> Iterator[Path]:
    """The paths among a configuration's values, nested ones too, but for those that are `written`."""
    for field in dataclasses.fields(config):
        info = field.metadata.get(_METADATA_KEY)
        if info is not None and not info.written:
            yield from _paths_in(getattr(config, field.name))


def _paths_in(value: object) -> Iterator[Path]:
    if isinstance(value, Path):
        if str(value) not in ("", "."):
            yield value
    elif isinstance(value, Config):
        yield from paths_of(value)
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _paths_in(item)
    elif isinstance(value, tuple):
        for item in value:
            yield from _paths_in(item)


def _secrets_in(value: object) -> Iterator[str]:
    if isinstance(value, Secret):
        if value.value:
            yield value.value
    elif isinstance(value, Config):
        yield from secrets_of(value)
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _secrets_in(item)
    elif isinstance(value, tuple):
        for item in value:
            yield from _secrets_in(item)
