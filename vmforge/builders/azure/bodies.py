"""What Azure is sent for each resource: pure functions of the options.

https://learn.microsoft.com/rest/api/compute/virtual-machines/create-or-update and its neighbours.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vmforge.builders.azure.config import AzureArmConfig, GallerySource

Body = dict[str, Any]


@dataclass(frozen=True)
class Names:
    """The names of what is made; `computer` is the machine's own, at most 15 characters."""

    group: str
    computer: str
    disk: str
    interface: str
    address: str
    network: str
    firewall: str
    vault: str
    subnet: str = "build"

    @classmethod
    def of(cls, config: AzureArmConfig, unique: str) -> Names:
        """`unique` are 10 letters and digits, another ten for each build."""
        prefix = config.custom_resource_build_prefix or "pkr"
        return cls(
            group=config.build_resource_group_name
            or config.temp_resource_group_name
            or f"{prefix}-Resource-Group-{unique}",
            computer=config.temp_compute_name or f"{prefix[:5]}vm{unique}"[:15],
            disk=config.temp_os_disk_name or f"{prefix}os{unique}",
            interface=config.temp_nic_name or f"{prefix}ni{unique}",
            address=f"{prefix}ip{unique}",
            network=f"{prefix}vn{unique}",
            firewall=config.network_security_group_name or f"{prefix}sg{unique}",
            vault=config.build_key_vault_name or f"{prefix}kv{unique}"[:24],
        )


@dataclass(frozen=True)
class Account:
    """The user on the new machine. `certificate_url` is where the vault `vault_id` has WinRM's one."""

    user: str
    password: str = field(repr=False, default="")
    public_key: str = ""
    certificate_url: str = ""
    vault_id: str = ""


def firewall(config: AzureArmConfig, port: int) -> Body:
    """Lets in who may talk to the guest."""
    allowed = list(config.allowed_inbound_ip_addresses)
    source = {"sourceAddressPrefixes": allowed} if allowed else {"sourceAddressPrefix": "*"}
    rule = {
        "priority": 100,
        "direction": "Inbound",
        "access": "Allow",
        "protocol": "Tcp",
        "sourcePortRange": "*",
        "destinationPortRange": str(port),
        "destinationAddressPrefix": "*",
        **source,
    }
    return {"properties": {"securityRules": [{"name": "vmforge", "properties": rule}]}}


def network(subnet: str, firewall_id: str) -> Body:
    inner = {"addressPrefix": "10.0.0.0/24", "networkSecurityGroup": {"id": firewall_id}}
    return {
        "properties": {
            "addressSpace": {"addressPrefixes": ["10.0.0.0/16"]},
            "subnets": [{"name": subnet, "properties": inner}],
        }
    }


def address(config: AzureArmConfig) -> Body:
    # a dynamic address is known only once the machine runs; Standard has none
    static = config.public_ip_sku.lower() == "standard"
    return {
        "sku": {"name": "Standard" if static else "Basic"},
        "properties": {"publicIPAllocationMethod": "Static" if static else "Dynamic"},
    }


def interface(subnet_id: str, address_id: str, firewall_id: str) -> Body:
    """`address_id` and `firewall_id` may be empty."""
    settings: Body = {"subnet": {"id": subnet_id}, "privateIPAllocationMethod": "Dynamic"}
    if address_id:
        # with the machine goes its address
        settings["publicIPAddress"] = {"id": address_id, "properties": {"deleteOption": "Delete"}}
    inner: Body = {"ipConfigurations": [{"name": "build", "properties": settings}]}
    if firewall_id:
        inner["networkSecurityGroup"] = {"id": firewall_id}
    return {"properties": inner}


def vault(config: AzureArmConfig, tenant: str, object_id: str) -> Body:
    policy = {"tenantId": tenant, "objectId": object_id, "permissions": {"secrets": ["all"], "keys": ["all"]}}
    return {
        "properties": {
            "tenantId": tenant,
            "sku": {"family": "A", "name": config.build_key_vault_sku},
            "accessPolicies": [policy],
            "enabledForDeployment": True,
            "enabledForTemplateDeployment": True,
            "enableSoftDelete": True,
        }
    }


def source_image(config: AzureArmConfig, subscription: str) -> Body:
    """The `imageReference` of a machine that does not start from a VHD."""
    if config.custom_managed_image_name:
        group = config.custom_managed_image_resource_group_name
        place = f"/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.Compute"
        return {"id": f"{place}/images/{config.custom_managed_image_name}"}
    gallery = config.shared_image_gallery
    if gallery.community_gallery_image_id:
        return {"communityGalleryImageId": gallery.community_gallery_image_id}
    if gallery.direct_shared_gallery_image_id:
        return {"sharedGalleryImageId": gallery.direct_shared_gallery_image_id}
    if gallery.is_set:
        return {"id": gallery.id or _gallery_image(gallery, subscription)}
    return {
        "publisher": config.image_publisher,
        "offer": config.image_offer,
        "sku": config.image_sku,
        "version": config.image_version or "latest",
    }


def _gallery_image(gallery: GallerySource, subscription: str) -> str:
    place = f"/subscriptions/{gallery.subscription or subscription}/resourceGroups/{gallery.resource_group}"
    image = (
        f"{place}/providers/Microsoft.Compute/galleries/{gallery.gallery_name}/images/{gallery.image_name}"
    )
    return f"{image}/versions/{gallery.image_version}" if gallery.image_version else image


def machine(
    config: AzureArmConfig, names: Names, account: Account, interface_id: str, subscription: str
) -> Body:
    """The virtual machine."""
    inner: Body = {
        "hardwareProfile": {"vmSize": config.vm_size},
        "storageProfile": _storage(config, names, subscription),
        "osProfile": _system(config, names, account),
        "networkProfile": {
            "networkInterfaces": [
                {"id": interface_id, "properties": {"primary": True, "deleteOption": "Delete"}}
            ]
        },
        "diagnosticsProfile": {"bootDiagnostics": _console(config)},
        **_security(config),
        **_price(config),
    }
    if data := _encoded(config.user_data, config.user_data_file):
        inner["userData"] = data
    body: Body = {"properties": inner}
    plan = config.plan_info
    if plan.plan_name:
        body["plan"] = {
            "name": plan.plan_name,
            "product": plan.plan_product,
            "publisher": plan.plan_publisher,
            **({"promotionCode": plan.plan_promotion_code} if plan.plan_promotion_code else {}),
        }
    if config.user_assigned_managed_identities:
        identities = {name: {} for name in config.user_assigned_managed_identities}  # type: Body
        body["identity"] = {"type": "UserAssigned", "userAssignedIdentities": identities}
    return body


def _storage(config: AzureArmConfig, names: Names, subscription: str) -> Body:
    disk: Body = {"name": names.disk, "createOption": "FromImage", "caching": config.disk_caching_type}
    if config.os_disk_size_gb:
        disk["diskSizeGB"] = config.os_disk_size_gb
    storage: Body = {"osDisk": disk}
    if config.makes_vhd or config.image_url:
        place = f"https://{config.storage_account}.blob.core.windows.net/images/{names.disk}.vhd"
        disk["vhd"] = {"uri": place}
        if config.image_url:
            disk.update(osType="Windows" if config.is_windows else "Linux", image={"uri": config.image_url})
    else:
        disk["managedDisk"] = _managed(config, is_system=True)
        disk["deleteOption"] = "Detach" if config.keep_os_disk else "Delete"
    if not config.image_url:
        storage["imageReference"] = source_image(config, subscription)
    if config.disk_controller_type:
        storage["diskControllerType"] = config.disk_controller_type
    storage["dataDisks"] = [_data_disk(config, names, *one) for one in enumerate(config.disk_additional_size)]
    return storage


def _managed(config: AzureArmConfig, *, is_system: bool = False) -> Body:
    managed: Body = {"storageAccountType": config.managed_image_storage_account_type}
    encryption = {"diskEncryptionSet": {"id": config.disk_encryption_set_id}}
    if is_system and config.security_encryption_type:
        secured = encryption if config.disk_encryption_set_id else {}
        managed["securityProfile"] = {"securityEncryptionType": config.security_encryption_type, **secured}
    elif config.disk_encryption_set_id:
        managed |= encryption
    return managed


def _data_disk(config: AzureArmConfig, names: Names, number: int, size: int) -> Body:
    return {
        "lun": number,
        "name": f"{names.disk}-data-{number}",
        "createOption": "Empty",
        "diskSizeGB": size,
        "caching": config.disk_caching_type,
        "managedDisk": _managed(config),
        "deleteOption": "Delete",
    }


def _system(config: AzureArmConfig, names: Names, account: Account) -> Body:
    system: Body = {"computerName": names.computer, "adminUsername": account.user}
    if account.password:
        system["adminPassword"] = account.password
    if data := _encoded(config.custom_data, config.custom_data_file):
        system["customData"] = data
    if config.is_windows:
        system["windowsConfiguration"] = {"provisionVMAgent": True, **_winrm(account)}
    else:
        system["linuxConfiguration"] = _linux(account)
    if account.certificate_url:
        certificate = {"certificateUrl": account.certificate_url, "certificateStore": "My"}
        system["secrets"] = [{"sourceVault": {"id": account.vault_id}, "vaultCertificates": [certificate]}]
    return system


def _winrm(account: Account) -> Body:
    if not account.certificate_url:
        return {}
    listener = {"protocol": "Https", "certificateUrl": account.certificate_url}
    return {"winRM": {"listeners": [listener]}}


def _linux(account: Account) -> Body:
    if not account.public_key:
        return {"disablePasswordAuthentication": False}
    key = {"path": f"/home/{account.user}/.ssh/authorized_keys", "keyData": account.public_key}
    return {"disablePasswordAuthentication": not account.password, "ssh": {"publicKeys": [key]}}


def _console(config: AzureArmConfig) -> Body:
    """Azure keeps the console's text by itself, unless it is to be in an account of the user's."""
    if not config.boot_diag_storage_account:
        return {"enabled": True}
    place = f"https://{config.boot_diag_storage_account}.blob.core.windows.net"
    return {"enabled": True, "storageUri": place}


def _security(config: AzureArmConfig) -> Body:
    profile: Body = {}
    if config.encryption_at_host is not None:
        profile["encryptionAtHost"] = config.encryption_at_host
    kind = config.security_type
    if config.secure_boot_enabled or config.vtpm_enabled or kind:
        profile["securityType"] = kind or "TrustedLaunch"
        profile["uefiSettings"] = {
            "secureBootEnabled": config.secure_boot_enabled,
            "vTpmEnabled": config.vtpm_enabled,
        }
    return {"securityProfile": profile} if profile else {}


def _price(config: AzureArmConfig) -> Body:
    price: Body = {"licenseType": config.license_type} if config.license_type else {}
    if config.spot.eviction_policy:
        price |= {
            "priority": "Spot",
            "evictionPolicy": config.spot.eviction_policy,
            "billingProfile": {"maxPrice": config.spot.max_price},
        }
    return price


def script_extension(config: AzureArmConfig) -> Body:
    """Runs `custom_script` (https://learn.microsoft.com/azure/virtual-machines/extensions/custom-script-linux)."""
    windows = config.is_windows
    return {
        "properties": {
            "publisher": "Microsoft.Compute" if windows else "Microsoft.Azure.Extensions",
            "type": "CustomScriptExtension" if windows else "CustomScript",
            "typeHandlerVersion": "1.10" if windows else "2.1",
            "autoUpgradeMinorVersion": True,
            "protectedSettings": {"commandToExecute": config.custom_script},
        }
    }


def managed_image(config: AzureArmConfig, machine_id: str, generation: str) -> Body:
    """`generation` is the machine's: `V1` (BIOS) or `V2` (UEFI)."""
    inner: Body = {"sourceVirtualMachine": {"id": machine_id}, "hyperVGeneration": generation}
    if config.managed_image_zone_resilient:
        inner["storageProfile"] = {"zoneResilient": True}
    return {"properties": inner}


def gallery_version(config: AzureArmConfig, source: Mapping[str, str], location: str) -> Body:
    """`source` is the image, or the machine itself: what `storageProfile.source` takes."""
    wanted = config.shared_image_gallery_destination
    profile: Body = {
        "targetRegions": _regions(config, location),
        "excludeFromLatest": config.shared_gallery_image_version_exclude_from_latest,
        "storageAccountType": wanted.storage_account_type,
        "replicationMode": "Shallow" if wanted.use_shallow_replication else "Full",
    }
    if config.shared_image_gallery_replica_count:
        profile["replicaCount"] = config.shared_image_gallery_replica_count
    if config.shared_gallery_image_version_end_of_life_date:
        profile["endOfLifeDate"] = config.shared_gallery_image_version_end_of_life_date
    return {"properties": {"publishingProfile": profile, "storageProfile": {"source": dict(source)}}}


def _regions(config: AzureArmConfig, location: str) -> list[Body]:
    """The regions to replicate to; a version is always in its own."""
    wanted = config.shared_image_gallery_destination
    detailed = {_plain(region.name): _region(config, region.name) for region in wanted.target_region}
    for region in wanted.target_region:
        detailed[_plain(region.name)]["regionalReplicaCount"] = region.replicas
        if region.disk_encryption_set_id:
            encryption = {"osDiskImage": {"diskEncryptionSetId": region.disk_encryption_set_id}}
            detailed[_plain(region.name)].setdefault("encryption", {}).update(encryption)
    for name in (*wanted.replication_regions, location):
        detailed.setdefault(_plain(name), _region(config, name))
    return list(detailed.values())


def _region(config: AzureArmConfig, name: str) -> Body:
    confidential = config.shared_image_gallery_destination.confidential_vm_image_encryption_type
    region: Body = {"name": name}
    if confidential:
        secured = {"confidentialVMEncryptionType": confidential}
        region["encryption"] = {"osDiskImage": {"securityProfile": secured}}
    return region


def _plain(region: str) -> str:
    """`West Europe` and `westeurope` are the same region."""
    return region.lower().replace(" ", "")


def snapshot(disk_id: str) -> Body:
    return {"properties": {"creationData": {"createOption": "Copy", "sourceResourceId": disk_id}}}


def capture(config: AzureArmConfig) -> Body:
    return {
        "vhdPrefix": config.capture_name_prefix,
        "destinationContainerName": config.capture_container_name,
        "overwriteVhds": False,
    }


def disks_of(found: Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:
    """The ids of a machine's OS disk and data disks; `""` for one that is not managed."""
    storage = found["properties"]["storageProfile"]
    system = storage["osDisk"].get("managedDisk", {}).get("id", "")
    data: Iterable[str] = (disk.get("managedDisk", {}).get("id", "") for disk in storage.get("dataDisks", ()))
    return system, tuple(data)


def _encoded(text: str, file: Path | None) -> str:
    """A text, or a file's content, in Base64."""
    content = file.expanduser().read_bytes() if file is not None else text.encode()
    return base64.b64encode(content).decode("ascii")
