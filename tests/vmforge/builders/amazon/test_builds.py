"""Whole builds with amazon-ebs: moto for the API, a real sshd behind each instance."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.fakes.aws import FakeAws, plugin_folder
from tests.vmforge.builders.amazon.conftest import Forge


def test_an_image_is_made_in_two_regions_and_nothing_else_is_left(forge: Forge, aws: FakeAws) -> None:
    """In a process of its own, as users run it."""
    forge.write(
        forge.template(
            """
  ami_name        = "web"
  ami_description = "made of {{ .SourceAMIName }}"
  ami_regions     = ["eu-west-1", "ap-southeast-2"]
  run_tags        = { team = "images" }
  run_volume_tags = { volume = "{{ .BuildRegion }}" }
  tags            = { base = "{{ .SourceAMI }}", owner = "{{ .SourceAMIOwner }}" }
  snapshot_tags   = { kind = "root" }
""",
            inline="echo ${build.ID} of ${build.SourceAMIName} > $HOME/it",
        )
    )
    finished = forge.spawn("build", "main.pkr.hcl").finish()
    assert finished.status == 0, finished.text
    here, there = aws.images()["web"], aws.images("eu-west-1")["web"]
    assert f"eu-west-1: {there['ImageId']}" in finished.text
    assert here["Description"] == "made of base"
    tags = {tag["Key"]: tag["Value"] for tag in here["Tags"]}
    assert tags == {"base": aws.base, "owner": aws.account, "team": "images"}
    snapshot = there["BlockDeviceMappings"][0]["Ebs"]["SnapshotId"]
    found = aws.client(region="eu-west-1").describe_snapshots(SnapshotIds=[snapshot])["Snapshots"][0]
    assert {tag["Key"]: tag["Value"] for tag in found["Tags"]} == {**tags, "kind": "root"}
    (instance,) = set(re.findall(r"i-[0-9a-f]{17}", (_home(aws) / "it").read_text()))
    assert (_home(aws) / "it").read_text() == f"{instance} of base\n"
    assert aws.left(images=["web"]) == []
    assert aws.marked() == []


def _home(aws: FakeAws) -> Path:
    (folder,) = aws.guests.folder.iterdir()
    return folder / "home"


def test_copies_are_asked_for_before_any_is_waited_for(forge: Forge, aws: FakeAws) -> None:
    aws.knobs.looks = 3
    assert forge.build('ami_name = "web"\n  ami_regions = ["eu-west-1", "ap-southeast-2"]').status == 0
    names = [name for name, _ in aws.requests]
    last_copy = len(names) - names[::-1].index("CopyImage")
    assert "DescribeImages" in names[last_copy:]
    assert names.count("CopyImage") == 2
    first_copy = names.index("CopyImage")
    assert "DescribeImages" not in names[first_copy : last_copy - 1]


def test_an_encrypted_image_is_a_copy_and_the_original_goes(forge: Forge, aws: FakeAws) -> None:
    options = """
  ami_name           = "web"
  encrypt_boot       = true
  kms_key_id         = "alias/images"
  ami_regions        = ["eu-west-1"]
  region_kms_key_ids = { eu-west-1 = "alias/there" }
"""
    assert forge.build(options).status == 0
    here, there = (aws.images(region)["web"] for region in ("us-east-1", "eu-west-1"))
    assert here["BlockDeviceMappings"][0]["Ebs"]["Encrypted"]
    assert there["BlockDeviceMappings"][0]["Ebs"]["Encrypted"]
    assert [call["KmsKeyId"] for call in aws.calls("CopyImage")] == ["alias/images", "alias/there"]
    assert list(aws.images()) == ["web"]
    assert aws.left(images=["web"]) == []


def test_an_image_may_stay_in_other_regions_only(forge: Forge, aws: FakeAws) -> None:
    finished = forge.build('ami_name = "web"\n skip_save_build_region = true\n ami_regions = ["eu-west-1"]')
    assert finished.status == 0
    assert aws.images() == {}
    assert list(aws.images("eu-west-1")) == ["web"]
    assert aws.left(images=["web"]) == []


def test_a_name_that_is_taken_is_refused_before_anything_is_made(forge: Forge, aws: FakeAws) -> None:
    aws.make_image("web", 2024)
    before = aws.left()
    finished = forge.build('ami_name = "web"')
    assert finished.status == 1
    assert "there is an image `web` in us-east-1 already" in finished.text
    assert "force_deregister" in finished.text
    assert aws.calls("RunInstances") == []
    assert aws.left() == before


def test_an_old_image_makes_room(forge: Forge, aws: FakeAws) -> None:
    assert forge.build('ami_name = "web"').status == 0
    old = aws.images()["web"]["ImageId"]
    options = 'ami_name = "web"\n force_deregister = true\n force_delete_snapshot = true'
    assert forge.build(options).status == 0
    assert aws.images()["web"]["ImageId"] != old
    assert aws.left(images=["web"]) == []


def test_the_newest_of_several_source_images_is_taken(forge: Forge, aws: FakeAws) -> None:
    aws.make_image("linux-1", 2022)
    newest = aws.make_image("linux-3", 2025)
    aws.make_image("linux-2", 2023)
    found_by = 'filters = { name = "linux-*", architecture = "x86_64" }\n owners = ["self"]'
    options = f'ami_name = "web"\n source_ami_filter {{\n {found_by}\n %s\n }}'
    assert "fits 3 images" in forge.build(options % "").text
    assert forge.build(options % "most_recent = true").status == 0
    assert aws.calls("RunInstances")[0]["ImageId"] == newest


def test_no_image_is_made_when_none_is_wanted(forge: Forge, aws: FakeAws) -> None:
    assert forge.build('ami_name = "web"\n skip_create_ami = true').status == 0
    assert aws.calls("CreateImage") == []
    assert aws.left() == []


def test_what_users_get_of_an_image_is_set(forge: Forge, aws: FakeAws) -> None:
    options = """
  ami_name          = "web"
  ami_users         = ["111111111111"]
  ami_groups        = ["all"]
  ami_org_arns      = ["arn:aws:organizations::1:organization/o-1"]
  ami_ou_arns       = ["arn:aws:organizations::1:ou/o-1/ou-1"]
  ami_product_codes = ["code"]
  snapshot_users    = ["111111111111"]
  snapshot_groups   = ["all"]
  imds_support      = "v2.0"
  ena_support       = true
  sriov_support     = true
  deprecate_at      = "2035-01-31T12:00:00Z"
  deregistration_protection { enabled = true }
  fast_launch {
    enable_fast_launch    = true
    max_parallel_launches = 8
    target_resource_count = 3
    template_name         = "quick"
  }
"""
    assert forge.build(options).status == 0
    asked = aws.calls("ModifyImageAttribute")
    told = {key: value for call in asked for key, value in call.items() if key != "ImageId"}
    assert told == {
        "LaunchPermission.Add.1.UserId": "111111111111",
        "LaunchPermission.Add.2.Group": "all",
        "LaunchPermission.Add.3.OrganizationArn": "arn:aws:organizations::1:organization/o-1",
        "LaunchPermission.Add.4.OrganizationalUnitArn": "arn:aws:organizations::1:ou/o-1/ou-1",
        "Attribute": "productCodes",
        "ProductCode.1": "code",
        "ImdsSupport.Value": "v2.0",
    }
    (shared,) = aws.calls("ModifySnapshotAttribute")
    assert shared["CreateVolumePermission.Add.1.UserId"] == "111111111111"
    assert shared["CreateVolumePermission.Add.2.Group"] == "all"
    assert {key for call in aws.calls("ModifyInstanceAttribute") for key in call} == {
        "InstanceId",
        "SriovNetSupport.Value",
        "EnaSupport.Value",
    }
    assert aws.calls("EnableImageDeprecation")[0]["DeprecateAt"].startswith("2035-01-31T12:00:00")
    assert len(aws.calls("EnableImageDeregistrationProtection")) == 1
    (fast,) = aws.calls("EnableFastLaunch")
    assert fast["LaunchTemplate.LaunchTemplateName"] == "quick"
    assert (fast["MaxParallelLaunches"], fast["SnapshotConfiguration.TargetResourceCount"]) == ("8", "3")


def test_an_image_that_says_how_to_boot_is_registered(forge: Forge, aws: FakeAws) -> None:
    options = """
  ami_name    = "web"
  boot_mode   = "uefi"
  tpm_support = "v2.0"
  uefi_data   = "QU1aTlVFRkk="
  launch_block_device_mappings {
    device_name           = "/dev/sda1"
    volume_size           = 8
    delete_on_termination = true
  }
"""
    assert forge.build(options).status == 0
    (registered,) = aws.knobs.registered
    assert registered["BootMode"] == "uefi"
    assert registered["TpmSupport"] == "v2.0"
    assert registered["UefiData"] == "QU1aTlVFRkk="
    assert registered["BlockDeviceMappings"][0]["DeviceName"] == "/dev/sda1"
    assert aws.calls("CreateImage") == []
    assert aws.left(images=["web"]) == []
    assert aws.marked() == []


def test_disks_and_networks_go_with_the_instance(forge: Forge, aws: FakeAws) -> None:
    """Also volumes that AWS would keep."""
    options = """
  ami_name                    = "web"
  associate_public_ip_address = true
  launch_block_device_mappings {
    device_name = "/dev/sdb"
    volume_size = 4
  }
"""
    assert forge.build(options).status == 0
    assert aws.calls("RunInstances")[0]["NetworkInterface.1.AssociatePublicIpAddress"] == "true"
    assert aws.left(images=["web"]) == []


def test_several_kinds_of_spot_instances_are_a_fleet(forge: Forge, aws: FakeAws) -> None:
    options = """
  ami_name                 = "web"
  spot_price               = "0.05"
  spot_instance_types      = ["t3.micro", "t3a.micro"]
  spot_allocation_strategy = "price-capacity-optimized"
"""
    finished = forge.build(options)
    assert finished.status == 0, finished.text
    (fleet,) = aws.calls("CreateFleet")
    assert fleet["SpotOptions.AllocationStrategy"] == "price-capacity-optimized"
    assert fleet["LaunchTemplateConfigs.1.Overrides.2.InstanceType"] == "t3a.micro"
    assert fleet["LaunchTemplateConfigs.1.Overrides.1.MaxPrice"] == "0.05"
    assert aws.calls("StopInstances") == []  # a spot instance cannot be
    assert aws.left(images=["web"]) == []


def test_one_kind_of_spot_instance_is_asked_for_at_once(forge: Forge, aws: FakeAws) -> None:
    assert forge.build('ami_name = "web"\n spot_price = "auto"').status == 0
    (request,) = aws.calls("RunInstances")
    assert request["InstanceMarketOptions.MarketType"] == "spot"
    assert "InstanceMarketOptions.SpotOptions.MaxPrice" not in request
    assert aws.left(images=["web"]) == []


def test_an_instance_may_get_a_profile_of_its_own(forge: Forge, aws: FakeAws) -> None:
    options = """
  ami_name = "web"
  temporary_iam_instance_profile_policy_document {
    Version = "2012-10-17"
    Statement {
      Effect   = "Allow"
      Action   = ["s3:GetObject"]
      Resource = ["*"]
    }
  }
"""
    # it is not known everywhere at once
    aws.fail("RunInstances", "InvalidParameterValue: Invalid IAM Instance Profile name", times=2)
    finished = forge.build(options)
    assert finished.status == 0, finished.text
    (policy,) = aws.calls("PutRolePolicy")
    assert '"Action": ["s3:GetObject"]' in policy["PolicyDocument"]
    assert aws.calls("RunInstances")[-1]["IamInstanceProfile.Name"] == policy["RoleName"]
    assert aws.left(images=["web"]) == []


def test_the_connection_may_go_through_session_manager(
    forge: Forge, aws: FakeAws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import os

    options = 'ami_name = "web"\n ssh_interface = "session_manager"'
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    assert "`session-manager-plugin` is not installed" in forge.build(options).text
    assert aws.left() == []
    monkeypatch.undo()
    for name, value in forge.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(forge.folder)
    monkeypatch.setenv("PATH", f"{plugin_folder(tmp_path / 'bin')}:{os.environ['PATH']}")
    aws.fail("StartSession", "TargetNotConnected")  # until the agent has reported
    finished = forge.build(options)
    assert finished.status == 0, finished.text
    assert aws.calls("AuthorizeSecurityGroupIngress")[1:] == []
    assert len(aws.calls("TerminateSession")) == 1
    assert aws.left(images=["web"]) == []


def test_a_key_pair_of_the_account_is_used(forge: Forge, aws: FakeAws, tmp_path: Path) -> None:
    pair = aws.client().create_key_pair(KeyName="mine", KeyType="ed25519")
    key = tmp_path / "mine.pem"
    key.write_text(pair["KeyMaterial"])
    options = f'ami_name = "web"\n ssh_keypair_name = "mine"\n ssh_private_key_file = "{key}"'
    finished = forge.build(options)
    assert finished.status == 0, finished.text
    assert aws.calls("RunInstances")[0]["KeyName"] == "mine"
    assert aws.calls("ImportKeyPair") == []
    assert [thing for thing in aws.left(images=["web"]) if "KeyPairs" not in thing] == []


def test_a_key_of_the_users_own_is_not_sent_to_the_instance(
    forge: Forge, aws: FakeAws, tmp_path: Path
) -> None:
    """It would stay in the image; it is in the source image."""
    from vmforge.communicators import keys

    pair = keys.generate(keys.KeyType.ED25519, 0, "mine")
    pair.write_private(tmp_path / "key")

    def let_in() -> None:
        (server,) = aws.guests.servers.values()
        server.authorized_keys.write_text(pair.public + "\n")

    aws.fail("DescribeInstances", hook=let_in)
    finished = forge.build(f'ami_name = "web"\n ssh_private_key_file = "{tmp_path / "key"}"')
    assert finished.status == 0, finished.text
    assert aws.calls("ImportKeyPair") == []
    assert "KeyName" not in aws.calls("RunInstances")[0]


def test_a_local_build_and_one_in_the_cloud_run_side_by_side(forge: Forge, aws: FakeAws) -> None:
    forge.write(
        forge.source('ami_name = "web"')
        + """
source "null" "here" { communicator = "none" }
build {
  sources = ["amazon-ebs.web", "null.here"]
  provisioner "shell-local" { inline = ["echo ${source.name}"] }
  post-processor "manifest" {}
}
"""
    )
    finished = forge.run("build", "main.pkr.hcl")
    assert finished.status == 0, finished.text
    assert (
        f"us-east-1:{aws.images()['web']['ImageId']}" in (forge.folder / "packer-manifest.json").read_text()
    )
    assert aws.left(images=["web"]) == []
