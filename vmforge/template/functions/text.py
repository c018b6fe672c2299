"""Text."""

from __future__ import annotations

import re
from collections.abc import Iterator

from vmforge.template.expressions.types import NUMBER, STRING, list_of
from vmforge.template.expressions.values import ListValue, Value, elements
from vmforge.template.functions.declaration import FunctionError, Parameter, function
from vmforge.template.functions.formatting import format_text
from vmforge.template.hcl.numbers import Number

_TEXT = Parameter("text", STRING)
_MOST_SPACES = 10_000


def characters(text: str) -> list[str]:
    """What a reader sees as characters: combining marks, joined emoji and such stay together."""
    return list(text) if text.isascii() and "\r" not in text else list(_clusters(text))


def _clusters(text: str) -> Iterator[str]:
    import unicodedata

    cluster = ""
    flags = 0
    for character in text:
        is_flag = "\U0001f1e6" <= character <= "\U0001f1ff"
        joins = (
            unicodedata.category(character) in ("Mn", "Me", "Mc")
            or character == "\u200d"
            or "\U0001f3fb" <= character <= "\U0001f3ff"
            or cluster.endswith("\u200d")
            or (is_flag and flags % 2 == 1)
            or (cluster == "\r" and character == "\n")
        )
        flags = flags + 1 if is_flag else 0
        if cluster and not joins:
            yield cluster
            cluster = ""
        cluster += character
    if cluster:
        yield cluster


def _each(convert: str, text: str) -> str:
    """Change case one character to one, as Go does: `ß` has no upper case of one character."""
    changed = ((c, getattr(c, convert)()) for c in text)
    return "".join(new if len(new) == 1 else old for old, new in changed)


@function("The text without the line ends at its end.", _TEXT)
def chomp(text: str) -> str:
    return text.rstrip("\r\n")


@function("Whether the text ends so.", _TEXT, Parameter("suffix", STRING))
def endswith(text: str, suffix: str) -> bool:
    return text.endswith(suffix)


@function(
    "The text of a format such as `%s-%03d` with its values.",
    Parameter("format", STRING),
    rest=Parameter("values", nullable=True),
    name="format",
)
def format_values(format: str, *values: Value) -> str:
    return format_text(format, values)


@function(
    "A list of formatted texts: lists among the values are gone through in step.",
    Parameter("format", STRING),
    rest=Parameter("values", nullable=True),
)
def formatlist(format: str, *values: Value) -> Value:
    columns = [elements(value) for value in values]
    lengths = {len(column) for column in columns if column is not None}
    if len(lengths) > 1:
        raise FunctionError("the lists must be of equal length", 1)
    count = lengths.pop() if lengths else 1
    rows = [
        tuple(values[i] if column is None else column[row] for i, column in enumerate(columns))
        for row in range(count)
    ]
    return ListValue(tuple(format_text(format, row) for row in rows), STRING)


@function("The text with spaces before each line but the first.", Parameter("spaces", NUMBER), _TEXT)
def indent(spaces: Number, text: str) -> str:
    if spaces > _MOST_SPACES:
        raise FunctionError(f"more than {_MOST_SPACES} spaces are too many", 0)
    return text.replace("\n", "\n" + " " * int(spaces))


@function(
    "The elements of lists as one text, with a separator between.",
    Parameter("separator", STRING),
    rest=Parameter("lists", list_of(STRING)),
)
def join(separator: str, *lists: ListValue) -> str:
    if not lists:
        raise FunctionError("needs a list")
    texts = []
    for number, part in enumerate(lists):
        for index, text in enumerate(part.items):
            if not isinstance(text, str):
                raise FunctionError(
                    f"element {index} is null", number + 1, hint="take nulls out with `compact`"
                )
            texts.append(text)
    return separator.join(texts)


@function("The text in lower case.", _TEXT)
def lower(text: str) -> str:
    return _each("lower", text)


@function(
    "The text with every occurrence of a part replaced.",
    _TEXT,
    Parameter("part", STRING),
    Parameter("replacement", STRING),
)
def replace(text: str, part: str, replacement: str) -> str:
    return text.replace(part, replacement)


@function("The parts of a text between separators.", Parameter("separator", STRING), _TEXT)
def split(separator: str, text: str) -> Value:
    parts = text.split(separator) if separator else list(text)
    return ListValue(tuple(parts), STRING)


@function("Whether the text begins so.", _TEXT, Parameter("prefix", STRING))
def startswith(text: str, prefix: str) -> bool:
    return text.startswith(prefix)


@function("Whether a part occurs in the text.", _TEXT, Parameter("part", STRING))
def strcontains(text: str, part: str) -> bool:
    return part in text


@function("The text backwards.", _TEXT)
def strrev(text: str) -> str:
    return "".join(reversed(characters(text)))


@function(
    "Characters of a text from an offset on; a negative offset counts from the end, length -1 means all.",
    _TEXT,
    Parameter("offset", NUMBER),
    Parameter("length", NUMBER),
)
def substr(text: str, offset: Number, length: Number) -> str:
    if not isinstance(offset, int) or not isinstance(length, int):
        raise FunctionError("the offset and the length must be whole numbers")
    parts = characters(text)
    start = offset if offset >= 0 else max(0, len(parts) + offset)
    end = len(parts) if length < 0 else start + length
    return "".join(parts[start:end])


@function("The text with the first letter of each word in upper case.", _TEXT)
def title(text: str) -> str:
    return re.sub(r"(?<![\w])\w", lambda found: _each("upper", found[0]), text)


@function("The text without certain characters at both ends.", _TEXT, Parameter("characters", STRING))
def trim(text: str, characters: str) -> str:
    return text.strip(characters) if characters else text


@function("The text without a part at its start.", _TEXT, Parameter("prefix", STRING))
def trimprefix(text: str, prefix: str) -> str:
    return text.removeprefix(prefix)


@function("The text without white space at both ends.", _TEXT)
def trimspace(text: str) -> str:
    return text.strip()


@function("The text without a part at its end.", _TEXT, Parameter("suffix", STRING))
def trimsuffix(text: str, suffix: str) -> str:
    return text.removesuffix(suffix)


@function("The text in upper case.", _TEXT)
def upper(text: str) -> str:
    return _each("upper", text)
