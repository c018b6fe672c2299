"""Options of sources set from the command line: `--set [SOURCE.]OPTION=VALUE`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from vmforge.errors import UsageError
from vmforge.sdk.body import Body, Setting
from vmforge.sdk.values import Value


@dataclass(frozen=True, slots=True)
class Override:
    """One option set from outside the template.

    `source` is empty (every source), a source's name (`base`), its type and name (`qemu.base`) or a
    full build name. A soft override applies only where the builder has such an option.
    """

    option: str
    value: Value
    source: str = ""
    soft: bool = False

    @classmethod
    def parse(cls, text: str) -> Override:
        """Read `[SOURCE.]OPTION=VALUE`; a value that starts with `[` or `{` is JSON."""
        target, equals, value = text.partition("=")
        if not equals or not target.strip():
            raise UsageError(
                f"`--set {text}` sets nothing",
                hint="write `--set OPTION=VALUE` or `--set SOURCE.OPTION=VALUE`",
            )
        source, _, option = target.strip().rpartition(".")
        return cls(option, _value(value), source)

    def applies_to(self, names: Iterable[str]) -> bool:
        return not self.source or self.source in set(names)


def _value(text: str) -> Value:
    if text[:1] in ("[", "{"):
        try:
            value: Value = json.loads(text)
        except ValueError as error:
            raise UsageError(f"`{text}` is not a list or map: {error}", hint="write it as JSON") from None
        return value
    return None if text == "null" else text


def apply(
    overrides: Sequence[Override], body: Body, names: Iterable[str], known_options: Iterable[str]
) -> Body:
    """The body with the overrides that concern a source of these names."""
    known, named = set(known_options), list(names)
    settings = dict(body.settings)
    for override in overrides:
        if not override.applies_to(named) or (override.soft and override.option not in known):
            continue
        settings[override.option] = Setting(override.option, override.value)
    return replace(body, settings=settings)
