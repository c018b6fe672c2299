"""Whether options are declared so that users can set them, and read about them."""

from __future__ import annotations

import dataclasses
import re
import typing
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from vmforge.sdk.body import Body
from vmforge.sdk.decoding import block_type, decode
from vmforge.sdk.interpolate import interpolator
from vmforge.sdk.options import Config, Option, options_of, without_none
from vmforge.sdk.values import Duration, Secret, Size, Value, can_be_path

_SECRET: Final = re.compile(r"(^|_)(password|passphrase|secret|secret_key|private_key|token|api_key)$")


def declaration_faults(config_type: type[Config], path: str = "") -> Iterator[str]:
    """What is wrong with the options of a configuration, those of its blocks included."""
    if not _derives(config_type, Config):
        yield f"`config_type` is {config_type!r}, no `Config`"
        return
    if config_type is Config:
        return
    if "__dataclass_fields__" not in vars(config_type) or not _is_frozen(config_type):
        yield f"`{config_type.__name__}` is not a `@dataclass(frozen=True, kw_only=True)`"
        return
    try:
        table = options_of(config_type)
    except Exception as error:
        yield f"the types of `{config_type.__name__}` cannot be resolved: {error}"
        return
    for field in dataclasses.fields(config_type):
        if field.name not in table:
            yield f"`{path}{field.name}` is not declared with `option(...)`: nobody can set it"
    names = [*table, *(alias for option in table.values() for alias in option.info.aliases)]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"option `{path}{name}` is declared twice, once as an older name"
    for option in table.values():
        yield from (f"option `{path}{option.name}` {fault}" for fault in _faults_of(option))
        nested, _ = block_type(option.type)
        if nested is not None and nested is not config_type:
            yield from declaration_faults(nested, f"{path}{option.name}.")


def _derives(of: object, base: type[object]) -> bool:
    return isinstance(of, type) and issubclass(of, base)


def _is_frozen(config_type: type[Config]) -> bool:
    parameters: Any = vars(config_type)["__dataclass_params__"]
    return bool(parameters.frozen)


def _faults_of(option: Option) -> Iterator[str]:
    if not option.info.help.strip():
        yield "has no help that says what it is for"
    if option.type_text == "any value":
        yield f"has a type that users cannot know: {option.type!r}"
    elif fault := _decoding_fault(option):
        yield fault
    if not option.required and not _belongs(option.default, option.type):
        yield f"has the default {option.default!r}, which is no {option.type_text}"
    if _SECRET.search(option.name) and str in _leaves(option.type):
        yield "holds a secret by its name, and would be shown: make it a `Secret`"


def _decoding_fault(option: Option) -> str:
    """What keeps a value that a template may hold from being taken."""
    try:
        table = dataclasses.make_dataclass(
            "One",
            [(option.name, option.type, dataclasses.field(metadata=_metadata(option)))],
            bases=(Config,),
            frozen=True,
            kw_only=True,
        )
        decoded = decode(Body.of({option.name: sample(option.type)}), [table], interpolator())
    except Exception as error:
        return f"cannot be decoded: {error}"
    return f"cannot be decoded: {decoded.diagnostics[0].summary}" if decoded.diagnostics else ""


def _metadata(option: Option) -> dict[str, object]:
    from vmforge.sdk.options import option as declare

    info = {field.name: getattr(option.info, field.name) for field in dataclasses.fields(option.info)}
    return dict(declare(**info | {"aliases": ()}).metadata)


def sample(of: Any) -> Value:
    """A value that a template may hold for an option of a type."""
    (member, *_) = without_none(of)
    origin, arguments = typing.get_origin(member), typing.get_args(member)
    if origin is tuple:
        return [sample(arguments[0])]
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return {"key": sample(arguments[1])}
    if isinstance(member, type) and issubclass(member, Config):
        return {name: sample(o.type) for name, o in options_of(member).items() if o.required}
    if isinstance(member, type) and issubclass(member, StrEnum):
        return next(iter(member)).value
    texts: dict[Any, Value] = {bool: True, int: 1, float: 1, Size: "1G", Duration: "1m"}
    return texts.get(member, "text")


def _belongs(value: object, of: Any) -> bool:
    """Whether a default is of its option's type."""
    if of is Any or of is object:
        return True
    if value is None:
        return type(None) in typing.get_args(of)
    return any(_is_one(value, member) for member in without_none(of))


def _is_one(value: object, of: Any) -> bool:
    origin, arguments = typing.get_origin(of), typing.get_args(of)
    if origin is tuple:
        return isinstance(value, tuple) and all(_belongs(item, arguments[0]) for item in value)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return isinstance(value, Mapping) and all(_belongs(item, arguments[1]) for item in value.values())
    if of is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    if of is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if of is Any or of is object:
        return True
    return isinstance(of, type) and isinstance(value, of)


def _leaves(of: Any) -> set[Any]:
    """The types that the values of an option have, lists and maps taken apart."""
    found: set[Any] = set()
    for member in without_none(of):
        origin, arguments = typing.get_origin(member), typing.get_args(member)
        if origin is tuple:
            found |= _leaves(arguments[0])
        elif isinstance(origin, type) and issubclass(origin, Mapping):
            found |= _leaves(arguments[1])
        else:
            found.add(member)
    return found


_TEXTS: Final = (
    "~nobody-there/x",
    "",
    " ",
    "-x",
    "a\nb",
    "é ☃",
    "../..//x",
    "x" * 300,
    "{{ .Nope }}",
    "{{ broken",
)


def odd_values(of: Any) -> Iterator[object]:
    """Values of an option's type that few templates have, and any may."""
    if type(None) in typing.get_args(of):
        yield None
    for member in without_none(of):
        yield from _odd(member)


def _odd(of: Any) -> Iterator[object]:
    origin, arguments = typing.get_origin(of), typing.get_args(of)
    if origin is tuple:
        yield ()
        yield from ((item,) for item in odd_values(arguments[0]))
    elif isinstance(origin, type) and issubclass(origin, Mapping):
        yield {}
        yield from ({"": item} for item in odd_values(arguments[1]))
    elif of is Any or of is object:
        yield from ("", 1, Decimal("1.5"), {"a": [None]}, [])
    elif isinstance(of, type) and issubclass(of, StrEnum):
        yield from of
    elif of in (str, Secret):
        yield from (of(text) for text in _TEXTS)
    elif of is Path:
        yield from (Path(text) for text in _TEXTS if can_be_path(text))
    else:
        numbers: Mapping[Any, Sequence[object]] = {
            bool: (True, False),
            int: (-1, 0, 10**12),
            float: (-1.0, 0.0, 1e300),
            Size: (Size(0), Size(1), Size(2**70)),
            Duration: (Duration(-1.0), Duration(0.0), Duration(1e12)),
        }
        yield from numbers.get(of, ())
