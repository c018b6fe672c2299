"""What Google is asked for, by the options that ask for it: the goldens are the requests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fakes.google_cloud import PROJECT, ZONE
from tests.vmforge.builders.googlecompute.harness import Harness
from vmforge.sdk import Value

KMS = "projects/acme/locations/europe/keyRings/r/cryptoKeys/k"

EVERYTHING: dict[str, Value] = {
    "image_project_id": "golden",
    "image_description": "the web server",
    "image_family": "web",
    "image_labels": {"team": "web"},
    "image_licenses": [
        "https://www.googleapis.com/compute/v1/projects/vm-options/global/licenses/enable-vmx"
    ],
    "image_guest_os_features": ["UEFI_COMPATIBLE", "GVNIC"],
    "image_storage_locations": ["eu"],
    "image_architecture": "X86_64",
    "image_encryption_key": {"kmsKeyName": KMS},
    "machine_type": "n2-standard-4",
    "min_cpu_platform": "Intel Ice Lake",
    "accelerator_type": "nvidia-tesla-t4",
    "accelerator_count": 2,
    "on_host_maintenance": "TERMINATE",
    "enable_nested_virtualization": True,
    "enable_secure_boot": True,
    "enable_vtpm": True,
    "enable_integrity_monitoring": True,
    "disk_name": "web-boot",
    "disk_size": 30,
    "disk_type": "pd-ssd",
    "disk_encryption_key": {"rawKey": "c2VjcmV0IHNlY3JldCBzZWNyZXQgc2VjcmV0IHNlY3I="},
    "disk_attachment": [
        {"volume_type": "scratch", "interface_type": "NVME"},
        {
            "volume_type": "pd_extreme",
            "volume_size": 500,
            "iops": 20000,
            "disk_name": "data",
            "device_name": "data",
            "replica_zones": ["europe-west1-c"],
            "keep_device": True,
            "create_image": True,
            "disk_encryption_key": {"kmsKeyName": KMS},
        },
        {
            "volume_type": "pd-standard",
            "source_volume": f"projects/{PROJECT}/zones/{ZONE}/disks/packages",
            "attachment_mode": "READ_ONLY",
        },
    ],
    "node_affinity": [{"key": "workload", "operator": "IN", "values": ["images"]}],
    "reservation_affinity": {
        "consume_reservation_type": "SPECIFIC_RESERVATION",
        "key": "compute.googleapis.com/reservation-name",
        "values": ["mine"],
    },
    "max_run_duration_in_seconds": 7200,
    "instance_termination_action": "DELETE",
    "network": "build",
    "subnetwork": "build-a",
    "network_project_id": "shared",
    "network_ip": "10.0.0.7",
    "address": "way-in",
    "tags": ["ssh", "build"],
    "instance_name": "builder",
    "labels": {"purpose": "build"},
    "metadata": {"serial-port-enable": "true", "ssh-keys": "ann:ssh-rsa AAAA"},
    "service_account_email": "images@acme.iam.gserviceaccount.com",
    "scopes": ["https://www.googleapis.com/auth/cloud-platform"],
    "region": "europe-west1",
    "state_timeout": "10m",
}


def _reserve_address(harness: Harness) -> None:
    path = f"projects/{PROJECT}/regions/europe-west1/addresses/way-in"
    harness.google.things[path] = {"name": "way-in", "address": "192.0.2.8"}


def test_every_option(harness: Harness, golden: Callable[[str, str], None], tmp_path: Path) -> None:
    _reserve_address(harness)
    files: dict[str, Value] = {"motd": str(tmp_path / "motd")}
    (tmp_path / "motd").write_text("hello\n")
    (tmp_path / "start.sh").write_text("#!/bin/sh\necho started\n")
    script = {"startup_script_file": str(tmp_path / "start.sh"), "wrap_startup_script": False}
    artifact = harness.build(**EVERYTHING, metadata_files=files, **script)
    golden("builders/googlecompute/everything.txt", harness.changes())
    assert artifact is not None
    assert artifact.builder_id == "packer.googlecompute"
    assert artifact.id == "web-1"
    assert dict(artifact.state) == {
        "ImageName": "web-1",
        "ImageSizeGb": 500,
        "ProjectId": "golden",
        "BuildZone": ZONE,
    }
    (image,) = harness.google.of_kind("images")
    assert image["labels"] == {"team": "web"}
    assert [disk["name"] for disk in harness.google.of_kind("disks")] == ["data"], "keep_device"
    assert harness.google.of_kind("disks")[0]["labels"] == {}
    assert harness.google.of_kind("instances") == []
    artifact.destroy()
    assert harness.google.of_kind("images") == []


def test_as_little_as_possible(harness: Harness, golden: Callable[[str, str], None]) -> None:
    harness.build(image_name=None)
    golden("builders/googlecompute/minimal.txt", harness.changes())


def test_preemptible_and_internal(harness: Harness, golden: Callable[[str, str], None]) -> None:
    harness.build(
        preemptible=True, omit_external_ip=True, use_internal_ip=True, disable_default_service_account=True
    )
    golden("builders/googlecompute/preemptible.txt", harness.changes())


def test_no_image(harness: Harness) -> None:
    assert harness.build(skip_create_image=True) is None
    assert harness.google.of_kind("images") == []
    assert harness.google.left == []


def test_a_source_image_by_name(harness: Harness) -> None:
    harness.google.add_image("images", "golden-3")
    harness.build(source_image="golden-3", source_image_project_id=["none", "images"])
    assert _source_of(harness).endswith("projects/images/global/images/golden-3")


def test_a_source_image_by_url(harness: Harness) -> None:
    harness.google.add_image("images", "golden-3", deprecated={"state": "DEPRECATED"})
    harness.build(source_image="https://www.googleapis.com/compute/v1/projects/images/global/images/golden-3")
    assert _source_of(harness).endswith("projects/images/global/images/golden-3")
    assert harness.ui.texts("warn") == ["the source image is deprecated"]


def _source_of(harness: Harness) -> str:
    (body,) = harness.google.bodies_of("compute.instances.insert")
    return str(body["disks"][0]["initializeParams"]["sourceImage"])


def test_an_old_image_of_the_name_is_deleted_with_force(harness: Harness) -> None:
    old = harness.google.add_image(PROJECT, "web-1", labels={"age": "old"})
    harness.build(harness.context(force=True))
    (image,) = harness.google.of_kind("images")
    assert image is not old


def test_the_key_comes_later(harness: Harness) -> None:
    harness.build(wait_to_add_ssh_keys="100ms", metadata={"ssh-keys": "ann:ssh-rsa AAAA"})
    (first,) = harness.google.bodies_of("compute.instances.insert")
    assert "ssh-ed25519" not in str(first["metadata"])
    (added,) = harness.google.bodies_of("compute.instances.setMetadata")
    keys = {"key": "ssh-keys", "value": "ann:ssh-rsa AAAA\nadmin:ssh-ed25519 AAAA key"}
    assert added["items"] == [keys]


def test_os_login(harness: Harness, golden: Callable[[str, str], None]) -> None:
    context = harness.context()
    harness.build(context, use_os_login=True)
    assert context.data["User"] == "root"
    (body,) = harness.google.bodies_of("compute.instances.insert")
    assert {"key": "enable-oslogin", "value": "TRUE"} in body["metadata"]["items"]
    assert "ssh-keys" not in str(body)
    (key,) = harness.google.bodies_of("oslogin.users.importSshPublicKey")
    assert key["key"].startswith("ssh-ed25519 AAAA vmforge-")
    assert harness.google.left == []


@pytest.mark.parametrize("name", ["web_1", "Web", "web-", "1web", "w" * 64])
def test_names_that_google_does_not_take(harness: Harness, name: str) -> None:
    with pytest.raises(ValueError, match=f"`{name}` cannot be a name in Google Cloud"):
        harness.build(image_name=name)
