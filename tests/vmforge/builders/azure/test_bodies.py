"""What Azure is sent, for the options that decide it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from vmforge.builders.azure import bodies
from vmforge.builders.azure.builder import AzureArmBuilder
from vmforge.builders.azure.config import AzureArmConfig
from vmforge.sdk.testing import configure

SUBSCRIPTION = "11111111-1111-4111-8111-111111111111"
GROUPS = f"/subscriptions/{SUBSCRIPTION}/resourceGroups"
MINIMAL: dict[str, Any] = {
    "subscription_id": SUBSCRIPTION,
    "image_publisher": "Debian",
    "image_offer": "debian-12",
    "image_sku": "12-gen2",
    "os_type": "Linux",
    "location": "westeurope",
    "managed_image_name": "web",
    "managed_image_resource_group_name": "images",
}
EVERYTHING: dict[str, Any] = {
    "cloud_environment_name": "AzureUSGovernmentCloud",
    "metadata_host": "azure.example",
    "subscription_id": SUBSCRIPTION,
    "tenant_id": "22222222-2222-4222-8222-222222222222",
    "client_id": "33333333-3333-4333-8333-333333333333",
    "client_secret": "geheim",
    "client_cert_password": "geheim",
    "client_cert_token_timeout": "1h",
    "client_jwt": "e30.e30.sig",
    "oidc_request_url": "https://ci.example/token",
    "oidc_request_token": "geheim",
    "object_id": "44444444-4444-4444-8444-444444444444",
    "use_azure_cli_auth": False,
    "image_version": "12.20240101.1",
    "shared_image_gallery": {
        "subscription": "55555555-5555-4555-8555-555555555555",
        "resource_group": "base",
        "gallery_name": "bases",
        "image_name": "windows",
        "image_version": "1.0.0",
    },
    "plan_info": {
        "plan_name": "hardened",
        "plan_product": "windows",
        "plan_publisher": "acme",
        "plan_promotion_code": "summer",
    },
    "managed_image_name": "web",
    "managed_image_resource_group_name": "images",
    "managed_image_storage_account_type": "Premium_LRS",
    "managed_image_os_disk_snapshot_name": "web-os",
    "managed_image_data_disk_snapshot_prefix": "web-data-",
    "managed_image_zone_resilient": True,
    "shared_image_gallery_destination": {
        "subscription": SUBSCRIPTION,
        "resource_group": "images",
        "gallery_name": "main",
        "image_name": "web",
        "image_version": "1.2.3",
        "replication_regions": ["North Europe", "westeurope"],
        "target_region": [
            {"name": "northeurope", "replicas": 2, "disk_encryption_set_id": "/des/north"},
        ],
        "storage_account_type": "Standard_ZRS",
        "specialized": False,
        "use_shallow_replication": False,
        "confidential_vm_image_encryption_type": "EncryptedWithPmk",
    },
    "shared_image_gallery_timeout": "90m",
    "shared_gallery_image_version_end_of_life_date": "2030-01-01T00:00:00Z",
    "shared_image_gallery_replica_count": 3,
    "shared_gallery_image_version_exclude_from_latest": True,
    "skip_create_image": False,
    "virtual_network_name": "corp",
    "virtual_network_subnet_name": "build",
    "virtual_network_resource_group_name": "networks",
    "private_virtual_network_with_public_ip": True,
    "network_security_group_name": "only-us",
    "allowed_inbound_ip_addresses": ["192.0.2.0/24", "198.51.100.7"],
    "public_ip_sku": "Standard",
    "os_type": "Windows",
    "build_resource_group_name": "builds",
    "vm_size": "Standard_D2s_v5",
    "os_disk_size_gb": 128,
    "disk_additional_size": [32, 64],
    "disk_caching_type": "ReadOnly",
    "disk_controller_type": "NVMe",
    "disk_encryption_set_id": "/des/1",
    "temp_compute_name": "buildvm",
    "temp_nic_name": "buildnic",
    "temp_os_disk_name": "builddisk",
    "build_key_vault_name": "thevault",
    "build_key_vault_secret_name": "winrm",
    "build_key_vault_sku": "premium",
    "skip_create_build_key_vault": True,
    "custom_resource_build_prefix": "acme",
    "custom_data": "data",
    "user_data": "user",
    "custom_script": "powershell -Command hostname",
    "user_assigned_managed_identities": ["/identities/1"],
    "boot_diag_storage_account": "consoles",
    "license_type": "Windows_Server",
    "spot": {"eviction_policy": "Deallocate", "max_price": Decimal("0.5")},
    "secure_boot_enabled": True,
    "vtpm_enabled": True,
    "security_type": "ConfidentialVM",
    "security_encryption_type": "VMGuestStateOnly",
    "encryption_at_host": True,
    "azure_tags": {"team": "web"},
    "azure_tag": [{"name": "cost", "value": "42"}],
    "polling_duration_timeout": "30m",
    "async_resourcegroup_delete": True,
    "winrm_expiration_time": "8h",
    "keep_os_disk": True,
}
ACCOUNT = bodies.Account("builder", "not-shown", "ssh-rsa AAAA", "https://vault/secrets/winrm/1", "/vaults/1")


def decoded(**changes: Any) -> AzureArmConfig:
    config = configure(AzureArmBuilder, changes).config
    assert isinstance(config, AzureArmConfig)
    return config


def everything_sent(config: AzureArmConfig) -> dict[str, Any]:
    names = bodies.Names.of(config, "abcdefghij")
    return {
        "names": vars(names),
        "firewall": bodies.firewall(config, 22),
        "network": bodies.network("build", "/nsg/1"),
        "address": bodies.address(config),
        "interface": bodies.interface("/subnets/1", "/addresses/1", "/nsg/1"),
        "vault": bodies.vault(config, "tenant", "object"),
        "machine": bodies.machine(config, names, ACCOUNT, "/nics/1", SUBSCRIPTION),
        "script": bodies.script_extension(config),
        "image": bodies.managed_image(config, "/vms/1", "V2"),
        "version": bodies.gallery_version(config, {"id": "/images/web"}, "West Europe"),
        "snapshot": bodies.snapshot("/disks/1"),
        "capture": bodies.capture(config),
    }


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("minimal", MINIMAL),
        ("everything", EVERYTHING),
        (
            "vhd",
            {
                "subscription_id": SUBSCRIPTION,
                "image_url": "https://base.blob.core.windows.net/vhds/base.vhd",
                "os_type": "Linux",
                "location": "westeurope",
                "capture_container_name": "images",
                "capture_name_prefix": "web",
                "resource_group_name": "images",
                "storage_account": "webimages",
                "temp_resource_group_name": "theirs",
                "public_ip_sku": "Basic",
            },
        ),
    ],
)
def test_what_is_sent(golden: Callable[[str, str], None], name: str, options: dict[str, Any]) -> None:
    sent = everything_sent(decoded(**options))
    golden(f"azure/{name}.json", json.dumps(sent, indent=2, sort_keys=True) + "\n")


@pytest.mark.parametrize(
    ("option", "value", "reference"),
    [
        (
            "custom_managed_image_name",
            "base",
            {"id": f"{GROUPS}/bases/providers/Microsoft.Compute/images/base"},
        ),
        ("shared_image_gallery", {"id": "/galleries/x"}, {"id": "/galleries/x"}),
        (
            "shared_image_gallery",
            {"community_gallery_image_id": "/CommunityGalleries/x"},
            {"communityGalleryImageId": "/CommunityGalleries/x"},
        ),
        (
            "shared_image_gallery",
            {"direct_shared_gallery_image_id": "/SharedGalleries/x"},
            {"sharedGalleryImageId": "/SharedGalleries/x"},
        ),
    ],
)
def test_sources(option: str, value: Any, reference: dict[str, str]) -> None:
    options = {k: v for k, v in MINIMAL.items() if k not in ("image_publisher", "image_offer", "image_sku")}
    more = {"custom_managed_image_resource_group_name": "bases"} if "managed" in option else {}
    config = decoded(**options, **{option: value}, **more)
    assert bodies.source_image(config, SUBSCRIPTION) == reference


def test_data_from_files(tmp_path: Path) -> None:
    (tmp_path / "init").write_bytes(b"#cloud-config\n")
    config = decoded(
        **MINIMAL, custom_data_file=str(tmp_path / "init"), user_data_file=str(tmp_path / "init")
    )
    names = bodies.Names.of(config, "abcdefghij")
    sent = bodies.machine(config, names, ACCOUNT, "/nics/1", SUBSCRIPTION)["properties"]
    assert sent["osProfile"]["customData"] == sent["userData"] == "I2Nsb3VkLWNvbmZpZwo="


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"subscription_id": ""}, "`subscription_id` is not set"),
        ({"cloud_environment_name": "Moon"}, "there is no cloud `Moon`"),
        ({"client_secret": "x"}, "`client_secret` is set without `client_id`"),
        ({"client_cert_path": "/nowhere.pem", "client_id": "x"}, "there is no certificate `/nowhere.pem`"),
        ({"image_offer": ""}, "`image_offer` is not set"),
        (
            {"image_url": "https://x/y.vhd"},
            "`image_publisher` and `image_url` both name an image",
        ),
        ({"plan_info": {"plan_name": "x"}}, "a plan has a name, a product and a publisher"),
        ({"managed_image_name": ""}, "nothing says what image to make"),
        ({"managed_image_name": "web."}, "`web.` is no name of an image"),
        ({"managed_image_resource_group_name": ""}, "belong together"),
        ({"capture_container_name": "x"}, "a VHD and a managed image cannot both be made"),
        (
            {
                "shared_image_gallery_destination": {
                    "gallery_name": "g",
                    "image_name": "i",
                    "image_version": "1",
                }
            },
            "`1` is no version: write `1.2.3`",
        ),
        ({"os_type": "Plan 9"}, "`os_type` is `Linux` or `Windows`"),
        ({"location": ""}, "set `location` or `build_resource_group_name`, one of them"),
        ({"azure_tags": {f"t{n}": "x" for n in range(16)}}, "16 tags are too many"),
        ({"virtual_network_subnet_name": "x"}, "a subnet is named without its network"),
        ({"disk_caching_type": "fast"}, "`disk_caching_type` is `None`, `ReadOnly` or `ReadWrite`"),
        ({"keep_os_disk": True}, "`keep_os_disk` needs `build_resource_group_name`"),
        ({"custom_resource_build_prefix": "far-too-long"}, "more than 10 characters"),
        ({"custom_data": "x", "custom_data_file": "y"}, "`custom_data` and `custom_data_file` are both set"),
    ],
)
def test_what_is_refused(monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], message: str) -> None:
    monkeypatch.delenv("ARM_SUBSCRIPTION_ID", raising=False)
    with pytest.raises(ValueError, match=re.escape(message)):
        decoded(**(MINIMAL | changes))


def test_the_subscription_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARM_SUBSCRIPTION_ID", SUBSCRIPTION)
    monkeypatch.setenv("ARM_CLIENT_ID", "the-client")
    monkeypatch.setenv("ARM_CLIENT_SECRET", "the-secret")
    monkeypatch.setenv("ARM_TENANT_ID", "the-tenant")
    config = decoded(**(MINIMAL | {"subscription_id": ""}))
    assert (config.subscription, config.client, config.secret) == (SUBSCRIPTION, "the-client", "the-secret")
    assert (config.tenant, config.proof) == ("the-tenant", "client_secret")
