"""IP networks, written as `10.0.0.0/8`."""

from __future__ import annotations

import ipaddress
from typing import TypeAlias

from vmforge.template.expressions.types import NUMBER, STRING
from vmforge.template.expressions.values import ListValue, Value
from vmforge.template.functions.declaration import FunctionError, Parameter, function
from vmforge.template.hcl.numbers import Number

_Network: TypeAlias = "ipaddress.IPv4Network | ipaddress.IPv6Network"
_PREFIX = Parameter("prefix", STRING)


def _network(prefix: str) -> _Network:
    if "/" not in prefix:
        raise FunctionError(f"`{prefix}` is no network", 0, hint="write it as `10.0.0.0/8`")
    try:
        return ipaddress.ip_network(prefix, strict=False)
    except ValueError:
        raise FunctionError(f"`{prefix}` is no network", 0, hint="write it as `10.0.0.0/8`") from None


def _whole(number: Number, argument: int) -> int:
    if not isinstance(number, int):
        raise FunctionError("expected a whole number", argument)
    return number


@function(
    "The address of a host in a network; a negative number counts from the end.",
    _PREFIX,
    Parameter("host", NUMBER),
)
def cidrhost(prefix: str, host: Number) -> str:
    network, number = _network(prefix), _whole(host, 1)
    if not -network.num_addresses <= number < network.num_addresses:
        raise FunctionError(f"the network has {network.num_addresses} addresses", 1)
    return str(network[number])


@function("The network mask of an IPv4 network.", _PREFIX)
def cidrnetmask(prefix: str) -> str:
    network = _network(prefix)
    if network.version != 4:
        raise FunctionError("only IPv4 networks have a network mask", 0)
    return str(network.netmask)


@function(
    "A network inside a network: `bits` longer prefix, and its number.",
    _PREFIX,
    Parameter("bits", NUMBER),
    Parameter("number", NUMBER),
)
def cidrsubnet(prefix: str, bits: Number, number: Number) -> str:
    network = _network(prefix)
    length = network.prefixlen + _whole(bits, 1)
    if not network.prefixlen <= length <= network.max_prefixlen:
        raise FunctionError(f"the prefix cannot be {bits} bits longer", 1)
    if not 0 <= _whole(number, 2) < 1 << int(bits):
        raise FunctionError(f"there are {1 << int(bits)} such networks", 2)
    return _subnet(
        network, int(network.network_address) + (int(number) << network.max_prefixlen - length), length
    )


@function(
    "Networks inside a network, one after the other, each `bits` longer.",
    _PREFIX,
    rest=Parameter("bits", NUMBER),
)
def cidrsubnets(prefix: str, *bits: Number) -> Value:
    network = _network(prefix)
    address = int(network.network_address)
    subnets = []
    for position, longer in enumerate(bits):
        length = network.prefixlen + _whole(longer, position + 1)
        if longer < 1 or length > network.max_prefixlen:
            raise FunctionError(f"the prefix cannot be {longer} bits longer", position + 1)
        size = 1 << network.max_prefixlen - length
        address = -(-address // size) * size
        if address + size > int(network.network_address) + network.num_addresses:
            raise FunctionError("the network has no room for another one", position + 1)
        subnets.append(_subnet(network, address, length))
        address += size
    return ListValue(tuple(subnets), STRING)


def _subnet(network: _Network, address: int, length: int) -> str:
    kind = ipaddress.IPv4Address if network.version == 4 else ipaddress.IPv6Address
    return f"{kind(address)}/{length}"
