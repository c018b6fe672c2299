"""Where a guest of another hypervisor reaches this machine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from vmforge.builders.installing.options import InstallOptions
from vmforge.builders.services import HostAddress, Services

_NOWHERE = HostAddress("127.0.0.1", "")


@dataclass
class HypervisorServices(Services[InstallOptions]):
    """See `Services`; `ask` is `Hypervisor.host_address`."""

    ask: Callable[[], HostAddress] = field(kw_only=True)

    @property
    def source(self) -> InstallOptions:
        return self.config

    def address(self, *, needed: bool) -> HostAddress:
        return self.ask() if needed else _NOWHERE
