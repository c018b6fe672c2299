"""AWS for tests: moto in this process, with what it lacks (aws_ec2.py), failures on demand, and instances
whose guest is a real sshd on a loopback address of its own, all on one port.

What it does not cover is listed in docs/amazon.md.
"""

from __future__ import annotations

import json
import re
import socket
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import boto3
import pytest
from moto.backends import get_backend
from moto.core import DEFAULT_ACCOUNT_ID
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server

from tests.fakes import aws_ec2
from tests.fakes.openssh import OpenSsh, free_port

REGIONS = ("us-east-1", "eu-west-1", "ap-southeast-2")
SERVICES = ("ec2", "ebs", "s3", "ssm", "iam", "secretsmanager", "sts")
_EBS_PATHS = {
    ("POST", r"/snapshots"): "StartSnapshot",
    ("PUT", r"/snapshots/[^/]+/blocks/\d+"): "PutSnapshotBlock",
    ("POST", r"/snapshots/completion/[^/]+"): "CompleteSnapshot",
}


@dataclass
class Fault:
    """What goes wrong with the next `times` calls of an operation for which `when` holds.

    The call is refused with `code`; with `lost`, it is done, and its answer never arrives; `hook` is called
    before the call, which then goes on when there is no `code`.
    """

    operation: str
    code: str = ""
    status: int = 400
    times: int = 1
    lost: bool = False
    hook: Callable[[], None] | None = None
    when: Callable[[Mapping[str, str]], bool] = lambda request: True


@dataclass
class Guests:
    """The machines behind instances."""

    folder: Path
    port: int = field(default_factory=free_port)
    servers: dict[str, OpenSsh] = field(default_factory=dict)
    count: int = 0

    def start(self, instance: str, public_key: str) -> str:
        """Returns the address."""
        self.count += 1
        server = OpenSsh(
            self.folder / instance,
            self.port,
            ("Subsystem sftp internal-sftp",),
            address=f"127.77.{self.count // 250}.{self.count % 250 + 1}",
        )
        server.prepare()
        if public_key:
            server.authorized_keys.write_text(public_key.strip() + "\n")
        server.start()
        self.servers[instance] = server
        return server.address

    def stop(self, instance: str) -> None:
        if server := self.servers.pop(instance, None):
            server.stop()

    def home(self, instance: str) -> Path:
        """The folder of the instance's user, which is left when it ends."""
        return self.folder / instance / "home"


@dataclass
class FakeAws:
    """A server with one account. `requests` are all calls, in order: operation, and parameters of EC2's."""

    url: str = ""
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    account: str = DEFAULT_ACCOUNT_ID
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __enter__(self) -> FakeAws:
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="aws-")))
            self.guests = Guests(folder)
            patch = stack.enter_context(pytest.MonkeyPatch.context())
            patch.setenv("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")
            patch.setenv("MOTO_ENABLE_AMI_VALIDATION", "true")
            for service in SERVICES:
                get_backend(service).reset()  # type: ignore[arg-type]
            self.knobs = aws_ec2.install(patch, self.guests)
            stack.callback(lambda: [self.guests.stop(one) for one in list(self.guests.servers)])
            app = DomainDispatcherApplication(create_backend_app)
            self._server = make_server(
                "127.0.0.1", 0, _Gate(self, app), threaded=True, request_handler=_QuietHandler
            )
            self.url = f"http://127.0.0.1:{self._server.server_port}"
            thread = threading.Thread(
                target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
            )
            thread.start()
            stack.callback(thread.join)
            stack.callback(self._server.shutdown)
            self.base = self.make_image("base", 2024)
            self.begin()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    @property
    def environment(self) -> dict[str, str]:
        """What a program needs to work with it, and with nothing else."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing-secret",
            "AWS_REGION": REGIONS[0],
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": "/nonexistent",
            "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent",
        }

    def client(self, service: str = "ec2", region: str = REGIONS[0]) -> Any:
        return boto3.client(
            service,
            region_name=region,
            endpoint_url=self.url,
            aws_access_key_id="testing",
            aws_secret_access_key="testing-secret",
        )

    def make_image(self, name: str, year: int, **changes: Any) -> str:
        """An image of some year that builds may start from; `changes` are moto's fields of it."""
        return aws_ec2.make_image(name, datetime(year, 1, 1, tzinfo=UTC), **changes)

    def begin(self) -> None:
        """What is there now was there at first."""
        self._before = set(self._everything())

    def fail(self, operation: str, code: str = "", **more: Any) -> None:
        self.faults.append(Fault(operation, code, **more))

    def asks_for_new_image(self, request: Mapping[str, str]) -> bool:
        """For `Fault.when`: whether an image is asked for that a build made."""
        return request.get("ImageId.1", self.base) != self.base

    def calls(self, operation: str) -> list[dict[str, str]]:
        with self._lock:
            return [request for name, request in self.requests if name == operation]

    def images(self, region: str = REGIONS[0]) -> dict[str, dict[str, Any]]:
        """The account's own images by name."""
        found = self.client(region=region).describe_images(Owners=["self"])["Images"]
        return {image["Name"]: image for image in found if image["ImageId"] != self.base}

    def left(self, *, images: Iterable[str] = ()) -> list[str]:
        """Everything in the account that was not there at first, apart from images with these names and their
        snapshots."""
        kept = set()
        for region in REGIONS:
            for name, image in self.images(region).items():
                if name in images:
                    devices = image["BlockDeviceMappings"]
                    kept |= {image["ImageId"], *(one["Ebs"]["SnapshotId"] for one in devices)}
        found = sorted(set(self._everything()) - self._before)
        return [thing for thing in found if thing.rpartition(" ")[2] not in kept]

    def marked(self) -> list[str]:
        """What still carries a build's mark."""
        marked = [{"Name": "key", "Values": ["vmforge-run"]}]
        return [
            tag["ResourceId"]
            for region in REGIONS
            for tag in self.client(region=region).describe_tags(Filters=marked)["Tags"]
            if tag["ResourceType"] in ("image", "snapshot")
        ]

    def _everything(self) -> Iterator[str]:
        for region in REGIONS:
            ec2 = self.client(region=region)
            alive = ["pending", "running", "stopping", "stopped"]
            filters = [{"Name": "instance-state-name", "Values": alive}]
            for group in ec2.describe_instances(Filters=filters)["Reservations"]:
                yield from (f"instance {region} {one['InstanceId']}" for one in group["Instances"])
            for operation, key, id, more in (
                ("describe_volumes", "Volumes", "VolumeId", {}),
                ("describe_images", "Images", "ImageId", {"Owners": ["self"]}),
                ("describe_snapshots", "Snapshots", "SnapshotId", {"OwnerIds": ["self"]}),
                ("describe_key_pairs", "KeyPairs", "KeyName", {}),
                ("describe_security_groups", "SecurityGroups", "GroupId", {}),
                ("describe_network_interfaces", "NetworkInterfaces", "NetworkInterfaceId", {}),
                ("describe_launch_templates", "LaunchTemplates", "LaunchTemplateName", {}),
            ):
                for thing in getattr(ec2, operation)(**more)[key]:
                    yield f"{key} {region} {thing[id]}"
        iam = self.client("iam")
        for profile in iam.list_instance_profiles()["InstanceProfiles"]:
            yield f"profile {profile['InstanceProfileName']}"
        yield from (f"role {role['RoleName']}" for role in iam.list_roles()["Roles"])
        s3 = self.client("s3")
        for bucket in s3.list_buckets()["Buckets"]:
            for item in s3.list_objects_v2(Bucket=bucket["Name"]).get("Contents", ()):
                yield f"object {bucket['Name']}/{item['Key']}"


class _QuietHandler(MotoRequestHandler):
    def log_request(self, *arguments: Any) -> None:
        return None


@dataclass
class _Gate:
    """Stands before moto: notes calls, and lets some fail."""

    aws: FakeAws
    app: Any

    def __call__(self, environ: dict[str, Any], start: Any) -> Any:
        operation, request = self._read(environ)
        fault = self._next_fault(operation, request)
        if fault is None:
            return self.app(environ, start)
        if fault.hook is not None:
            fault.hook()
        if fault.lost:
            for _ in self.app(environ, lambda *arguments: None):
                pass
            environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
            raise ConnectionError  # so that the server sends nothing
        if not fault.code:
            return self.app(environ, start)
        return _refuse(environ, start, fault)

    def _read(self, environ: dict[str, Any]) -> tuple[str, dict[str, str]]:
        path, method = environ["PATH_INFO"], environ["REQUEST_METHOD"]
        for (known, pattern), operation in _EBS_PATHS.items():
            if method == known and re.fullmatch(pattern, path):
                self._note(operation, {"path": path})
                return operation, {"path": path}
        if target := environ.get("HTTP_X_AMZ_TARGET"):
            self._note(target.rpartition(".")[2], {})
            return target.rpartition(".")[2], {}
        if not environ.get("CONTENT_TYPE", "").startswith("application/x-www-form-urlencoded"):
            return "", {}
        import io

        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = io.BytesIO(body)
        request = {key: values[0] for key, values in parse_qs(body.decode(), keep_blank_values=True).items()}
        operation = request.pop("Action", "")
        request.pop("Version", "")
        self._note(operation, request)
        return operation, request

    def _note(self, operation: str, request: dict[str, str]) -> None:
        with self.aws._lock:
            self.aws.requests.append((operation, request))

    def _next_fault(self, operation: str, request: Mapping[str, str]) -> Fault | None:
        with self.aws._lock:
            for fault in self.aws.faults:
                if fault.operation == operation and fault.times and fault.when(request):
                    fault.times -= 1
                    return fault
        return None


def _text_of(fault: Fault) -> str:
    return f"injected: {fault.code}"


def _refuse(environ: dict[str, Any], start: Any, fault: Fault) -> list[bytes]:
    text = _text_of(fault)
    if environ["PATH_INFO"].startswith("/snapshots") or "HTTP_X_AMZ_TARGET" in environ:
        headers = [("Content-Type", "application/json"), ("x-amzn-errortype", fault.code)]
        body = json.dumps({"__type": fault.code, "message": text, "Message": text}).encode()
    else:
        headers = [("Content-Type", "text/xml")]
        error = f"<Error><Code>{fault.code}</Code><Message>{text}</Message></Error>"
        body = f"<Response><Errors>{error}</Errors><RequestID>1</RequestID></Response>".encode()
    start(f"{fault.status} refused", [*headers, ("Content-Length", str(len(body)))])
    return [body]


def plugin_folder(folder: Path) -> Path:
    """A folder with a `session-manager-plugin` that forwards to where the fake's sessions lead."""
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / "session-manager-plugin"
    program.write_text((Path(__file__).parent / "session_manager_plugin.py").read_text())
    program.chmod(0o755)
    return folder


__all__ = ["REGIONS", "FakeAws", "Fault", "plugin_folder"]
