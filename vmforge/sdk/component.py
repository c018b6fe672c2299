"""What builders, provisioners, post-processors, communicators and data sources have in common."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Generic, TypeVar

from vmforge.sdk.network import RemoteInput
from vmforge.sdk.options import Config, paths_of

C = TypeVar("C", bound=Config)


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong with a configuration as a whole. `option` names the field to point at, `part` a member
    of it, where it is an object."""

    summary: str
    option: str = ""
    hint: str = ""
    warning: bool = False
    part: str = ""


class Component(Generic[C]):
    """A configured component. Its class declares its options; an instance holds their values.

    A component's constructor must be cheap and touch nothing: `validate` makes one of each.
    """

    config_type: ClassVar[type[Config]] = Config
    summary: ClassVar[str] = ""
    # The version of vmforge.sdk that a plugin was written for ("1.0"); what comes with vmforge has its own.
    sdk_version: ClassVar[str] = ""

    def __init__(self, config: C) -> None:
        self.config = config

    @classmethod
    def check(cls, config: C) -> Iterable[Problem]:
        """Everything that is wrong with `config`, judged by its values alone (no network, no
        hypervisor; whether a named local file exists may be looked at)."""
        return ()

    @classmethod
    def remote_inputs(cls, config: C) -> Iterable[RemoteInput]:
        """All that a build with `config` takes from a network or sends there, apart from its conversation
        with the guest and the hypervisor; judged by values alone."""
        return ()

    @classmethod
    def local_inputs(cls, config: C) -> Iterable[Path]:
        """The files and folders of this machine that a build with `config` reads; relative ones start from
        the current folder, and none need exist. By default, every option that is a path and not `written`."""
        return paths_of(config)
