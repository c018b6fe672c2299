"""Encodings: base64, JSON, CSV, URLs."""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from typing import Any
from urllib.parse import quote_plus

from vmforge.template.expressions.types import STRING, ObjectType
from vmforge.template.expressions.values import ListValue, Value, from_plain
from vmforge.template.functions.declaration import FunctionError, Parameter, function
from vmforge.template.functions.json_text import encode_json
from vmforge.template.hcl.numbers import parse_number

_TEXT = Parameter("text", STRING)
_ENCODING = Parameter("encoding", STRING)
# what Go's gzip writes: no name, no time, "unknown" system; and an empty last block after a flush
_GZIP_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
_LAST_BLOCK = b"\x01\x00\x00\xff\xff"


@function("The text that base64 stands for; it must be UTF-8.", _TEXT, conceals=True)
def base64decode(text: str) -> str:
    try:
        return _decoded(text).decode("utf-8")
    except UnicodeDecodeError:
        raise FunctionError("the decoded bytes are no UTF-8 text", 0) from None


@function("The text in base64.", _TEXT, conceals=True)
def base64encode(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@function("The text compressed with gzip, in base64.", _TEXT, conceals=True)
def base64gzip(text: str) -> str:
    data = text.encode()
    packer = zlib.compressobj(-1, zlib.DEFLATED, -zlib.MAX_WBITS)
    body = packer.compress(data) + packer.flush(zlib.Z_SYNC_FLUSH) + _LAST_BLOCK
    check = zlib.crc32(data).to_bytes(4, "little") + (len(data) & 0xFFFFFFFF).to_bytes(4, "little")
    return base64.b64encode(_GZIP_HEADER + body + check).decode()


@function("A list of objects, one for each row after the first, which names the columns.", _TEXT)
def csvdecode(text: str) -> Value:
    import csv  # rarely used

    try:
        rows = list(csv.reader(text.splitlines(keepends=True), strict=True))
    except csv.Error as error:
        raise FunctionError(f"the text is no CSV: {error}", 0) from None
    rows = [row for row in rows if row]
    if not rows:
        raise FunctionError("the text has no first row to name the columns", 0)
    names = rows[0]
    if len(set(names)) < len(names):
        raise FunctionError("two columns have the same name", 0)
    if any(len(row) != len(names) for row in rows):
        raise FunctionError("a row has more or fewer columns than the first", 0)
    objects = tuple(dict(zip(names, row, strict=True)) for row in rows[1:])
    return ListValue(tuple(from_plain(item) for item in objects), ObjectType(dict.fromkeys(names, STRING)))


@function("The value that a JSON text stands for.", _TEXT, conceals=True)
def jsondecode(text: str) -> Value:
    def refuse(constant: str) -> Any:
        raise ValueError(f"`{constant}` is no JSON")

    try:
        plain = json.loads(text, parse_int=parse_number, parse_float=parse_number, parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        raise FunctionError(f"the text is no JSON: {error}", 0) from None
    return from_plain(plain)


@function("The value as JSON.", Parameter("value", nullable=True), conceals=True)
def jsonencode(value: Value) -> str:
    return encode_json(value)


@function("The text that base64 stands for in a character encoding such as `UTF-16LE`.", _TEXT, _ENCODING)
def textdecodebase64(text: str, encoding: str) -> str:
    try:
        return _decoded(text).decode(encoding)
    except LookupError:
        raise FunctionError(f"there is no encoding `{encoding}`", 1) from None
    except UnicodeDecodeError:
        raise FunctionError(f"the decoded bytes are no text in `{encoding}`", 0) from None


@function("The text in a character encoding such as `UTF-16LE`, in base64.", _TEXT, _ENCODING, conceals=True)
def textencodebase64(text: str, encoding: str) -> str:
    try:
        return base64.b64encode(text.encode(encoding)).decode()
    except LookupError:
        raise FunctionError(f"there is no encoding `{encoding}`", 1) from None
    except UnicodeEncodeError:
        raise FunctionError(f"the text has characters that `{encoding}` lacks", 0) from None


@function("The text as a part of a URL's query.", _TEXT, conceals=True)
def urlencode(text: str) -> str:
    return quote_plus(text)


@function("The value that a YAML text stands for.", _TEXT, conceals=True)
def yamldecode(text: str) -> Value:
    from vmforge.template.functions.yaml_text import decode_yaml  # loads PyYAML

    return decode_yaml(text)


@function("The value as YAML.", Parameter("value", nullable=True), conceals=True)
def yamlencode(value: Value) -> str:
    from vmforge.template.functions.yaml_text import encode_yaml  # loads PyYAML

    return encode_yaml(value)


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode("".join(text.splitlines()), validate=True)
    except (binascii.Error, ValueError):
        raise FunctionError("the text is no base64", 0) from None
