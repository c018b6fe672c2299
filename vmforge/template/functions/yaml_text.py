"""YAML as Packer reads and writes it. The only module that knows PyYAML; its exceptions end here.

Packer's library resolves plain scalars by rules of its own, between YAML 1.1 and 1.2: `yes` and `on` are
true, `010` is ten, `0x1F` a string, a date a time in RFC 3339. Only the events of PyYAML's parser are
used, therefore, and nothing of what it makes of them.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterator
from datetime import datetime
from fractions import Fraction
from typing import Final

import yaml

from vmforge.template.expressions.values import Value, elements, entries, sorted_entries
from vmforge.template.functions.declaration import FunctionError
from vmforge.template.hcl.numbers import format_number, parse_number

_TAGS: Final = "tag:yaml.org,2002:"
_WORDS: Final[dict[str, bool | None]] = {
    **{form: True for word in ("y", "yes", "true", "on") for form in (word, word.title(), word.upper())},
    **{form: False for word in ("n", "no", "false", "off") for form in (word, word.title(), word.upper())},
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
}
_NUMBER = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_DATE = re.compile(
    r"(\d{4})-(\d\d?)-(\d\d?)(?:(?:[Tt](\d\d?):(\d\d?):(\d\d?)(?:\.\d+)?(Z|[+-]\d\d:\d\d))"
    r"|(?: (\d\d?):(\d\d?):(\d\d?)(?:\.\d+)?))?"
)


def decode_yaml(text: str) -> Value:
    """The value of a document. Raises `FunctionError`."""
    try:
        return _Reader(text).document()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f" in line {mark.line + 1}" if mark is not None else ""
        raise FunctionError(f"the text is no YAML: {error.problem}{place}", 0) from None
    except (yaml.YAMLError, RecursionError) as error:
        raise FunctionError(f"the text is no YAML: {error}", 0) from None


class _Reader:
    """Turns the events of one document into a value."""

    def __init__(self, text: str) -> None:
        self._events: Iterator[yaml.Event] = yaml.parse(text, Loader=yaml.SafeLoader)
        self._anchors: dict[str, Value] = {}

    def document(self) -> Value:
        next(self._events)  # the start of the stream
        if isinstance(next(self._events), yaml.StreamEndEvent):
            return None
        value = self._value(next(self._events))
        next(self._events)  # the end of the document
        if not isinstance(next(self._events), yaml.StreamEndEvent):
            raise FunctionError("the text holds more than one document", 0)
        return value

    def _value(self, event: yaml.Event) -> Value:
        if isinstance(event, yaml.AliasEvent):
            if event.anchor not in self._anchors:
                raise _wrong(event, f"`*{event.anchor}` refers to no value that ends before it")
            return self._anchors[event.anchor]
        value = self._collection(event)
        assert isinstance(event, yaml.NodeEvent)
        if event.anchor is not None:
            self._anchors[event.anchor] = value
        return value

    def _collection(self, event: yaml.Event) -> Value:
        if isinstance(event, yaml.ScalarEvent):
            return _scalar(event)
        assert isinstance(event, yaml.CollectionStartEvent)
        if event.tag not in (None, _TAGS + ("map" if isinstance(event, yaml.MappingStartEvent) else "seq")):
            raise _wrong(event, f"there is no tag `{event.tag}` for a list or a map")
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping()
        items = []
        while not isinstance(item := next(self._events), yaml.SequenceEndEvent):
            items.append(self._value(item))
        return tuple(items)

    def _mapping(self) -> Value:
        """Of equal keys the last one counts, as in Packer."""
        table: dict[str, Value] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            key = _scalar(event) if isinstance(event, yaml.ScalarEvent) else None
            if isinstance(key, bool):
                key = "true" if key else "false"
            elif isinstance(key, (int, Fraction)):
                key = format_number(key)
            if not isinstance(key, str):
                raise _wrong(event, "a key must be a string")
            table[key] = self._value(next(self._events))
        return table


def _scalar(event: yaml.ScalarEvent) -> Value:
    text, tag = event.value, event.tag
    if tag is None:
        return _plain(event, text) if event.implicit[0] else text
    kind = tag.removeprefix(_TAGS)
    if kind == "str" or tag == "!":
        return text
    if kind == "binary":
        return _binary(event, text)
    if kind == "null":
        return None
    value = _plain(event, text)
    fitting: dict[str, bool] = {
        "bool": isinstance(value, bool),
        "int": isinstance(value, (int, Fraction)) and not isinstance(value, bool),
        "float": isinstance(value, (int, Fraction)) and not isinstance(value, bool),
        "timestamp": bool(_moment(text)),
    }
    if kind not in fitting:
        raise _wrong(event, f"there is no tag `{tag}` for a text")
    if not fitting[kind]:
        raise _wrong(event, f"`{text}` is no {kind}")
    return value


def _plain(event: yaml.ScalarEvent, text: str) -> Value:
    """What a text without quotes and tag stands for."""
    if text in _WORDS:
        return _WORDS[text]
    if text.lstrip("+-").lower() in (".inf", ".nan"):
        raise _wrong(event, f"`{text}` is no number that a template can hold")
    if _NUMBER.fullmatch(text):
        return parse_number(text)
    return _moment(text) or text


def _moment(text: str) -> str:
    """A time in RFC 3339; empty for a text that is none."""
    match = _DATE.fullmatch(text)
    if match is None:
        return ""
    year, month, day, hour, minute, second, zone, *naive = match.groups()
    clock = (hour, minute, second) if zone else naive
    try:
        numbers = [int(part or 0) for part in (year, month, day, *clock)]
        # raises for a moment that does not exist
        datetime(numbers[0], numbers[1], numbers[2], numbers[3], numbers[4], numbers[5])
    except ValueError:
        return ""
    return "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}".format(*numbers) + (zone or "Z")


def _binary(event: yaml.ScalarEvent, text: str) -> str:
    try:
        base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise _wrong(event, "`!!binary` needs base64") from None
    return text


def _wrong(event: yaml.Event, message: str) -> FunctionError:
    mark = event.start_mark
    return FunctionError(message + (f" (line {mark.line + 1} of the text)" if mark is not None else ""), 0)


def encode_yaml(value: Value) -> str:
    """A value as a document, in the style of Packer: texts and keys in double quotes, texts of several
    lines as blocks, lists not indented below their key."""
    # libyaml ends a document that is one bare word with the mark of its end
    end = (
        "" if isinstance(value, str) or elements(value) is not None or entries(value) is not None else "...\n"
    )
    return "\n".join(_lines(value)) + "\n" + end


def _lines(value: Value) -> list[str]:
    items, table = elements(value), entries(value)
    if items:
        return [line for item in items for line in _hung("-", item, under_list=True)]
    if table:
        return [line for name, item in sorted_entries(table) for line in _hung(_quoted(name) + ":", item)]
    return _leaf(value)


def _hung(mark: str, value: Value, *, under_list: bool = False) -> list[str]:
    """The lines of a value behind a mark: `-` or `"key":`."""
    items, table = elements(value), entries(value)
    if not items and not table:
        first, *rest = _leaf(value)
        return [f"{mark} {first}", *(f"  {line}" if line else "" for line in rest)]
    lines = _lines(value)
    if under_list:
        return [f"{mark} {lines[0]}", *(f"  {line}" if line else "" for line in lines[1:])]
    return [mark, *((f"  {line}" if line else "") if table else line for line in lines)]


def _leaf(value: Value) -> list[str]:
    if value is None or isinstance(value, bool):
        return [{None: "null", True: "true", False: "false"}[value]]
    if isinstance(value, (int, Fraction)):
        return [format_number(value)]
    if isinstance(value, str):
        return _block(value) if _can_be_block(value) else [_quoted(value)]
    if elements(value) is not None:
        return ["[]"]
    if entries(value) is not None:
        return ["{}"]
    raise FunctionError("the value is not known yet")


def _can_be_block(text: str) -> bool:
    """A block must not begin with white space, which is its indentation, nor hold what needs escapes."""
    return "\n" in text and not text[0].isspace() and all(c.isprintable() or c in "\n\t" for c in text)


def _block(text: str) -> list[str]:
    chomping = "" if text.endswith("\n") else "-"
    if text.endswith("\n\n"):
        chomping = "+"
    lines = text.removesuffix("\n").split("\n")
    return ["|" + chomping, *lines]


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\x7F")
