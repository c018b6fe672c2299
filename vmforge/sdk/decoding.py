"""From an evaluated block to frozen configurations, with every mistake reported where it stands.

Types are weak, as in Packer: `"4"` is a number where a number is wanted, `true` a string where a
string is wanted, a single value a list of one. `null` is the same as leaving the option out.
"""

from __future__ import annotations

import re
import typing
from collections.abc import Mapping, Sequence
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeVar

from vmforge.diagnostics import Diagnostic, SourceRange, did_you_mean
from vmforge.sdk.body import Block, Body, Place, Setting
from vmforge.sdk.component import Component, Problem
from vmforge.sdk.interpolate import Interpolator
from vmforge.sdk.options import Config, Option, describe_type, options_of, without_none
from vmforge.sdk.values import UNKNOWN, Duration, Secret, Size, Unknown, Value, can_be_path

T = TypeVar("T", bound=Config)
UNKNOWN_TEXT = "<unknown>"


class Decoded:
    """The outcome of decoding one body into several configurations.

    `configs` is complete only when `diagnostics` holds no error. `unknown` names the options whose
    values exist only at run time; they hold stand-ins, so their values prove nothing.
    """

    def __init__(self) -> None:
        self.configs: dict[type[Config], Config] = {}
        self.diagnostics: list[Diagnostic] = []
        self.unknown: set[str] = set()

    def get(self, config_type: type[T]) -> T:
        config = self.configs[config_type]
        assert isinstance(config, config_type)
        return config


def decode(body: Body, config_types: Sequence[type[Config]], engine: Interpolator) -> Decoded:
    """Decode one body whose options belong to several configurations (a builder's and its
    communicators', say). An option that none of them declares is an error with a suggestion.

    `engine` renders the `{{ }}` of their strings; in late options it fills in the variables only."""
    decoded = Decoded()
    tables = {config_type: options_of(config_type) for config_type in config_types}
    for config_type, table in tables.items():
        reader = _Reader(decoded, engine)
        values = reader.read(body, table)
        if values is not None:
            decoded.configs[config_type] = config_type(**values)
    _report_strangers(body, tables, decoded)
    return decoded


def check(component: type[Component[Any]], config: Config, body: Body, unknown: set[str]) -> list[Diagnostic]:
    """The component's own judgement on a configuration, placed in the template."""
    found = [problem for problem in component.check(config) if problem.option not in unknown]
    return [placed(problem, body) for problem in found]


def placed(problem: Problem, body: Body) -> Diagnostic:
    """A problem where the template has what it is about."""
    make = Diagnostic.warning if problem.warning else Diagnostic.error
    return make(problem.summary, range=_range_of(problem, body), hint=problem.hint)


def _range_of(problem: Problem, body: Body) -> SourceRange | None:
    setting = body.settings.get(problem.option)
    if setting is None:
        return body.range
    part = setting.place.inside(problem.part) if problem.part and setting.place is not None else None
    return part.range if part is not None else setting.range


def _report_strangers(
    body: Body, tables: Mapping[type[Config], Mapping[str, Option]], decoded: Decoded
) -> None:
    known = {name for table in tables.values() for name in table}
    aliases = {alias for table in tables.values() for o in table.values() for alias in o.info.aliases}
    for setting in body.settings.values():
        if setting.name not in known | aliases:
            summary = f"unknown option `{setting.name}`"
            place = setting.name_range or setting.range
            decoded.diagnostics.append(
                Diagnostic.error(summary, range=place, hint=did_you_mean(setting.name, known))
            )
    for block in body.blocks:
        if block.type not in known:
            summary = f"unknown block `{block.type}`"
            hint = did_you_mean(block.type, known)
            decoded.diagnostics.append(Diagnostic.error(summary, range=block.range, hint=hint))


class _Mismatch(Exception):
    """A value does not fit its option's type; the text says what was expected. `place` is that of the
    part at fault, where it is known."""

    place: Place | None = None


class _BlockErrors(_Mismatch):
    """An object stands for a block, whose errors are reported where they are."""


class _Reader:
    """Reads the options of one configuration out of a body."""

    def __init__(self, decoded: Decoded, engine: Interpolator) -> None:
        self._decoded = decoded
        self._engine = engine
        self._failed = False

    def read(self, body: Body, table: Mapping[str, Option]) -> dict[str, Any] | None:
        """The values by name, defaults left out; None when something was wrong."""
        values: dict[str, Any] = {}
        for option in table.values():
            setting = self._find(body, option)
            blocks = [block for block in body.blocks if block.type == option.name]
            if setting is not None and not self._is_unset(setting.value, option):
                self._read_setting(option, setting, values)
            elif blocks:
                self._read_blocks(option, blocks, values)
            elif option.required:
                hint = f"set `{option.name}`: {option.info.help}"
                self._error(f"missing option `{option.name}`", body.range, hint)
        return None if self._failed else values

    def _is_unset(self, value: Value, option: Option) -> bool:
        """Whether a value means the default: null, and `""` where it cannot be a value, as in Packer."""
        (of, *_) = without_none(option.type)
        never_empty = of in (int, float) or (
            isinstance(of, type) and issubclass(of, (Size, Duration, StrEnum))
        )
        optional_path = of is Path and option.default is None
        if not (never_empty or optional_path) or not isinstance(value, str):
            return value is None
        try:
            return self._rendered(value, option) == ""
        except _Mismatch:  # which reading it reports
            return False

    def _find(self, body: Body, option: Option) -> Setting | None:
        if option.name in body.settings:
            return body.settings[option.name]
        for alias in option.info.aliases:
            if alias in body.settings:
                setting = body.settings[alias]
                summary = f"option `{alias}` is an old name of `{option.name}`"
                place = setting.name_range or setting.range
                self._decoded.diagnostics.append(
                    Diagnostic.warning(summary, range=place, hint=f"write `{option.name}`")
                )
                return setting
        return None

    def _read_setting(self, option: Option, setting: Setting, values: dict[str, Any]) -> None:
        if holds_unknown(setting.value):
            self._decoded.unknown.add(option.name)
        try:
            values[option.name] = self._convert(setting.value, option.type, option, setting.place)
        except _BlockErrors:
            self._failed = True
        except _Mismatch as mismatch:
            place = mismatch.place.range if mismatch.place is not None else setting.range
            self._error(f"option `{option.name}`: {mismatch}", place)

    def _read_blocks(self, option: Option, blocks: Sequence[Block], values: dict[str, Any]) -> None:
        member, many = block_type(option.type)
        if member is None:
            self._error(
                f"`{option.name}` is an option, not a block; write `{option.name} = ...`", blocks[0].range
            )
            return
        if len(blocks) > 1 and not many:
            self._error(f"block `{option.name}` may stand only once", blocks[1].range)
            return
        configs = tuple(self._read_block(block.body, member) for block in blocks)
        if None not in configs:
            values[option.name] = configs if many else configs[0]

    def _read_block(self, body: Body, member: type[Config]) -> Config | None:
        nested = decode(body, [member], self._engine)
        self._decoded.diagnostics += nested.diagnostics
        self._decoded.unknown |= nested.unknown
        config = nested.configs.get(member)
        self._failed |= config is None
        return config

    def _error(self, summary: str, range: SourceRange | None, hint: str = "") -> None:
        self._failed = True
        self._decoded.diagnostics.append(Diagnostic.error(summary, range=range, hint=hint))

    def _convert(self, value: Value, of: Any, option: Option, place: Place | None) -> Any:
        try:
            return self._convert_any(value, of, option, place)
        except _Mismatch as mismatch:
            mismatch.place = mismatch.place or place
            raise

    def _convert_any(self, value: Value, of: Any, option: Option, place: Place | None) -> Any:
        if of is object:
            return self._rendered_within(value, option)
        members = tuple(without_none(of))
        if value is None and type(None) in typing.get_args(of):
            return None
        if len(members) == 1:
            return self._convert_one(value, members[0], option, place)
        for member in members:
            try:
                return self._convert_one(value, member, option, place)
            except _Mismatch:
                continue
        raise _Mismatch(f"expected {describe_type(of)}, not {_describe(value)}")

    def _convert_one(self, value: Value, of: Any, option: Option, place: Place | None) -> Any:
        origin, arguments = typing.get_origin(of), typing.get_args(of)
        if isinstance(of, type) and issubclass(of, Config):
            return self._convert_block(value, of, place)
        if origin is tuple:
            if isinstance(value, str) and _is_scalar(arguments[0]):
                return self._split(value, arguments[0], option)
            if not _is_list(value):
                return (self._convert(value, arguments[0], option, place),)
            items = enumerate(typing.cast("list[Value]", value))
            return tuple(self._convert(item, arguments[0], option, _within(place, i)) for i, item in items)
        if origin is not None and issubclass(origin, Mapping):
            if isinstance(value, Unknown):
                return {}
            if not isinstance(value, Mapping):
                raise _Mismatch(f"expected a map, not {_describe(value)}")
            return {
                str(key): self._convert(item, arguments[1], option, _within(place, key))
                for key, item in value.items()
            }
        if isinstance(value, Unknown):
            return _stand_in(of, option)
        return self._convert_scalar(value, of, option)

    def _convert_block(self, value: Value, of: type[Config], place: Place | None) -> Config:
        """An object where a block is meant (JSON templates have no other way to write it)."""
        if not isinstance(value, Mapping):
            raise _Mismatch(f"expected a block, not {_describe(value)}")
        config = self._read_block(Body.at(value, place) if place is not None else Body.of(value), of)
        if config is None:
            raise _BlockErrors
        return config

    def _split(self, text: str, of: Any, option: Option) -> tuple[Any, ...]:
        """A text for a list: its members between commas, and none in an empty one, as in Packer."""
        rendered = self._rendered(text, option)
        parts = rendered.split(",") if rendered else ()
        return tuple(self._read_scalar(part, of, option) for part in parts)

    def _convert_scalar(self, value: Value, of: Any, option: Option) -> Any:
        if isinstance(value, str):
            value = self._rendered(value, option)
        return self._read_scalar(value, of, option)

    def _read_scalar(self, value: Value, of: Any, option: Option) -> Any:
        """A value whose text is rendered."""
        if of is bool:
            return _to_bool(value)
        if of in (int, float):
            return _to_number(value, of)
        text = _to_text(value)
        try:
            return _from_text(text, of, option)
        except ValueError as error:
            raise _Mismatch(str(error)) from None

    def _rendered_within(self, value: Value, option: Option) -> Value:
        """A value of any shape (`Mapping[str, object]`: JSON of the user's own), its strings rendered."""
        if isinstance(value, str):
            return self._rendered(value, option)
        if isinstance(value, Mapping):
            return {str(key): self._rendered_within(item, option) for key, item in value.items()}
        if _is_list(value):
            items = typing.cast("list[Value]", value)
            return tuple(self._rendered_within(item, option) for item in items)
        return value

    def _rendered(self, text: str, option: Option) -> str:
        try:
            return self._engine.fill_in(text) if option.info.late else self._engine.render(text)
        except ValueError as error:
            raise _Mismatch(str(error)) from None


def block_type(of: Any) -> tuple[type[Config] | None, bool]:
    """The configuration that a block of this option holds, and whether it may repeat."""
    (member, *_) = without_none(of)
    many = typing.get_origin(member) is tuple
    if many:
        member = typing.get_args(member)[0]
    return (member if isinstance(member, type) and issubclass(member, Config) else None), many


def _is_scalar(of: Any) -> bool:
    return isinstance(of, type) and typing.get_origin(of) is None and not issubclass(of, Config)


def _within(place: Place | None, key: str | int) -> Place | None:
    """The place of a part; that of the whole when the part is not written out there."""
    return place and (place.inside(key) or place)


def _from_text(text: str, of: Any, option: Option) -> Any:
    if of is str or of is Any or of is object:
        return text
    if of is Secret:
        return Secret(text)
    if of is Path:
        return _to_path(text)
    if of is Size:
        return Size.parse(text, default_unit=option.info.unit)
    if of is Duration:
        return Duration.parse(text)
    if isinstance(of, type) and issubclass(of, StrEnum):
        try:
            return of(text)  # which may know more words than it lists (`_missing_`)
        except ValueError:
            names = [member.value for member in of]
            near = did_you_mean(text, names)
            choices = ", ".join(f"`{name}`" for name in names)
            raise ValueError(f"`{text}` is none of {choices}" + (f"; {near}" if near else "")) from None
    raise TypeError(f"option `{option.name}` has a type that cannot be decoded: {of!r}")


def _to_path(text: str) -> Path:
    if not can_be_path(text):
        shown = text.partition("\n")[0][:40]
        raise ValueError(f"`{shown}...` is no path, but a text")
    return Path(text)


def _to_bool(value: Value) -> bool:
    if isinstance(value, bool):
        return value
    texts = {"true": True, "1": True, "t": True, "false": False, "0": False, "f": False, "": False}
    if isinstance(value, (str, int)) and str(value).lower() in texts:
        return texts[str(value).lower()]
    raise _Mismatch(f"expected `true` or `false`, not {_describe(value)}")


# three digits of exponent are enough for every float, and keep a short text from becoming a huge number
_NUMBER = re.compile(r"\s*[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]{1,3})?\s*")


def _to_number(value: Value, of: Any) -> Any:
    if isinstance(value, bool):
        return of(value)
    try:
        readable = not isinstance(value, str) or _NUMBER.fullmatch(value) is not None
        if readable and isinstance(value, (int, Decimal, Fraction, str)):
            number = Fraction(value)
            if of is float:
                return float(number)
            if number.denominator == 1:
                return int(number)
    except (ValueError, OverflowError):
        pass
    raise _Mismatch(f"expected a {'whole ' if of is int else ''}number, not {_describe(value)}")


def _to_text(value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (str, int)):
        return str(value)
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, Fraction):
        return str(float(value))
    raise _Mismatch(f"expected a string, not {_describe(value)}")


def _stand_in(of: Any, option: Option) -> Any:
    """A value of the right type for one that is not known yet."""
    if of in (str, Any, object):
        return UNKNOWN_TEXT
    if of is Secret:
        return Secret(UNKNOWN_TEXT)
    if of is Path:
        return Path(UNKNOWN_TEXT)
    if not option.required and option.default is not None and not isinstance(option.default, tuple):
        return option.default
    if isinstance(of, type) and issubclass(of, StrEnum):
        return next(iter(of))
    return {Size: Size(0), Duration: Duration(0)}.get(of, of() if of in (bool, int, float) else None)


def holds_unknown(value: Value) -> bool:
    """Whether a value is not known throughout."""
    if value is UNKNOWN:
        return True
    if isinstance(value, Mapping):
        return any(holds_unknown(item) for item in value.values())
    return _is_list(value) and any(holds_unknown(item) for item in typing.cast("list[Value]", value))


def _is_list(value: Value) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _describe(value: Value) -> str:
    if isinstance(value, str):
        return f'"{value}"' if len(value) <= 40 else "a long string"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return "a map"
    if value is None:
        return "null"
    if _is_list(value):
        return "a list"
    return str(value)
