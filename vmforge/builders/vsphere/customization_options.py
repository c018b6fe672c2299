"""The block `customize` of `source "vsphere-clone"`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from vmforge.sdk import Config, Secret, option


@dataclass(frozen=True, kw_only=True)
class LinuxOptions(Config):
    """The block `linux_options`."""

    domain: str = option("", help="The guest's domain.")
    host_name: str = option("", help="The guest's name.", default_text="the machine's")
    hw_clock_utc: bool = option(True, help="Whether the hardware's clock is in UTC.")
    time_zone: str = option("", help="The time zone (`Europe/Berlin`).")
    script_text: str = option("", help="A script that is run in the guest.")


@dataclass(frozen=True, kw_only=True)
class WindowsOptions(Config):
    """The block `windows_options`."""

    run_once_command_list: tuple[str, ...] = option((), help="Commands that the first user who logs on runs.")
    auto_logon: bool = option(False, help="Log the administrator on.")
    auto_logon_count: int = option(1, help="How many times.")
    admin_password: Secret | None = option(None, help="The administrator's new password.")
    time_zone: int = option(85, help="Windows' number of the time zone; 85 is GMT.")
    domain_admin_user: str = option("", help="Who joins it to the domain.")
    domain_admin_password: Secret | None = option(None, help="That user's password.")
    join_domain: str = option("", help="The domain to join.")
    workgroup: str = option("", help="The workgroup, where it joins no domain.")
    computer_name: str = option("", help="The computer's name.", default_text="the machine's")
    full_name: str = option("Administrator", help="The name of its owner.")
    organization_name: str = option("Managed by vmforge", help="The owner's organization.")
    product_key: Secret | None = option(None, help="Windows' product key.")


@dataclass(frozen=True, kw_only=True)
class NetworkInterface(Config):
    """The block `network_interface`, one for each card; an empty one stands for DHCP."""

    dns_server_list: tuple[str, ...] = option((), help="The name servers, of Windows.")
    dns_domain: str = option("", help="The domain, of Windows.")
    ipv4_address: str = option("", help="The IPv4 address.", default_text="by DHCP")
    ipv4_netmask: int = option(24, help="The bits of its network.")
    ipv6_address: str = option("", help="The IPv6 address.", default_text="by autoconfiguration")
    ipv6_netmask: int = option(64, help="The bits of its network.")


@dataclass(frozen=True, kw_only=True)
class Customize(Config):
    """The block `customize`."""

    linux_options: LinuxOptions | None = option(None, help="Settings of a Linux guest.")
    windows_options: WindowsOptions | None = option(None, help="Settings of a Windows guest.")
    windows_sysprep_file: Path | None = option(None, help="A file with Sysprep's answers.")
    windows_sysprep_text: str = option("", help="Sysprep's answers.")
    network_interface: tuple[NetworkInterface, ...] = option((), help="The network cards, in order.")
    ipv4_gateway: str = option("", help="The IPv4 gateway.")
    ipv6_gateway: str = option("", help="The IPv6 gateway.")
    dns_server_list: tuple[str, ...] = option((), help="The name servers.")
    dns_suffix_list: tuple[str, ...] = option((), help="The search domains.")
