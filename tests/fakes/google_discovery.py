"""Google's own description of its API, for judging requests
(https://developers.google.com/discovery/v1/reference/apis). It comes with google-api-python-client."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import googleapiclient

_FOLDER = Path(googleapiclient.__file__).parent / "discovery_cache" / "documents"
_JSON_TYPES = {
    "string": str,
    "boolean": bool,
    "integer": int,
    "number": (int, float),
    "array": list,
    "object": dict,
}


@dataclass(frozen=True)
class Method:
    """One method of an API; `id` is what Google calls it (`compute.instances.insert`)."""

    id: str
    verb: str
    pattern: re.Pattern[str]
    description: Mapping[str, Any]


class Api:
    """An API as its document describes it."""

    def __init__(self, name: str) -> None:
        document = json.loads((_FOLDER / f"{name}.json").read_text())
        self._schemas: Mapping[str, Any] = document["schemas"]
        self._parameters: Mapping[str, Any] = document["parameters"]
        self._methods = list(_methods(document))

    def find(self, verb: str, path: str) -> tuple[Method, dict[str, str]] | None:
        """The method that a request means, and what its path says."""
        for method in self._methods:
            found = method.pattern.fullmatch(path) if method.verb == verb else None
            if found:
                return method, found.groupdict()
        return None

    def faults(self, method: Method, query: Mapping[str, str], body: Any) -> list[str]:
        """What is wrong with a request."""
        known = {**method.description.get("parameters", {}), **self._parameters}
        found = [f"unknown parameter {name}" for name in query if name not in known]
        found += [
            fault
            for name, value in query.items()
            if name in known
            for fault in _faults_of_text(name, known[name], value)
        ]
        request = method.description.get("request")
        if request is None:
            return found + (["there must be no body"] if body is not None else [])
        return found + list(self._faults_in(body, request, request["$ref"]))

    def _faults_in(self, value: Any, schema: Mapping[str, Any], where: str) -> Iterator[str]:
        schema = self._schemas[schema["$ref"]] if "$ref" in schema else schema
        kind = schema.get("type", "any")
        if kind != "any" and (
            not isinstance(value, _JSON_TYPES[kind]) or (kind == "integer" and isinstance(value, bool))
        ):
            yield f"{where}: {value!r} is no {kind}"
        elif kind == "array":
            for number, item in enumerate(value):
                yield from self._faults_in(item, schema["items"], f"{where}[{number}]")
        elif kind == "object":
            yield from self._faults_in_object(value, schema, where)
        elif kind == "string":
            yield from _faults_of_text(where, schema, value)

    def _faults_in_object(self, value: Any, schema: Mapping[str, Any], where: str) -> Iterator[str]:
        properties, others = schema.get("properties", {}), schema.get("additionalProperties")
        for name, item in value.items():
            inner = properties.get(name, others)
            if inner is None:
                yield f"{where}: unknown field {name}"
            else:
                yield from self._faults_in(item, inner, f"{where}.{name}")


def _faults_of_text(where: str, schema: Mapping[str, Any], value: str) -> Iterator[str]:
    if "enum" in schema and value not in schema["enum"]:
        yield f"{where}: {value!r} is none of {schema['enum']}"
    if "pattern" in schema and not re.fullmatch(schema["pattern"], value):
        yield f"{where}: {value!r} does not match {schema['pattern']}"
    if schema.get("format") in ("int64", "uint64") and not re.fullmatch(r"-?\d+", value):
        yield f"{where}: {value!r} is no number"


def _methods(resources: Mapping[str, Any]) -> Iterator[Method]:
    for resource in resources.get("resources", {}).values():
        for method in resource.get("methods", {}).values():
            path = re.escape(method.get("flatPath", method["path"]))
            pattern = re.sub(r"\\\{\\?\+?(\w+)\\\}", r"(?P<\1>[^/]+)", path)
            yield Method(method["id"], method["httpMethod"], re.compile(pattern), method)
        yield from _methods(resource)


@cache
def api(name: str) -> Api:
    return Api(name)
