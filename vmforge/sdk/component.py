"""What builders, provisioners, post-processors, communicators and data sources have in common."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, Generic, TypeVar

from vmforge.sdk.options import Config

C = TypeVar("C", bound=Config)


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong with a configuration as a whole. `option` names the field to point at."""

    summary: str
    option: str = ""
    hint: str = ""
    warning: bool = False


class Component(Generic[C]):
    """A configured component. Its class declares its options; an instance holds their values.

    A component's constructor must be cheap and touch nothing: `validate` makes one of each.
    """

    config_type: ClassVar[type[Config]] = Config
    summary: ClassVar[str] = ""

    def __init__(self, config: C) -> None:
        self.config = config

    @classmethod
    def check(cls, config: C) -> Iterable[Problem]:
        """Everything that is wrong with `config`, judged by its values alone (no network, no
        hypervisor; whether a named local file exists may be looked at)."""
        return ()
