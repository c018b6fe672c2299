"""Where in the network of an account an instance may run, and who may connect to it."""

from __future__ import annotations

import ipaddress
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from vmforge.builders.amazon.api import Api
from vmforge.builders.amazon.options.blocks import SshInterface, api_filters, given
from vmforge.builders.amazon.options.run import RunConfig
from vmforge.sdk.cloud import CloudError
from vmforge.sdk.network import Network

_WHO_AM_I = "https://checkip.amazonaws.com"
_TIMEOUT = 20.0


@dataclass(frozen=True, slots=True)
class Place:
    """A subnet and its zone; both empty where AWS is to choose."""

    subnet: str = ""
    zone: str = ""
    vpc: str = ""

    def __str__(self) -> str:
        return self.zone or "a zone of AWS's choice"


def find_places(config: RunConfig, ec2: Api) -> list[Place]:
    """The places to try, best first; at least one. Raises `CloudError` when none fits, or too many."""
    vpc = config.vpc_id or (_find_vpc(config, ec2) if config.vpc_filter else "")
    ids = given((config.subnet_id, *config.subnet_ids))
    if ids:
        return _ordered(config, list(ec2.items("describe_subnets", "Subnets", SubnetIds=list(ids))))
    found_by = config.subnet_filter
    if found_by is None and not vpc:
        return [Place(zone=config.availability_zone)]
    wanted = dict(found_by.wanted) if found_by else {}
    wanted |= {"vpc-id": vpc} if vpc else {}
    wanted |= {"availability-zone": config.availability_zone} if config.availability_zone else {}
    subnets = list(ec2.items("describe_subnets", "Subnets", Filters=api_filters(wanted)))
    if not subnets:
        option = "subnet_filter" if found_by else "vpc_id"
        raise CloudError(f"no subnet fits `{option}`", hint="list them: `aws ec2 describe-subnets`")
    if found_by and len(subnets) > 1 and not (found_by.most_free or found_by.random):
        listed = ", ".join(f"`{subnet['SubnetId']}`" for subnet in subnets)
        hint = "narrow `filters` down, or set `most_free` or `random`"
        raise CloudError(f"`subnet_filter` fits {len(subnets)} subnets: {listed}", hint=hint)
    return _ordered(config, subnets)


def _ordered(config: RunConfig, subnets: list[dict[str, Any]]) -> list[Place]:
    found_by = config.subnet_filter
    if found_by is not None and found_by.random and not found_by.most_free:
        random.shuffle(subnets)
    elif not config.subnet_ids:
        subnets.sort(key=lambda subnet: -int(subnet.get("AvailableIpAddressCount", 0)))
    return [Place(one["SubnetId"], one["AvailabilityZone"], one["VpcId"]) for one in subnets]


def _find_vpc(config: RunConfig, ec2: Api) -> str:
    assert config.vpc_filter is not None
    found = list(ec2.items("describe_vpcs", "Vpcs", Filters=api_filters(config.vpc_filter.wanted)))
    if len(found) != 1:
        count = "no network fits" if not found else f"{len(found)} networks fit"
        raise CloudError(f"{count} `vpc_filter`", hint="list them: `aws ec2 describe-vpcs`")
    return str(found[0]["VpcId"])


def find_groups(config: RunConfig, ec2: Api, vpc: str) -> tuple[str, ...]:
    """The security groups that the configuration names; none where one is to be made."""
    if config.groups or config.security_group_filter is None:
        return config.groups
    wanted = config.security_group_filter.wanted | ({"vpc-id": vpc} if vpc else {})
    found = list(ec2.items("describe_security_groups", "SecurityGroups", Filters=api_filters(wanted)))
    if not found:
        hint = "list them: `aws ec2 describe-security-groups`"
        raise CloudError("no security group fits `security_group_filter`", hint=hint)
    return tuple(str(group["GroupId"]) for group in found)


def sources(config: RunConfig, network: Network) -> Sequence[str]:
    """The addresses, in CIDR notation, that may connect where a security group is made."""
    if cidrs := given(config.temporary_security_group_source_cidrs):
        return cidrs
    if config.temporary_security_group_source_public_ip:
        return (_own_address(network),)
    return ("::/0",) if config.ssh_interface is SshInterface.IPV6 else ("0.0.0.0/0",)


def permission(port: int, cidrs: Sequence[str]) -> list[dict[str, Any]]:
    """Who may connect to a port, as EC2's API has it."""
    four = [{"CidrIp": cidr} for cidr in cidrs if ":" not in cidr]
    six = [{"CidrIpv6": cidr} for cidr in cidrs if ":" in cidr]
    rule: dict[str, Any] = {"IpProtocol": "tcp", "FromPort": port, "ToPort": port}
    return [rule | ({"IpRanges": four} if four else {}) | ({"Ipv6Ranges": six} if six else {})]


def _own_address(network: Network) -> str:
    from urllib.error import URLError
    from urllib.request import urlopen

    try:
        with urlopen(network.locate(_WHO_AM_I), timeout=_TIMEOUT) as answer:
            address = ipaddress.ip_address(answer.read(100).decode("ascii", "replace").strip())
    except (URLError, OSError, ValueError) as error:
        hint = "set `temporary_security_group_source_cidrs` instead"
        raise CloudError(f"`{_WHO_AM_I}` does not tell this machine's address: {error}", hint=hint) from None
    return f"{address}/{address.max_prefixlen}"
