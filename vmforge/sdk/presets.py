"""Options of a source that another of its options supplies."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from vmforge.sdk.body import Body, Setting
from vmforge.sdk.component import Problem
from vmforge.sdk.options import Option
from vmforge.sdk.values import Value


@dataclass(frozen=True, slots=True)
class Presets:
    """What is supplied.

    `values` are by the option's name, as a template would give them; those that are `completed` stand in
    place of what the template says. `problems` are what is wrong with the option that supplies them,
    `secrets` texts in the values that must not be shown.
    """

    values: Mapping[str, Value] = field(default_factory=dict)
    completed: Mapping[str, Value] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    secrets: frozenset[str] = frozenset()

    def under(self, body: Body, options: Iterable[Option]) -> Body:
        """The body, with values for those of the options that it does not set itself, under whatever name.
        Their place is the body's."""
        given = {name for name, setting in body.settings.items() if setting.value is not None}
        given |= {block.type for block in body.blocks}
        taken = {option.name for option in options if given & {option.name, *option.info.aliases}}
        more = {
            name: Setting(name, value, body.range)
            for name, value in self.values.items()
            if name not in taken | given
        }
        for name, value in self.completed.items():
            stated = body.settings.get(name, Setting(name, None, body.range))
            more[name] = replace(stated, value=value)
        return replace(body, settings={**body.settings, **more}) if more else body
