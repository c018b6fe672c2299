"""The options of `azure-arm`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from vmforge.builders.azure.login import LoginOptions
from vmforge.sdk import Config, Duration, option


@dataclass(frozen=True, kw_only=True)
class Tag(Config):
    name: str = option(help="The tag's name.")
    value: str = option(help="Its value.")


@dataclass(frozen=True, kw_only=True)
class GallerySource(Config):
    """`shared_image_gallery`: start from an image in a gallery."""

    subscription: str = option("", help="The gallery's subscription.", default_text="the build's")
    resource_group: str = option("", help="Its resource group.")
    gallery_name: str = option("", help="Its name.")
    image_name: str = option("", help="The image definition.")
    image_version: str = option("", help="Its version.", default_text="the latest")
    id: str = option("", help="All of that as one resource id.")
    community_gallery_image_id: str = option("", help="The id of an image in a community gallery.")
    direct_shared_gallery_image_id: str = option("", help="The id of an image that is shared directly.")

    @property
    def is_set(self) -> bool:
        return bool(
            self.gallery_name
            or self.id
            or self.community_gallery_image_id
            or self.direct_shared_gallery_image_id
        )


@dataclass(frozen=True, kw_only=True)
class TargetRegion(Config):
    name: str = option(help="The region.")
    replicas: int = option(1, help="How many copies to keep there.")
    disk_encryption_set_id: str = option("", help="What encrypts the copies there.")


@dataclass(frozen=True, kw_only=True)
class GalleryDestination(Config):
    """`shared_image_gallery_destination`: publish the image as a version in a gallery."""

    subscription: str = option("", help="The gallery's subscription.", default_text="the build's")
    resource_group: str = option("", help="Its resource group.")
    gallery_name: str = option("", help="Its name.")
    image_name: str = option("", help="The image definition, which must exist.")
    image_version: str = option("", help="The version to make: `MAJOR.MINOR.PATCH`.")
    replication_regions: tuple[str, ...] = option((), help="Regions to have copies in.")
    target_region: tuple[TargetRegion, ...] = option((), help="The same with details, one block each.")
    storage_account_type: str = option(
        "Standard_LRS", help="How copies are kept: `Standard_LRS`, `Standard_ZRS`, `Premium_LRS`."
    )
    specialized: bool = option(False, help="Keep the machine's identity: the image is not generalized.")
    use_shallow_replication: bool = option(False, help="Replicate fast, for tests: one region only.")
    confidential_vm_image_encryption_type: str = option(
        "", help="For confidential machines: `EncryptedVMGuestStateOnlyWithPmk`, `EncryptedWithCmk`, ..."
    )

    @property
    def is_set(self) -> bool:
        return bool(self.gallery_name)


@dataclass(frozen=True, kw_only=True)
class PlanInfo(Config):
    """The purchase plan of a marketplace image."""

    plan_name: str = option("", help="The plan's name.")
    plan_product: str = option("", help="Its product.")
    plan_publisher: str = option("", help="Its publisher.")
    plan_promotion_code: str = option("", help="A promotion code.")


@dataclass(frozen=True, kw_only=True)
class Spot(Config):
    """Build on spare capacity."""

    eviction_policy: str = option("", help="What happens when it is taken back: `Deallocate` or `Delete`.")
    max_price: float = option(-1.0, help="The most to pay in an hour, in US dollars; -1: the usual price.")


@dataclass(frozen=True, kw_only=True)
class SourceOptions(Config):
    """What the machine starts from: one of these."""

    image_publisher: str = option("", help="The publisher of a marketplace image.")
    image_offer: str = option("", help="Its offer.")
    image_sku: str = option("", help="Its SKU.")
    image_version: str = option("", help="Its version.", default_text="the latest")
    image_url: str = option("", help="The URL of a VHD in a storage account.")
    custom_managed_image_name: str = option("", help="A managed image.")
    custom_managed_image_resource_group_name: str = option("", help="Its resource group.")
    shared_image_gallery: GallerySource = option(GallerySource(), help="An image in a gallery.")
    plan_info: PlanInfo = option(PlanInfo(), help="The purchase plan that the image demands.")


@dataclass(frozen=True, kw_only=True)
class DestinationOptions(Config):
    """What comes of the build: a managed image, a version in a gallery, or a VHD."""

    managed_image_name: str = option("", help="The managed image to make.")
    managed_image_resource_group_name: str = option("", help="Its resource group, which must exist.")
    managed_image_storage_account_type: str = option(
        "Standard_LRS", help="What the machine's disks are on: `Standard_LRS`, `Premium_LRS`, ..."
    )
    managed_image_os_disk_snapshot_name: str = option(
        "", help="Also make a snapshot of the OS disk, so named."
    )
    managed_image_data_disk_snapshot_prefix: str = option(
        "", help="Also make snapshots of the data disks, named so and numbered."
    )
    managed_image_zone_resilient: bool = option(False, help="Keep the image in all zones of its region.")
    shared_image_gallery_destination: GalleryDestination = option(
        GalleryDestination(), help="Publish the image in a gallery."
    )
    shared_image_gallery_timeout: Duration = option(
        Duration(3600), help="How long to wait for the gallery.", affects_image=False
    )
    shared_gallery_image_version_end_of_life_date: str = option(
        "", help="When the version's life ends: `2030-01-01T00:00:00Z`."
    )
    shared_image_gallery_replica_count: int = option(0, help="How many copies to keep in each region.")
    shared_gallery_image_version_exclude_from_latest: bool = option(
        False, help="Do not let the version be `latest`."
    )
    capture_container_name: str = option("", help="Make a VHD, in this container of `storage_account`.")
    capture_name_prefix: str = option("", help="What its name begins with.")
    resource_group_name: str = option("", help="The resource group of `storage_account`.")
    storage_account: str = option("", help="The storage account to put the VHD into.")
    skip_create_image: bool = option(False, help="Make nothing: only try the build.")
    keep_os_disk: bool = option(False, help="Keep the machine's OS disk, in `build_resource_group_name`.")


@dataclass(frozen=True, kw_only=True)
class NetworkOptions(Config):
    """How the machine is reached."""

    virtual_network_name: str = option("", help="An existing network, in place of one of its own.")
    virtual_network_subnet_name: str = option("", help="Its subnet.", default_text="the only one")
    virtual_network_resource_group_name: str = option(
        "", help="Its resource group.", default_text="wherever it is"
    )
    private_virtual_network_with_public_ip: bool = option(
        False, help="Give a machine in an existing network a public address."
    )
    network_security_group_name: str = option(
        "", help="The name of the firewall that is made.", default_text="made up"
    )
    allowed_inbound_ip_addresses: tuple[str, ...] = option(
        (), help="Addresses and networks that may reach the machine.", default_text="all"
    )
    public_ip_sku: str = option("Standard", help="The kind of the public address: `Standard` or `Basic`.")


@dataclass(frozen=True, kw_only=True)
class MachineOptions(Config):
    """The machine."""

    os_type: str = option("", help="`Linux` or `Windows`.")
    location: str = option("", help="The region.", default_text="that of `build_resource_group_name`")
    vm_size: str = option("Standard_A1", help="The machine's size.")
    os_disk_size_gb: int = option(0, help="The OS disk's size in GB.", default_text="the image's")
    disk_additional_size: tuple[int, ...] = option((), help="Data disks to add, by their sizes in GB.")
    disk_caching_type: str = option("ReadWrite", help="`None`, `ReadOnly` or `ReadWrite`.")
    disk_controller_type: str = option("", help="`SCSI` or `NVMe`.")
    disk_encryption_set_id: str = option("", help="What encrypts the disks and the image.")
    temp_compute_name: str = option("", help="The machine's name.", default_text="made up")
    temp_nic_name: str = option("", help="Its network interface's name.", default_text="made up")
    temp_os_disk_name: str = option("", help="Its OS disk's name.", default_text="made up")
    temp_resource_group_name: str = option(
        "", help="The resource group that is made for the build and deleted with it.", default_text="made up"
    )
    build_resource_group_name: str = option("", help="An existing resource group to build in.")
    build_key_vault_name: str = option("", help="An existing key vault for the WinRM certificate.")
    build_key_vault_secret_name: str = option(
        "packerKeyVaultSecret", help="What the certificate is called there."
    )
    build_key_vault_sku: str = option(
        "standard", help="The kind of the vault that is made: `standard`, `premium`."
    )
    skip_create_build_key_vault: bool = option(
        False, help="Make no key vault: the machine has no WinRM over TLS of ours."
    )
    custom_resource_build_prefix: str = option(
        "", help="What made-up names begin with, 10 characters at most."
    )
    custom_data: str = option("", help="What cloud-init reads, or Windows finds in `CustomData.bin`.")
    custom_data_file: Path | None = option(None, help="The same from a file.")
    user_data: str = option("", help="What the machine may read as its user data.")
    user_data_file: Path | None = option(None, help="The same from a file.")
    custom_script: str = option("", help="A command that Azure runs in the machine once it is there.")
    user_assigned_managed_identities: tuple[str, ...] = option(
        (), help="Ids of managed identities that the machine gets."
    )
    boot_diag_storage_account: str = option(
        "", help="Where the machine's console is kept.", default_text="Azure's own"
    )
    license_type: str = option("", help="A licence that you have: `Windows_Server`, `RHEL_BYOS`, ...")
    spot: Spot = option(Spot(), help="Build on spare capacity.")
    secure_boot_enabled: bool = option(False, help="Boot only what is signed.")
    vtpm_enabled: bool = option(False, help="Give the machine a TPM.")
    security_type: str = option("", help="`TrustedLaunch` or `ConfidentialVM`.")
    security_encryption_type: str = option(
        "", help="For confidential machines: `VMGuestStateOnly`, `DiskWithVMGuestState`."
    )
    encryption_at_host: bool | None = option(None, help="Encrypt the disks on the host already.")
    azure_tags: Mapping[str, str] = option({}, help="Tags of everything that is made.")
    azure_tag: tuple[Tag, ...] = option((), help="The same as blocks.")
    polling_duration_timeout: Duration = option(
        Duration(3600), help="How long to wait for any one thing.", affects_image=False
    )
    async_resourcegroup_delete: bool = option(
        False, help="Do not wait until the resource group is deleted.", affects_image=False
    )
    winrm_expiration_time: Duration = option(
        Duration(24 * 3600), help="How long the certificate for WinRM is good.", affects_image=False
    )


@dataclass(frozen=True, kw_only=True)
class AzureArmConfig(LoginOptions, SourceOptions, DestinationOptions, NetworkOptions, MachineOptions):
    """All options of `azure-arm`."""

    @property
    def is_windows(self) -> bool:
        return self.os_type.lower() == "windows"

    @property
    def tags(self) -> dict[str, str]:
        return {**self.azure_tags, **{tag.name: tag.value for tag in self.azure_tag}}

    @property
    def makes_vhd(self) -> bool:
        return bool(self.capture_container_name)

    @property
    def has_public_address(self) -> bool:
        return not self.virtual_network_name or self.private_virtual_network_with_public_ip

    @property
    def sources(self) -> tuple[str, ...]:
        """The options that each name a source."""
        named = {
            "image_publisher": bool(self.image_publisher or self.image_offer or self.image_sku),
            "image_url": bool(self.image_url),
            "custom_managed_image_name": bool(self.custom_managed_image_name),
            "shared_image_gallery": self.shared_image_gallery.is_set,
        }
        return tuple(name for name, is_named in named.items() if is_named)


__all__ = ["AzureArmConfig", "GalleryDestination", "GallerySource"]
