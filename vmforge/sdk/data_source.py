"""The contract of data sources: values that come from outside, read once before planning."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Generic

from vmforge.sdk.component import C, Component
from vmforge.sdk.values import Value


class DataSource(Component[C], ABC, Generic[C]):
    """Reads something and gives it to the template as `data.TYPE.NAME`."""

    @abstractmethod
    def read(self) -> dict[str, Value]:
        """Fetch the values; raises a `VmforgeError` when that fails."""
