"""Where a guest of QEMU reaches this machine, and what is served to it besides answer files."""

from __future__ import annotations

from dataclasses import replace

from vmforge.builders.cloud_init import SeedTransport, served_seed
from vmforge.builders.qemu.config import QemuConfig
from vmforge.builders.services import HostAddress, Services
from vmforge.hypervisor.network import interface_address

# Where a guest on QEMU's user network finds the host, which sees it come from its own loopback.
_USER_NETWORK = HostAddress("127.0.0.1", "10.0.2.2")


class QemuServices(Services[QemuConfig]):
    """See `Services`."""

    @property
    def source(self) -> QemuConfig:
        return self.config

    def address(self, *, needed: bool) -> HostAddress:
        if needed and self.config.net_bridge:
            host = interface_address(self.config.net_bridge)
            return HostAddress(host, host)
        return _USER_NETWORK

    def serves(self) -> bool:
        return super().serves() or self.config.seeds_by is SeedTransport.HTTP

    def served(self) -> QemuConfig:
        seed = served_seed(self.config, self.context, self.known_fields())
        return replace(self.config, http_content={**self.config.http_content, **seed})
