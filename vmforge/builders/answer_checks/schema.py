"""Measures a document by a schema: the words of JSON Schema that the files in `schemas/` use.

They mean what https://json-schema.org/draft/2020-12 says; a test compares this with another implementation.
What is gained over one: the line of every finding, sentences for people, and the name that was meant.

Words: type, properties, required, additionalProperties, items, enum, const, pattern, minimum, maximum,
minItems, anyOf, $ref (to `#/$defs/NAME`). Beside them, `x-hint` of a schema is the hint for what breaks it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache
from importlib.resources import files
from typing import Any

from vmforge.builders.answer_checks.documents import Document, Path, spelt
from vmforge.builders.answer_checks.finding import Finding, warning
from vmforge.builders.answer_checks.names import nearest

Schema = Mapping[str, Any]

_NAMES = {
    "object": "a mapping",
    "array": "a list",
    "string": "a string",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "null": "null",
}


@cache
def load_schema(name: str) -> Schema:
    """The schema `schemas/NAME.json` of this package."""
    text = files("vmforge.builders.answer_checks").joinpath("schemas", f"{name}.json").read_text("utf-8")
    loaded: Schema = json.loads(text)
    return loaded


def measure(document: Document, schema: Schema, at: Path = ()) -> Iterator[Finding]:
    """Everything in the document, or in its part at the path `at`, that the schema does not allow."""
    value = document.value
    for part in at:
        value = value[part]  # type: ignore[index]
    yield from _Measure(document, schema).findings(value, schema, at)


class _Measure:
    def __init__(self, document: Document, root: Schema) -> None:
        self.document = document
        self.root = root

    def findings(self, value: object, schema: Schema, path: Path) -> Iterator[Finding]:
        """What `schema` has against the value at `path`."""
        if "$ref" in schema:
            yield from self.findings(value, self._resolved(schema), path)
        if "anyOf" in schema:
            yield from self._nearest_choice(value, schema, path)
        types = _types(schema)
        if "type" in schema and not any(_is(value, name) for name in types):
            expected = " or ".join(_NAMES[name] for name in types)
            yield self._finding(path, f"must be {expected}, and is {_described(value)}", schema)
            return
        yield from self._scalar(value, schema, path)
        if isinstance(value, dict):
            yield from self._mapping(value, schema, path)
        elif isinstance(value, list):
            if len(value) < schema.get("minItems", 0):
                yield self._finding(path, "is empty", schema)
            for index, item in enumerate(value):
                yield from self.findings(item, schema.get("items", {}), (*path, index))

    def _scalar(self, value: object, schema: Schema, path: Path) -> Iterator[Finding]:
        # in Python, unlike in JSON, 1 equals True
        if "const" in schema and _key(value) != _key(schema["const"]):
            yield self._finding(path, f"must be `{_written(schema['const'])}`", schema)
        if "enum" in schema and _key(value) not in [_key(one) for one in schema["enum"]]:
            known = [_written(one) for one in schema["enum"]]
            listed = ", ".join(f"`{one}`" for one in known)
            message = f"is `{_written(value)}`, and may be {listed}"
            yield self._finding(path, message, schema, nearest(_written(value), known, 0.5))
        if isinstance(value, str) and not re.search(schema.get("pattern", ""), value):
            yield self._finding(path, "is not of the form that the installer takes", schema)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            if value < schema.get("minimum", value):
                yield self._finding(path, f"is less than {schema['minimum']}", schema)
            if value > schema.get("maximum", value):
                yield self._finding(path, f"is more than {schema['maximum']}", schema)

    def _mapping(self, value: Mapping[Any, object], schema: Schema, path: Path) -> Iterator[Finding]:
        known: Schema = schema.get("properties", {})
        others = schema.get("additionalProperties", True)
        for name in schema.get("required", ()):
            if name not in value:
                yield self._finding(path, f"lacks `{name}`", schema)
        for name, item in value.items():
            inner = (*path, str(name))
            if name in known:
                yield from self.findings(item, known[name], inner)
            elif others is False:
                yield warning(
                    self.document.line(inner), f"there is no `{spelt(inner)}`", nearest(str(name), known)
                )
            elif others is not True:
                yield from self.findings(item, others, inner)

    def _nearest_choice(self, value: object, schema: Schema, path: Path) -> Iterator[Finding]:
        """The findings of the choice that the value comes nearest to: one of its type, if there is any."""
        choices = [self._resolved(choice) for choice in schema["anyOf"]]
        tried = [list(self.findings(value, choice, path)) for choice in choices]
        if not all(tried):
            return
        fitting = [
            found
            for choice, found in zip(choices, tried, strict=True)
            if any(_is(value, name) for name in _types(choice))
        ]
        if fitting:
            yield from (
                replace(one, hint=one.hint or schema.get("x-hint", "")) for one in min(fitting, key=len)
            )
            return
        expected = " or ".join(dict.fromkeys(_NAMES[name] for choice in choices for name in _types(choice)))
        yield self._finding(path, f"must be {expected}, and is {_described(value)}", schema)

    def _resolved(self, schema: Schema) -> Schema:
        if "$ref" not in schema:
            return schema
        named: Schema = self.root["$defs"][schema["$ref"].removeprefix("#/$defs/")]
        return named

    def _finding(self, path: Path, problem: str, schema: Schema, hint: str = "") -> Finding:
        subject = f"`{spelt(path)}`" if path else "the file"
        return warning(self.document.line(path), f"{subject} {problem}", hint or schema.get("x-hint", ""))


def _types(schema: Schema) -> tuple[str, ...]:
    """The types that a schema allows; all of them when it names none."""
    stated = schema.get("type", tuple(_NAMES))
    return (stated,) if isinstance(stated, str) else tuple(stated)


def _is(value: object, name: str) -> bool:
    if isinstance(value, bool):
        return name == "boolean"
    kinds: dict[str, type | tuple[type, ...]] = {
        "object": dict,
        "array": list,
        "string": str,
        "integer": int,
        "number": (int, float),
        "null": type(None),
    }
    return isinstance(value, kinds.get(name, ()))


def _described(value: object) -> str:
    for name in ("boolean", "null", "object", "array", "string", "integer", "number"):
        if _is(value, name):
            return _NAMES[name] if name != "boolean" else f"`{_written(value)}`"
    # what only YAML has: dates
    return f"a {type(value).__name__}"


def _written(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str)


def _key(value: object) -> tuple[bool, object]:
    return isinstance(value, bool), value
