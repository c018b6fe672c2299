"""Disks of this machine as images in AWS: straight into snapshots, and by way of a bucket."""

from __future__ import annotations

import os
import random
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest
from moto.ebs.models import ebs_backends

from tests.fakes.aws import FakeAws
from tests.vmforge.builders.amazon.conftest import Forge
from vmforge.builders.amazon.importing.config import ImportConfig
from vmforge.builders.amazon.importing.ebs_direct import pieces
from vmforge.builders.amazon.importing.post_processor import AmazonImportPostProcessor, register_request
from vmforge.hypervisor.contents import BLOCK_SIZE, ZERO_BLOCK
from vmforge.sdk import Appliance, FirmwareKind
from vmforge.sdk.testing import configure

MEBIBYTE = 1024**2
BLOCK = 512 * 1024
SIZE = 20 * MEBIBYTE


@pytest.fixture
def disk(forge: Forge) -> dict[int, bytes]:
    """A qcow2 image with some blocks of data, which are returned by their numbers."""
    source = random.Random(1)
    raw = forge.folder / "disk.raw"
    filled = {
        0: 512,
        5 * BLOCK - 100: 200,
        11 * BLOCK: BLOCK,
        SIZE - 4096: 4096,
    }  # the second is in two blocks
    with raw.open("wb") as file:
        file.truncate(SIZE)
        for position, count in filled.items():
            file.seek(position)
            file.write(source.randbytes(count))
    command = ["qemu-img", "convert", "-f", "raw", "-O", "qcow2", str(raw), str(forge.folder / "disk.qcow2")]
    subprocess.run(command, check=True)
    data = raw.read_bytes()
    blocks = {
        n: data[n * BLOCK : (n + 1) * BLOCK].ljust(BLOCK, b"\0") for n in (0, 4, 5, 11, SIZE // BLOCK - 1)
    }
    assert all(any(block) for block in blocks.values())
    return blocks


def template(options: str, file: str = "disk.qcow2") -> str:
    return f"""
source "null" "here" {{ communicator = "none" }}
build {{
  sources = ["null.here"]
  post-processors {{
    post-processor "artifice" {{ files = ["{file}"] }}
    post-processor "amazon-import" {{
      {options}
    }}
  }}
}}
"""


def contents(aws: FakeAws, snapshot: str) -> dict[int, bytes]:
    blocks = ebs_backends[aws.account]["us-east-1"].snapshots[snapshot].blocks
    return {index: block.block_data for index, block in blocks.items()}


def test_a_local_disk_becomes_an_image_without_instance_and_bucket(
    forge: Forge, aws: FakeAws, disk: dict[int, bytes]
) -> None:
    """Only the blocks that hold something are sent, with their checksums, which the fake verifies."""
    forge.write(template('ami_name = "disk"\n tags = { a = "b" }\n ami_users = ["111111111111"]'))
    finished = forge.spawn("build", "main.pkr.hcl").finish()
    assert finished.status == 0, finished.text
    image = aws.images()["disk"]
    snapshot = image["BlockDeviceMappings"][0]["Ebs"]["SnapshotId"]
    assert contents(aws, snapshot) == disk
    assert image["Tags"] == [{"Key": "a", "Value": "b"}]
    (request,) = aws.knobs.registered
    assert (request["BootMode"], request["Architecture"], request["EnaSupport"]) == (
        "legacy-bios",
        "x86_64",
        True,
    )
    assert f"us-east-1: {image['ImageId']}" in finished.text
    assert "2 of 20 MiB were sent" in finished.text
    assert aws.calls("RunInstances") == []
    assert aws.left(images=["disk"]) == []
    assert aws.marked() == []


def test_throttled_and_lost_blocks_are_sent_again(forge: Forge, aws: FakeAws, disk: dict[int, bytes]) -> None:
    aws.fail("PutSnapshotBlock", "RequestThrottledException", status=400, times=4)
    aws.fail("PutSnapshotBlock", lost=True, times=2)
    aws.fail("StartSnapshot", "ThrottlingException", status=400)
    aws.fail("CompleteSnapshot", "InternalServerException", status=500)
    forge.write(template('ami_name = "disk"\n method = "ebs-direct"\n parallel = 2'))
    finished = forge.run("build", "main.pkr.hcl")
    assert finished.status == 0, finished.text
    assert contents(aws, aws.images()["disk"]["BlockDeviceMappings"][0]["Ebs"]["SnapshotId"]) == disk
    assert aws.left(images=["disk"]) == []


@pytest.mark.parametrize(
    "operation", ["StartSnapshot", "PutSnapshotBlock", "CompleteSnapshot", "RegisterImage"]
)
def test_a_failed_import_leaves_nothing(
    operation: str, forge: Forge, aws: FakeAws, disk: dict[int, bytes]
) -> None:
    aws.fail(operation, "AccessDeniedException", status=403, times=99)
    forge.write(template('ami_name = "disk"'))
    finished = forge.run("build", "main.pkr.hcl")
    assert finished.status == 1
    assert "AccessDeniedException" in finished.text
    assert aws.left() == []


def test_a_snapshot_that_fails_is_deleted(forge: Forge, aws: FakeAws, disk: dict[int, bytes]) -> None:
    aws.knobs.snapshots_fail = True
    forge.write(template('ami_name = "disk"'))
    assert "failed" in forge.run("build", "main.pkr.hcl").text
    assert aws.left() == []


def kill_an_import(forge: Forge, aws: FakeAws) -> None:
    reached, go_on = threading.Event(), threading.Event()

    def halt() -> None:
        reached.set()
        go_on.wait(30)

    aws.fail("PutSnapshotBlock", hook=halt)
    forge.write(template('ami_name = "disk"'))
    running = forge.spawn("build", "main.pkr.hcl")
    assert reached.wait(60)
    running.kill()
    running.finish()
    go_on.set()
    assert [thing.split()[0] for thing in aws.left()] == ["Snapshots"]


def test_the_next_import_deletes_what_a_killed_one_left(
    forge: Forge, aws: FakeAws, disk: dict[int, bytes]
) -> None:
    kill_an_import(forge, aws)
    finished = forge.run("build", "main.pkr.hcl")
    assert "deleting what a killed build left: snapshot" in finished.text
    assert finished.status == 0, finished.text
    assert aws.left(images=["disk"]) == []


def test_cleanup_deletes_what_a_killed_import_left(
    forge: Forge, aws: FakeAws, disk: dict[int, bytes]
) -> None:
    """The builder knows nothing of AWS: the post-processor is asked."""
    kill_an_import(forge, aws)
    finished = forge.run("cleanup", "--cloud", "--yes", "main.pkr.hcl")
    assert "deleted the snapshot" in finished.text
    assert finished.status == 0, finished.text
    assert aws.left() == []


def test_a_file_goes_by_way_of_a_bucket(forge: Forge, aws: FakeAws, disk: dict[int, bytes]) -> None:
    """AWS names an imported image itself: a copy has the name that is wanted."""
    aws.client("s3").create_bucket(Bucket="images")
    options = """
      ami_name        = "disk"
      ami_description = "a disk"
      s3_bucket_name  = "images"
      s3_encryption   = "AES256"
      format          = "raw"
      role_name       = "import"
      license_type    = "BYOL"
      platform        = "Linux"
      architecture    = "x86_64"
      boot_mode       = "uefi"
      ami_encrypt     = true
      ami_kms_key     = "alias/x"
      tags            = { a = "b" }
    """
    forge.write(template(options, "disk.raw"))
    finished = forge.run("build", "main.pkr.hcl")
    assert finished.status == 0, finished.text
    (task,) = aws.knobs.imports.values()
    params = task["params"]
    assert {
        name: params[name] for name in ("RoleName", "LicenseType", "Platform", "BootMode", "KmsKeyId")
    } == {
        "RoleName": "import",
        "LicenseType": "BYOL",
        "Platform": "Linux",
        "BootMode": "uefi",
        "KmsKeyId": "alias/x",
    }
    assert list(aws.images()) == ["disk"]
    assert aws.left(images=["disk"]) == []  # neither the object nor AWS's own image


def test_a_snapshot_goes_by_way_of_a_bucket(forge: Forge, aws: FakeAws, disk: dict[int, bytes]) -> None:
    aws.client("s3").create_bucket(Bucket="images")
    options = """
      ami_name          = "disk"
      method            = "import-snapshot"
      s3_bucket_name    = "images"
      s3_key_name       = "mine"
      s3_encryption     = "aws:kms"
      s3_encryption_key = "alias/y"
      skip_clean        = true
      format            = "raw"
      root_device_name  = "/dev/sda1"
      volume_type       = "gp2"
      ena_support       = false
      sriov_support     = true
      imds_support      = "v2.0"
    """
    forge.write(template(options, "disk.raw"))
    finished = forge.run("build", "main.pkr.hcl")
    assert finished.status == 0, finished.text
    device = aws.images()["disk"]["BlockDeviceMappings"][0]
    assert (device["DeviceName"], device["Ebs"]["VolumeType"]) == ("/dev/sda1", "gp2")
    assert aws.left(images=["disk"]) == ["object images/mine"]
    assert aws.marked() == []


@pytest.mark.parametrize("method", ["import-image", "import-snapshot"])
def test_an_import_that_aws_gives_up_leaves_nothing(
    method: str, forge: Forge, aws: FakeAws, disk: dict[int, bytes]
) -> None:
    aws.client("s3").create_bucket(Bucket="images")
    aws.knobs.imports_fail = True
    options = f'ami_name = "disk"\n s3_bucket_name = "images"\n format = "raw"\n method = "{method}"'
    forge.write(template(options, "disk.raw"))
    finished = forge.run("build", "main.pkr.hcl")
    assert finished.status == 1
    assert "the import failed: injected" in finished.text
    assert [task["cancelled"] for task in aws.knobs.imports.values()] == [True]
    assert aws.left() == []


def test_a_file_that_import_does_not_read_is_named(forge: Forge, disk: dict[int, bytes]) -> None:
    forge.write(template('ami_name = "disk"\n s3_bucket_name = "images"\n format = "vmdk"'))
    finished = forge.run("build", "main.pkr.hcl")
    assert "the artifact has no `.vmdk` file to import, but `disk.qcow2`" in finished.text
    assert "leave `s3_bucket_name` out" in finished.text


@pytest.mark.parametrize("size", [512, BLOCK, BLOCK_SIZE, 4 * BLOCK_SIZE])
def test_pieces_of_any_size_are_the_disk(size: int) -> None:
    """AWS says how large a block is."""
    source = random.Random(2)
    blocks = [ZERO_BLOCK, source.randbytes(BLOCK_SIZE), ZERO_BLOCK, bytes(BLOCK_SIZE), source.randbytes(1000)]
    whole = b"".join(blocks)
    rebuilt = bytearray(-(-len(whole) // size) * size)
    for index, piece in pieces(blocks, size):
        assert len(piece) == size
        assert any(piece)
        rebuilt[index * size : (index + 1) * size] = piece
    assert bytes(rebuilt[: len(whole)]) == whole
    assert not any(rebuilt[len(whole) :])


def test_a_machine_with_two_disks_and_uefi() -> None:
    config = ImportConfig(ami_name="x", tpm_support="v2.0", uefi_data="QU1a")
    machine = Appliance(
        name="x", disks=(Path("a"), Path("b")), architecture="aarch64", firmware=FirmwareKind.UEFI
    )
    request = register_request(config, machine, ["snap-a", "snap-b"])
    assert request["Architecture"] == "arm64"
    assert "BootMode" not in request  # it has no other
    assert [device["DeviceName"] for device in request["BlockDeviceMappings"]] == ["/dev/xvda", "/dev/xvdb"]
    assert (request["TpmSupport"], request["UefiData"]) == ("v2.0", "QU1a")


@pytest.mark.parametrize(
    ("options", "summary"),
    [
        ({}, "`ami_name` is missing"),
        ({"ami_name": "web", "method": "import-image"}, "`s3_bucket_name` is missing"),
        ({"ami_name": "web", "method": "import-snapshot", "s3_bucket_name": "x"}, "not a whole machine"),
        ({"ami_name": "web", "s3_encryption": "rot13"}, "`AES256` or `aws:kms`"),
        ({"ami_name": "web", "ami_kms_key": "x"}, "without `ami_encrypt`"),
        ({"ami_name": "web", "parallel": 0}, "1 to 64"),
        ({"ami_name": "web", "license_type": "BYOL"}, "means nothing with `ebs-direct`"),
        (
            {
                "ami_name": "web",
                "ami_groups": ["all"],
                "ami_org_arns": ["a"],
                "ami_ou_arns": ["b"],
                "region": "x",
            },
            "`x`",
        ),
    ],
)
def test_what_cannot_work_is_told(options: dict[str, Any], summary: str) -> None:
    with pytest.raises(ValueError, match=r".") as raised:
        configure(AmazonImportPostProcessor, options)
    assert summary in str(raised.value)


def test_no_library_is_loaded_to_validate(forge: Forge) -> None:
    """Nor the package `boto3`, for a template that has AWS in it."""
    forge.write(
        forge.template('ami_name = "web"', more='post-processor "amazon-import" { ami_name = "imported" }')
    )
    script = (
        "import sys; from vmforge.cli.app import run; status = run(['validate', 'main.pkr.hcl']); "
        "print(sorted({'boto3', 'botocore'} & set(sys.modules)), status)"
    )
    import sys

    root = str(Path(__file__).resolve().parents[4])
    ran = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": root},
    )
    assert ran.stdout.splitlines()[-1] == "[] 0"
