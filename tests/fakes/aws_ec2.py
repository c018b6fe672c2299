"""What moto's EC2 and EBS lack, or do otherwise than AWS: guests behind instances, states that take time,
unique names of images, tags of snapshots, encrypted copies, imports, and some calls that it has not."""

from __future__ import annotations

import base64
import hashlib
import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from moto.core import DEFAULT_ACCOUNT_ID
from moto.core.responses import ActionResult
from moto.ebs.models import EBSBackend
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models import ec2_backends
from moto.ec2.models.amis import Ami, AmiBackend
from moto.ec2.models.instances import Instance, InstanceBackend
from moto.ec2.responses import EC2Response
from moto.ec2.responses.amis import AmisResponse
from moto.ec2.utils import convert_tag_spec, random_ami_id
from moto.ssm.responses import SimpleSystemManagerResponse

if TYPE_CHECKING:
    from tests.fakes.aws import Guests

BLOCK_SIZE = 512 * 1024  # what AWS answers


@dataclass
class Knobs:
    """What a test may turn. `looks` are how often something is asked after until it is done."""

    looks: int = 1
    images_fail: bool = False
    snapshots_fail: bool = False
    imports_fail: bool = False
    windows_password: str = ""
    tokens: dict[str, Any] = field(default_factory=dict)
    imports: dict[str, dict[str, Any]] = field(default_factory=dict)
    registered: list[dict[str, Any]] = field(default_factory=list)
    numbers: Any = field(default_factory=itertools.count)


def install(patch: pytest.MonkeyPatch, guests: Guests) -> Knobs:
    """Patch moto until `patch` is undone."""
    knobs = Knobs()
    _instances(patch, guests, knobs)
    _images(patch, knobs)
    _snapshots(patch, knobs)
    _imports(patch, knobs)
    _sessions(patch, guests, knobs)
    return knobs


def make_image(name: str, created: datetime, **changes: Any) -> str:
    backend = ec2_backends[DEFAULT_ACCOUNT_ID]["us-east-1"]
    values: dict[str, Any] = {
        "name": name,
        "architecture": "x86_64",
        "virtualization_type": "hvm",
        "root_device_type": "ebs",
        "creation_date": created,
    }
    image = Ami(backend, random_ami_id(), **(values | changes))
    backend.amis[image.id] = image
    return str(image.id)


def _refuse(code: str, text: str) -> EC2ClientError:
    return EC2ClientError(code, text)


def _instances(patch: pytest.MonkeyPatch, guests: Guests, knobs: Knobs) -> None:
    begin, terminate, stop, start = Instance.__init__, Instance.terminate, Instance.stop, Instance.start
    run = InstanceBackend.run_instances

    def key_of(instance: Instance) -> str:
        pair = instance.ec2_backend.key_pairs.get(instance.key_name)
        return str(pair.public_key) if pair else ""

    def __init__(self: Instance, *arguments: Any, **more: Any) -> None:
        begin(self, *arguments, **more)
        self.address = guests.start(self.id, key_of(self))

    def ended(self: Instance) -> Any:
        guests.stop(self.id)
        for interface in self.nics.values():  # as AWS has it, unless told otherwise
            interface.delete_on_termination = True
        return terminate(self)

    def stopped(self: Instance) -> Any:
        guests.stop(self.id)
        return stop(self)

    def run_instances(self: Any, *arguments: Any, **more: Any) -> Any:
        token = more.get("client_token")
        if token not in knobs.tokens:  # the same token starts no second instance
            knobs.tokens[token] = run(self, *arguments, **more)
        return knobs.tokens[token]

    def get_password_data(self: Any, instance_id: str) -> str:
        instance = self.get_instance(instance_id)
        if not knobs.windows_password:
            return ""
        key = serialization.load_ssh_public_key(key_of(instance).encode())
        assert isinstance(key, rsa.RSAPublicKey)
        return base64.b64encode(key.encrypt(knobs.windows_password.encode(), padding.PKCS1v15())).decode()

    patch.setattr(Instance, "__init__", __init__)
    patch.setattr(Instance, "terminate", ended)
    patch.setattr(Instance, "stop", stopped)
    patch.setattr(Instance, "start", start)
    patch.setattr(Instance, "public_ip_address", property(lambda self: self.address))
    patch.setattr(InstanceBackend, "run_instances", run_instances)
    patch.setattr("moto.ec2.models.EC2Backend.get_password_data", get_password_data)


def _images(patch: pytest.MonkeyPatch, knobs: Knobs) -> None:
    describe, create, copy = AmiBackend.describe_images, AmisResponse.create_image, AmisResponse.copy_image
    register, deregister = AmisResponse.register_image, AmiBackend.deregister_image

    def begin(response: Any, result: ActionResult) -> ActionResult:
        """What all ways to make an image have in common."""
        image = response.ec2_backend.amis[result.result["ImageId"]]
        tags = convert_tag_spec(response._get_param("TagSpecifications", []))
        image.add_tags(tags.get("image", {}))
        image.ebs_snapshot.add_tags(tags.get("snapshot", {}))
        image.state, image.looks = "pending", knobs.looks
        return result

    def refuse_taken_name(response: Any) -> None:
        name = response._get_param("Name")
        if any(one.name == name for one in response.ec2_backend.amis.values()):
            raise _refuse("InvalidAMIName.Duplicate", f"AMI name {name} is already in use")

    def create_image(self: Any) -> ActionResult:
        refuse_taken_name(self)
        specifications = self._get_param("TagSpecifications", [])
        self.params["TagSpecifications"] = [one for one in specifications if one["ResourceType"] == "image"]
        result = create(self)
        self.params["TagSpecifications"] = specifications
        return begin(self, result)

    def copy_image(self: Any) -> ActionResult:
        refuse_taken_name(self)
        result = begin(self, copy(self))
        image = self.ec2_backend.amis[result.result["ImageId"]]
        image.ebs_snapshot.encrypted = self._get_param("Encrypted", False) in (True, "true")
        image.ebs_snapshot.kms_key_id = self._get_param("KmsKeyId")
        return result

    def register_image(self: Any) -> ActionResult:
        refuse_taken_name(self)
        result = begin(self, register(self))
        image = self.ec2_backend.amis[result.result["ImageId"]]
        knobs.registered.append(dict(self.params))
        image.ebs_snapshot.from_ami = None  # moto's own, of no use here
        self.ec2_backend.delete_snapshot(image.ebs_snapshot.id)
        image.root_device_name = self._get_param("RootDeviceName")
        image.architecture = self._get_param("Architecture")
        image.devices = [one for one in self._get_param("BlockDeviceMappings", []) if "Ebs" in one]
        for device in image.devices:
            if device["Ebs"].get("SnapshotId") not in self.ec2_backend.snapshots:
                raise _refuse("InvalidSnapshot.NotFound", "there is no such snapshot")
        return result

    def describe_images(self: Any, *arguments: Any, **more: Any) -> Any:
        found = describe(self, *arguments, **more)
        for image in found:
            if image.state == "pending":
                image.looks -= 1
                if image.looks < 0:
                    image.state = "failed" if knobs.images_fail else "available"
        return found

    def deregister_image(self: Any, ami_id: str) -> None:
        if getattr(self.amis.get(ami_id), "deregistration_protection", "disabled") != "disabled":
            raise _refuse("OperationNotPermitted", "the image is protected from being deregistered")
        deregister(self, ami_id)

    def devices(image: Ami) -> list[dict[str, Any]]:
        listed = getattr(image, "devices", None)
        if listed is not None:
            return list(listed)
        snapshot = image.ebs_snapshot
        ebs = {
            "SnapshotId": snapshot.id,
            "VolumeSize": 15,
            "DeleteOnTermination": True,
            "Encrypted": snapshot.encrypted,
        }
        return [{"DeviceName": image.root_device_name, "Ebs": ebs}]

    def enable_image_deprecation(self: Any) -> ActionResult:
        self.ec2_backend.amis[self._get_param("ImageId")].deprecation_time = self._get_param("DeprecateAt")
        return ActionResult({"Return": True})

    def protect(state: str) -> Any:
        def change(self: Any) -> ActionResult:
            self.ec2_backend.amis[self._get_param("ImageId")].deregistration_protection = state
            return ActionResult({"Return": state})

        return change

    def enable_fast_launch(self: Any) -> ActionResult:
        return ActionResult({"ImageId": self._get_param("ImageId"), "State": "enabling"})

    for name, method in (
        ("create_image", create_image),
        ("copy_image", copy_image),
        ("register_image", register_image),
        ("enable_image_deprecation", enable_image_deprecation),
        ("enable_image_deregistration_protection", protect("enabled-without-cooldown")),
        ("disable_image_deregistration_protection", protect("disabled")),
        ("enable_fast_launch", enable_fast_launch),
    ):
        patch.setattr(AmisResponse, name, method, raising=False)
    patch.setattr(AmiBackend, "describe_images", describe_images)
    patch.setattr(AmiBackend, "deregister_image", deregister_image)
    patch.setattr(Ami, "block_device_mappings", property(devices))


def _snapshots(patch: pytest.MonkeyPatch, knobs: Knobs) -> None:
    start, put = EBSBackend.start_snapshot, EBSBackend.put_snapshot_block

    def start_snapshot(self: Any, *arguments: Any, **more: Any) -> Any:
        made = start(self, *arguments, **more)
        made.block_size = BLOCK_SIZE
        snapshot = self.ec2_backend.snapshots[made.snapshot_id]
        snapshot.status = "pending"
        self.ec2_backend.delete_volume(snapshot.volume.id)  # moto's own, which AWS does not make
        return made

    def put_snapshot_block(
        self: Any,
        snapshot_id: str,
        block_index: int,
        block_data: Any,
        checksum: str | None,
        checksum_algorithm: str | None,
        data_length: int | None,
    ) -> Any:
        data = block_data if isinstance(block_data, bytes) else block_data.read()
        if len(data) != BLOCK_SIZE or data_length != BLOCK_SIZE:
            raise _refuse("ValidationException", f"a block has {BLOCK_SIZE} bytes")
        if checksum != base64.b64encode(hashlib.sha256(data).digest()).decode():
            raise _refuse("ValidationException", "the checksum is wrong")
        return put(self, snapshot_id, int(block_index), data, checksum, checksum_algorithm, data_length)

    def complete_snapshot(self: Any, snapshot_id: str) -> str:
        snapshot = self.ec2_backend.snapshots[snapshot_id]
        snapshot.status = "error" if knobs.snapshots_fail else "completed"
        self.snapshots[snapshot_id].status = "completed"
        return "completed"

    patch.setattr(EBSBackend, "start_snapshot", start_snapshot)
    patch.setattr(EBSBackend, "put_snapshot_block", put_snapshot_block)
    patch.setattr(EBSBackend, "complete_snapshot", complete_snapshot)


def _imports(patch: pytest.MonkeyPatch, knobs: Knobs) -> None:
    """Imports read the object's size, and none of its contents."""

    def begin(response: Any, kind: str, disk: Mapping[str, Any]) -> dict[str, Any]:
        from moto.s3.models import s3_backends

        bucket = disk.get("UserBucket") or {}
        backend = s3_backends[response.current_account]["aws"]
        if backend.get_object(bucket["S3Bucket"], bucket["S3Key"]) is None:
            raise _refuse("InvalidParameter", "there is no such object")
        id = f"import-{kind}-{next(knobs.numbers):017x}"
        tags = convert_tag_spec(response._get_param("TagSpecifications", []))
        task = {"id": id, "looks": knobs.looks, "params": dict(response.params), "tags": tags}
        knobs.imports[id] = task
        return task

    def progress(response: Any, id: str) -> str:
        task = knobs.imports[id]
        task["looks"] -= 1
        if task["looks"] >= 0:
            return "active"
        if knobs.imports_fail:
            return "deleted"
        if "done" not in task:
            task["done"] = _imported(response.ec2_backend, task, id.startswith("import-ami"))
        return "completed"

    def import_snapshot(self: Any) -> ActionResult:
        task = begin(self, "snap", self._get_param("DiskContainer"))
        return ActionResult({"ImportTaskId": task["id"], "SnapshotTaskDetail": {"Status": "active"}})

    def describe_import_snapshot_tasks(self: Any) -> ActionResult:
        (id,) = self._get_param("ImportTaskIds")
        status = progress(self, id)
        detail = {"Status": status, "StatusMessage": "injected" if status == "deleted" else "at work"}
        detail |= {"SnapshotId": knobs.imports[id]["done"]} if status == "completed" else {}
        return ActionResult({"ImportSnapshotTasks": [{"ImportTaskId": id, "SnapshotTaskDetail": detail}]})

    def import_image(self: Any) -> ActionResult:
        task = begin(self, "ami", self._get_param("DiskContainers")[0])
        return ActionResult({"ImportTaskId": task["id"], "Status": "active"})

    def describe_import_image_tasks(self: Any) -> ActionResult:
        (id,) = self._get_param("ImportTaskIds")
        status = progress(self, id)
        task = {
            "ImportTaskId": id,
            "Status": status,
            "StatusMessage": "injected" if status == "deleted" else "",
        }
        task |= {"ImageId": knobs.imports[id]["done"]} if status == "completed" else {}
        return ActionResult({"ImportImageTasks": [task]})

    def cancel_import_task(self: Any) -> ActionResult:
        knobs.imports[self._get_param("ImportTaskId")]["cancelled"] = True
        return ActionResult({"ImportTaskId": self._get_param("ImportTaskId"), "State": "cancelled"})

    methods = (import_snapshot, describe_import_snapshot_tasks, import_image, describe_import_image_tasks)
    for method in (*methods, cancel_import_task):
        patch.setattr(EC2Response, method.__name__, method, raising=False)


def _imported(backend: Any, task: Mapping[str, Any], as_image: bool) -> str:
    if as_image:
        image = backend.register_image(task["id"], "an import")
        image.ebs_snapshot.description = f"Created by AWS-VMImport service for {task['id']}"
        return str(image.id)
    volume = backend.create_volume(size=1, zone_name=f"{backend.region_name}a")
    snapshot = backend.create_snapshot(volume.id, "an import")
    backend.delete_volume(volume.id)
    snapshot.add_tags(task["tags"].get("import-snapshot-task", {}))
    return str(snapshot.id)


def _sessions(patch: pytest.MonkeyPatch, guests: Guests, knobs: Knobs) -> None:
    def start_session(self: Any) -> ActionResult:
        server = guests.servers[self._get_param("Target")]
        id = f"session-{next(knobs.numbers)}"
        return ActionResult(
            {"SessionId": id, "TokenValue": "token", "StreamUrl": f"wss://{server.address}/{id}"}
        )

    def terminate_session(self: Any) -> ActionResult:
        return ActionResult({"SessionId": self._get_param("SessionId")})

    for method in (start_session, terminate_session):
        patch.setattr(SimpleSystemManagerResponse, method.__name__, method, raising=False)


__all__ = ["Knobs", "install", "make_image"]
