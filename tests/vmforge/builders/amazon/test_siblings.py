"""amazon-ebssurrogate, amazon-ebsvolume, and the builders that are known and refused."""

from __future__ import annotations

import pytest

from tests.fakes.aws import FakeAws
from tests.vmforge.builders.amazon.conftest import Forge

SURROGATE = """
  ami_name  = "filled"
  boot_mode = "uefi-preferred"
  launch_block_device_mappings {
    device_name           = "/dev/sda1"
    volume_size           = 8
    delete_on_termination = true
    omit_from_artifact    = true
  }
  launch_block_device_mappings {
    device_name           = "/dev/sdb"
    volume_size           = 10
    delete_on_termination = true
  }
  ami_root_device {
    source_device_name    = "/dev/sdb"
    device_name           = "/dev/xvda"
    delete_on_termination = true
  }
  ami_regions = ["eu-west-1"]
"""
VOLUMES = """
  ebs_volumes {
    device_name          = "/dev/sdb"
    volume_size          = 4
    tags                 = { base = "{{ .SourceAMIName }}" }
    snapshot_volume      = true
    snapshot_tags        = { kind = "data" }
    snapshot_users       = ["111111111111"]
    snapshot_description = "data"
  }
"""


def test_a_volume_becomes_an_image(forge: Forge, aws: FakeAws) -> None:
    finished = forge.build(SURROGATE, type="amazon-ebssurrogate")
    assert finished.status == 0, finished.text
    image = aws.images()["filled"]
    assert [device["DeviceName"] for device in image["BlockDeviceMappings"]] == ["/dev/xvda"]
    (request,) = aws.calls("CreateSnapshots")
    assert request["InstanceSpecification.ExcludeBootVolume"] == "true"
    assert aws.knobs.registered[0]["BootMode"] == "uefi-preferred"
    assert list(aws.images("eu-west-1")) == ["filled"]
    assert aws.left(images=["filled"]) == []
    assert aws.marked() == []


def test_snapshots_of_an_image_that_is_refused_are_deleted(forge: Forge, aws: FakeAws) -> None:
    aws.fail("RegisterImage", "InvalidParameterValue", times=9)
    assert forge.build(SURROGATE, type="amazon-ebssurrogate").status == 1
    assert len(aws.calls("CreateSnapshots")) == 1
    assert aws.left() == []


def test_volumes_stay_when_their_instance_goes(forge: Forge, aws: FakeAws) -> None:
    finished = forge.build(VOLUMES, type="amazon-ebsvolume")
    assert finished.status == 0, finished.text
    kept = {thing.split()[0]: thing.split()[2] for thing in aws.left()}
    assert set(kept) == {"Volumes", "Snapshots"}
    ec2 = aws.client()
    volume = ec2.describe_volumes(VolumeIds=[kept["Volumes"]])["Volumes"][0]
    assert volume["Tags"] == [{"Key": "base", "Value": "base"}]
    snapshot = ec2.describe_snapshots(SnapshotIds=[kept["Snapshots"]])["Snapshots"][0]
    assert (snapshot["Tags"], snapshot["Description"]) == ([{"Key": "kind", "Value": "data"}], "data")
    assert f"us-east-1: {kept['Volumes']}" in finished.text


def test_volumes_of_a_failed_build_go(forge: Forge, aws: FakeAws) -> None:
    assert forge.build(VOLUMES, type="amazon-ebsvolume", inline="exit 1").status == 1
    assert aws.left() == []


@pytest.mark.parametrize(
    ("type", "sentence"), [("amazon-instance", "kept in S3"), ("amazon-chroot", "from within")]
)
def test_what_is_not_supported_is_refused(type: str, sentence: str, forge: Forge, aws: FakeAws) -> None:
    login = "" if type == "amazon-instance" else "copy_files = []"
    finished = forge.build('ami_name = "web"', type=type, login=login)
    assert finished.status == 1
    assert "vmforge makes no images" in finished.text
    assert sentence in finished.text
    assert aws.left() == []
