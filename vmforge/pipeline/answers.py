"""Answers of data sources that are kept in the shared store, for builds without a network."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterator, Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final

from vmforge.cache import Store
from vmforge.errors import VmforgeError
from vmforge.sdk.data_source import DataSource
from vmforge.sdk.options import Config
from vmforge.sdk.values import Duration, Secret, Size, Value

PREFIX: Final = "data:"


class Answers:
    """The kept answers of one store; of None, there are none. New ones are kept only with `keeping`: they may
    hold what is nobody else's business, so that is up to the user. `keys` are those that were used,
    `digests` what was answered in this run, by the data sources' names."""

    def __init__(self, store: Store | None, *, keeping: bool = False) -> None:
        self._store = store
        self._keeping = keeping
        self.keys: list[str] = []
        self.digests: dict[str, str] = {}

    def note(self, name: str, answer: Mapping[str, Value]) -> None:
        """Remember what a data source answered in this run, for lock files; one that is no JSON as Python has
        it."""
        text = json.dumps(answer, sort_keys=True, default=str)
        self.digests[name] = f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"

    def find(self, type_: str, config: Config) -> dict[str, Value] | None:
        """What a data source of this configuration answered when it could be asked."""
        key = key_of(type_, config)
        record = self._store.bound(key) if self._store is not None else None
        if record is None:
            return None
        self.keys.append(key)
        found: dict[str, Value] = json.loads(record["answer"], parse_float=Decimal)
        return found

    def keep(self, type_: str, source: DataSource[Any], answer: Mapping[str, Value]) -> None:
        """One that says what the kept one does is not kept in its place. Raises `VmforgeError` for an answer
        that is no JSON."""
        if self._store is None or not self._keeping:
            return
        known = self.find(type_, source.config)
        if known is not None and source.lasting(known) == source.lasting(answer):
            return
        try:
            text = json.dumps(answer, sort_keys=True, allow_nan=False, default=_refuse)
        except (TypeError, ValueError):
            summary = f"the answer of a data source `{type_}` cannot be kept: it is no JSON"
            raise VmforgeError(summary) from None
        key = key_of(type_, source.config)
        self.keys.append(key)
        self._store.bind(key, {"answer": text})


def key_of(type_: str, config: Config) -> str:
    """What the answer to a configuration is kept under; tells nothing of secrets in it."""
    text = json.dumps(_plain(config), sort_keys=True)
    return f"{PREFIX}{type_}:{hashlib.sha256(text.encode()).hexdigest()}"


def _plain(value: object) -> Any:
    if isinstance(value, Secret):
        return value.value
    if dataclasses.is_dataclass(value) and not isinstance(value, (type, Size, Duration)):
        return dict(_fields(value))
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [_plain(item) for item in value]
    return value if value is None or isinstance(value, (str, bool, int)) else str(value)


def _fields(value: Any) -> Iterator[tuple[str, Any]]:
    for field in dataclasses.fields(value):
        yield field.name, _plain(getattr(value, field.name))


def _refuse(value: object) -> object:
    """Whole numbers are JSON whatever they are held in; others would come back as something else."""
    if isinstance(value, (Decimal, Fraction)) and value == int(value):
        return int(value)
    raise TypeError
