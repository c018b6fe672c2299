"""Addresses of this machine."""

from __future__ import annotations

import pytest

from vmforge.builders.installing.addresses import host_address_towards
from vmforge.errors import HostError


def test_towards_a_host() -> None:
    assert host_address_towards("127.0.0.1").listen == "127.0.0.1"
    assert host_address_towards("192.0.2.1", "lo").seen_by_guest == "127.0.0.1"
    with pytest.raises(HostError, match="there is no way from here to"):
        host_address_towards("no-such-host.invalid")
