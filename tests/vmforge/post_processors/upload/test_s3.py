"""Uploads to S3, as moto plays it over HTTP."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from vmforge.errors import HostError
from vmforge.sdk import Artifact

boto3 = pytest.importorskip("boto3")
pytest.importorskip("moto")

_LOGIN = {"aws_access_key_id": "me", "aws_secret_access_key": "sesame", "region_name": "us-east-1"}


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    from moto.moto_server.threaded_moto_server import ThreadedMotoServer

    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "me")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "sesame")
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        yield f"http://{host}:{port}"
    finally:
        server.stop()


@pytest.fixture
def s3(endpoint: str) -> Any:
    client = boto3.client("s3", endpoint_url=endpoint, **_LOGIN)
    client.create_bucket(Bucket="images")
    return client


def test_a_large_file_goes_in_parts(
    upload: Callable[..., Artifact], endpoint: str, s3: Any, tmp_path: Path
) -> None:
    disk = tmp_path / "disk"
    disk.write_bytes(os.urandom(20 * 1024 * 1024))
    made = upload(
        disk,
        urls=["s3://images/debian/{{ .BuildName }}.qcow2"],
        s3_endpoint_url=endpoint,
        s3_region="us-east-1",
        s3_arguments={"StorageClass": "STANDARD_IA"},
    )
    found = s3.get_object(Bucket="images", Key="debian/base.qcow2")
    assert found["Body"].read() == disk.read_bytes()
    assert found["Metadata"] == {"sha256": hashlib.sha256(disk.read_bytes()).hexdigest()}
    assert found["StorageClass"] == "STANDARD_IA"
    assert found["ETag"].strip('"').endswith("-3")
    assert made.state == {"urls": ("s3://images/debian/base.qcow2",)}


def test_a_profile(
    upload: Callable[..., Artifact], endpoint: str, s3: Any, disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = disk.parent / ".aws"
    folder.mkdir()
    (folder / "credentials").write_text("[builds]\naws_access_key_id = a\naws_secret_access_key = b\n")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    with pytest.raises(HostError, match=r"profile .*nobody"):
        upload(disk, urls=["s3://images/"], s3_endpoint_url=endpoint, s3_profile="nobody")
    upload(disk, urls=["s3://images/"], s3_endpoint_url=endpoint, s3_profile="builds")
    assert s3.head_object(Bucket="images", Key=disk.name)["ContentLength"] == disk.stat().st_size


def test_a_bucket_that_does_not_exist(upload: Callable[..., Artifact], endpoint: str, disk: Path) -> None:
    with pytest.raises(HostError, match=r"`s3://nowhere/x` could not be uploaded: .*NoSuchBucket"):
        upload(disk, urls=["s3://nowhere/x"], s3_endpoint_url=endpoint)


def test_no_login(upload: Callable[..., Artifact], disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(HostError, match="there is no login for `s3://`") as caught:
        upload(disk, urls=["s3://nowhere/x"], s3_endpoint_url="http://127.0.0.1:1")
    assert "`s3_profile`" in caught.value.hint
