"""The contract of data sources: values that come from outside, read once before planning."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Generic

from vmforge.sdk.component import C, Component
from vmforge.sdk.network import Network
from vmforge.sdk.values import Value


class DataSource(Component[C], ABC, Generic[C]):
    """Reads something and gives it to the template as `data.TYPE.NAME`."""

    # Asked before anything on a network is; the pipeline puts its own in this place.
    network: Network = Network()

    @classmethod
    def lasting(cls, answer: Mapping[str, Value]) -> Mapping[str, Value]:
        """What of an answer is the same when nothing has changed: what lock files hold."""
        return answer

    @classmethod
    def secrets(cls, answer: Mapping[str, Value]) -> Iterable[str]:
        """What of an answer must not be shown. One that has any is kept nowhere (bundles, `--offline`)."""
        return ()

    @abstractmethod
    def read(self) -> dict[str, Value]:
        """Fetch the values; raises a `VmforgeError` when that fails."""
