"""The contract of provisioners: what changes a running machine."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from pathlib import Path
from typing import Generic

from vmforge.sdk.component import C, Component
from vmforge.sdk.context import BuildContext, Machine
from vmforge.sdk.options import paths_of


class Provisioner(Component[C], ABC, Generic[C]):
    """Changes the machine. Runs again from the start when the user asked for retries."""

    @abstractmethod
    def provision(self, context: BuildContext, machine: Machine) -> None:
        """Do the work. Raises `CommandFailed` when a command ends with a bad status,
        `CommunicatorError` when the guest is lost."""

    def input_files(self) -> Iterable[Path]:
        """The local files and folders whose contents decide what this provisioner does."""
        return ()

    @classmethod
    def local_inputs(cls, config: C) -> Iterable[Path]:
        return (*paths_of(config), *cls(config).input_files())

    @property
    def cacheable(self) -> bool:
        """Whether a layer can stand in for running it: all that it does is done to the guest, and its
        options and `input_files` decide what. A template's `cache` overrides this."""
        return False

    @property
    def for_artifact(self) -> bool:
        """Whether it works on the finished artifact, booted in a machine that is thrown away, and not on the
        machine that is being built."""
        return False
