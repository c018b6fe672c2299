"""From the block `customize` to the API's specification: a function of values."""

from __future__ import annotations

import ipaddress
from typing import Any

from pyVmomi import vim

from vmforge.builders.vsphere.customization_options import (
    Customize,
    LinuxOptions,
    NetworkInterface,
    WindowsOptions,
)

_spec = vim.vm.customization


def customization(block: Customize, machine_name: str, sysprep: str) -> Any:
    """The customisation of a clone. `sysprep` are Sysprep's answers, if they are given."""
    return _spec.Specification(
        identity=_identity(block, machine_name, sysprep),
        globalIPSettings=_spec.GlobalIPSettings(
            dnsServerList=list(block.dns_server_list), dnsSuffixList=list(block.dns_suffix_list)
        ),
        nicSettingMap=[_spec.AdapterMapping(adapter=_adapter(block, one)) for one in block.network_interface],
        options=_spec.WinOptions(changeSID=True, deleteAccounts=False) if block.windows_options else None,
    )


def _identity(block: Customize, machine_name: str, sysprep: str) -> Any:
    if sysprep:
        return _spec.SysprepText(value=sysprep)
    if block.windows_options is not None:
        return _windows(block.windows_options, machine_name)
    return _linux(block.linux_options or LinuxOptions(), machine_name)


def _linux(options: LinuxOptions, machine_name: str) -> Any:
    return _spec.LinuxPrep(
        hostName=_spec.FixedName(name=options.host_name or machine_name),
        domain=options.domain,
        hwClockUTC=options.hw_clock_utc,
        timeZone=options.time_zone or None,
        scriptText=options.script_text or None,
    )


def _windows(options: WindowsOptions, machine_name: str) -> Any:
    def secret(value: Any) -> Any:
        return _spec.Password(value=value.value, plainText=True) if value else None

    identification = (
        _spec.Identification(
            joinDomain=options.join_domain,
            domainAdmin=options.domain_admin_user,
            domainAdminPassword=secret(options.domain_admin_password),
        )
        if options.join_domain
        else _spec.Identification(joinWorkgroup=options.workgroup or "WORKGROUP")
    )
    commands = list(options.run_once_command_list)
    return _spec.Sysprep(
        guiUnattended=_spec.GuiUnattended(
            password=secret(options.admin_password),
            timeZone=options.time_zone,
            autoLogon=options.auto_logon,
            autoLogonCount=options.auto_logon_count,
        ),
        userData=_spec.UserData(
            fullName=options.full_name,
            orgName=options.organization_name,
            computerName=_spec.FixedName(name=options.computer_name or machine_name),
            productId=options.product_key.value if options.product_key else "",
        ),
        guiRunOnce=_spec.GuiRunOnce(commandList=commands) if commands else None,
        identification=identification,
    )


def _adapter(block: Customize, interface: NetworkInterface) -> Any:
    settings = _spec.IPSettings(
        ip=_spec.DhcpIpGenerator(),
        dnsServerList=list(interface.dns_server_list),
        dnsDomain=interface.dns_domain or None,
    )
    if interface.ipv4_address:
        network = ipaddress.IPv4Network((0, interface.ipv4_netmask))
        settings.ip = _spec.FixedIp(ipAddress=interface.ipv4_address)
        settings.subnetMask = str(network.netmask)
        settings.gateway = [block.ipv4_gateway] if block.ipv4_gateway else []
    if interface.ipv6_address:
        fixed = _spec.FixedIpV6(ipAddress=interface.ipv6_address, subnetMask=interface.ipv6_netmask)
        settings.ipV6Spec = _spec.IPSettings.IpV6AddressSpec(
            ip=[fixed], gateway=[block.ipv6_gateway] if block.ipv6_gateway else []
        )
    return settings
