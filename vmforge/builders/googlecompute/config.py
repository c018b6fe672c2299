"""The options of the `googlecompute` builder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from vmforge.builders.googlecompute.account import GoogleAccount
from vmforge.sdk import Config, Duration, Secret, option

DEFAULT_SCOPES = (
    "https://www.googleapis.com/auth/userinfo.email",
    "https://www.googleapis.com/auth/compute",
    "https://www.googleapis.com/auth/devstorage.full_control",
)


class Maintenance(StrEnum):
    MIGRATE = "MIGRATE"
    TERMINATE = "TERMINATE"


class Architecture(StrEnum):
    """Written in either case."""

    X86_64 = "x86_64"
    ARM64 = "arm64"

    @classmethod
    def _missing_(cls, value: object) -> Architecture | None:
        return next((member for member in cls if member.value == str(value).lower()), None)


class Termination(StrEnum):
    DELETE = "DELETE"
    STOP = "STOP"


@dataclass(frozen=True, kw_only=True)
class EncryptionKey(Config):
    """A key of the customer's (https://cloud.google.com/compute/docs/disks/customer-managed-encryption)."""

    kmsKeyName: str = option(
        "", help="The key's name in Cloud KMS: `projects/.../cryptoKeys/...`.", aliases=("KmsKeyName",)
    )
    rawKey: Secret = option(Secret(""), help="The key itself: 256 bits in base64.", aliases=("RawKey",))


@dataclass(frozen=True, kw_only=True)
class NodeAffinity(Config):
    """Which sole-tenant nodes the instance may run on."""

    key: str = option("", help="A label's name.", affects_image=False)
    operator: str = option("", help="`IN` or `NOT_IN`.", affects_image=False)
    values: tuple[str, ...] = option((), help="The label's values.", affects_image=False)


@dataclass(frozen=True, kw_only=True)
class ReservationAffinity(Config):
    """Which reservation the instance is taken from."""

    consume_reservation_type: str = option(
        "", help="`ANY_RESERVATION`, `SPECIFIC_RESERVATION` or `NO_RESERVATION`.", affects_image=False
    )
    key: str = option(
        "", help="For a certain one: `compute.googleapis.com/reservation-name`.", affects_image=False
    )
    values: tuple[str, ...] = option((), help="The reservations' names.", affects_image=False)


@dataclass(frozen=True, kw_only=True)
class DiskAttachment(Config):
    """A disk beside the boot disk."""

    volume_type: str = option(
        "scratch", help="`scratch` (a local SSD) or a disk type such as `pd-ssd`, `hyperdisk-balanced`."
    )
    volume_size: int = option(0, help="Its size in GB; a scratch disk always has 375.")
    disk_name: str = option("", help="The disk's name.", default_text="the instance's and a number")
    device_name: str = option("", help="Its name below `/dev/disk/by-id/google-` in the guest.")
    interface_type: str = option("SCSI", help="`SCSI` or `NVME`.")
    attachment_mode: str = option("READ_WRITE", help="`READ_WRITE` or `READ_ONLY`.")
    iops: int = option(0, help="Its I/O operations per second, for types that let you choose.")
    replica_zones: tuple[str, ...] = option((), help="Other zones that hold a replica.")
    source_volume: str = option("", help="An existing disk to attach; it stays.")
    keep_device: bool = option(False, help="Leave the disk when the build has succeeded.")
    create_image: bool = option(False, help="Make the image of this disk, not of the boot disk.")
    disk_encryption_key: EncryptionKey | None = option(None, help="What encrypts it.")

    @property
    def is_scratch(self) -> bool:
        return self.volume_type == "scratch"


@dataclass(frozen=True, kw_only=True)
class ImageOptions(Config):
    """The image that is made."""

    image_name: str = option("", help="Its name.", default_text="`packer-` and the time")
    image_project_id: str = option("", help="The project it is put into.", default_text="`project_id`")
    image_description: str = option("", help="What it is, in words.")
    image_family: str = option("", help="The family whose latest image it becomes.")
    image_labels: Mapping[str, str] = option({}, help="Its labels.")
    image_licenses: tuple[str, ...] = option((), help="Licences to add to it, as URLs.")
    image_guest_os_features: tuple[str, ...] = option(
        (), help="What the guest can do: `UEFI_COMPATIBLE`, `GVNIC`, ..."
    )
    image_storage_locations: tuple[str, ...] = option(
        (), help="The region, or group of regions, that keeps it; one.", default_text="one nearby"
    )
    image_architecture: Architecture | None = option(
        None, help="`x86_64` or `arm64`.", default_text="that of the source image"
    )
    image_encryption_key: EncryptionKey | None = option(None, help="What encrypts it.")
    skip_create_image: bool = option(False, help="Build and provision, and make no image.")


@dataclass(frozen=True, kw_only=True)
class HardwareOptions(Config):
    """What the instance is made of."""

    machine_type: str = option("e2-standard-2", help="The machine type.")
    min_cpu_platform: str = option("", help="The oldest processors to run on, as in `Intel Skylake`.")
    accelerator_type: str = option("", help="The accelerators' type: a URL, whole or in part.")
    accelerator_count: int = option(0, help="How many accelerators there are.")
    enable_nested_virtualization: bool = option(False, help="Let the guest run virtual machines.")
    enable_secure_boot: bool = option(False, help="Boot nothing that is not signed.")
    enable_vtpm: bool = option(False, help="Have a virtual TPM.")
    enable_integrity_monitoring: bool = option(False, help="Compare how it boots; needs `enable_vtpm`.")
    disk_name: str = option("", help="The boot disk's name.", default_text="the instance's")
    disk_size: int = option(20, help="The boot disk's size in GB.")
    disk_type: str = option("pd-standard", help="The boot disk's type, as in `pd-ssd`.")
    disk_encryption_key: EncryptionKey | None = option(None, help="What encrypts the boot disk.")
    disk_attachment: tuple[DiskAttachment, ...] = option((), help="More disks.")
    preemptible: bool = option(False, help="Take a cheaper instance that may be ended at any time.")
    on_host_maintenance: Maintenance | None = option(
        None,
        help="What happens when the host is maintained: `MIGRATE` or `TERMINATE`.",
        default_text="`MIGRATE`; `TERMINATE` with `preemptible`",
        affects_image=False,
    )
    max_run_duration_in_seconds: int = option(
        0,
        help="Have the instance ended after so many seconds, whatever becomes of the build.",
        affects_image=False,
    )
    instance_termination_action: Termination | None = option(
        None, help="And then `DELETE` or `STOP` it.", affects_image=False
    )
    node_affinity: tuple[NodeAffinity, ...] = option((), help="The nodes to run on.")
    reservation_affinity: ReservationAffinity | None = option(None, help="The reservation to use.")


@dataclass(frozen=True, kw_only=True)
class NetworkOptions(Config):
    """How the instance is reached."""

    network: str = option(
        "",
        help="The network's name or URL.",
        default_text="`default`; the subnetwork's own with `subnetwork`",
        affects_image=False,
    )
    subnetwork: str = option("", help="The subnetwork's name or URL.", affects_image=False)
    network_project_id: str = option(
        "", help="The project of both.", default_text="`project_id`", affects_image=False
    )
    network_ip: str = option("", help="The internal address to have.", affects_image=False)
    address: str = option("", help="The name of a reserved external address.", affects_image=False)
    omit_external_ip: bool = option(False, help="Have no external address.", affects_image=False)
    use_internal_ip: bool = option(False, help="Connect to the internal address.", affects_image=False)
    use_iap: bool = option(
        False,
        help="Connect through the Identity-Aware Proxy; needs the program `gcloud`.",
        affects_image=False,
    )
    iap_localhost_port: int = option(
        0, help="The tunnel's port on this machine.", default_text="a free one", affects_image=False
    )
    iap_tunnel_launch_wait: int = option(
        0,
        help="How many seconds the tunnel gets to open.",
        default_text="30; 40 for WinRM",
        affects_image=False,
    )
    iap_hashbang: str = option(
        "", help="Accepted for Packer's sake: no script is needed to start `gcloud`.", affects_image=False
    )
    iap_ext: str = option("", help="The same.", affects_image=False)
    use_os_login: bool = option(
        False, help="Let the key in by OS Login, as the account that asks.", affects_image=False
    )
    wait_to_add_ssh_keys: Duration = option(
        Duration(0), help="Add the SSH key so long after the instance runs.", affects_image=False
    )
    windows_password_timeout: Duration = option(
        Duration(180), help="How long the guest may take to give out a password.", affects_image=False
    )
    tags: tuple[str, ...] = option((), help="Network tags, which firewall rules know.", affects_image=False)


@dataclass(frozen=True, kw_only=True)
class GoogleComputeConfig(GoogleAccount, ImageOptions, HardwareOptions, NetworkOptions):
    """All options of the builder; `checks.py` judges them."""

    project_id: str = option(help="The project that pays and that gets the image.")
    zone: str = option(help="The zone to build in, as in `us-central1-a`.", affects_image=False)
    region: str = option("", help="Its region.", default_text="that of `zone`", affects_image=False)
    source_image: str = option("", help="The image to start from: its name or URL.")
    source_image_family: str = option("", help="Start from the latest image of this family.")
    source_image_project_id: tuple[str, ...] = option(
        (),
        help="The projects to look for it in, one after the other.",
        default_text="`project_id`, and those of the public images",
    )
    instance_name: str = option(
        "", help="The instance's name.", default_text="one that tells whose build it is", affects_image=False
    )
    labels: Mapping[str, str] = option({}, help="The instance's labels.", affects_image=False)
    metadata: Mapping[str, str] = option({}, help="The instance's metadata.")
    metadata_files: Mapping[str, Path] = option({}, help="More of it, read from files.")
    startup_script_file: Path | None = option(None, help="A script that the guest runs as it boots.")
    wrap_startup_script: bool = option(
        True, help="Wait until the startup script has ended, and fail when it fails."
    )
    service_account_email: str = option(
        "", help="The service account of the instance.", default_text="the project's default one"
    )
    disable_default_service_account: bool = option(False, help="Have no service account unless one is named.")
    scopes: tuple[str, ...] = option(DEFAULT_SCOPES, help="What the service account may be used for.")
    state_timeout: Duration = option(
        Duration(300), help="How long the instance, or an image, may take to change.", affects_image=False
    )

    @property
    def region_name(self) -> str:
        return self.region or self.zone.rpartition("-")[0]

    @property
    def image_project(self) -> str:
        return self.image_project_id or self.project_id
