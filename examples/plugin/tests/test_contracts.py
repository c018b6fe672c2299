"""The components keep the contracts of vmforge."""

from __future__ import annotations

import tarfile
from io import BytesIO
from pathlib import Path

from vmforge.sdk import Cancellation
from vmforge.sdk.testing import (
    check_builder,
    check_communicator,
    check_data_source,
    check_post_processor,
    check_provisioner,
)

from vmforge_acme.builder import AcmeBuilder
from vmforge_acme.data_source import AcmeDataSource
from vmforge_acme.guest import FolderCommunicator
from vmforge_acme.post_processor import AcmePostProcessor
from vmforge_acme.provisioner import AcmeProvisioner


def test_the_builder(tmp_path: Path) -> None:
    check_builder(AcmeBuilder, {"output": "images/image.tar.gz"}, tmp_path)


def test_the_way_into_the_guest(tmp_path: Path) -> None:
    local, root = tmp_path / "local", tmp_path / "guest"
    local.mkdir()
    root.mkdir()
    (root / "files").mkdir()
    check_communicator(FolderCommunicator(root, Cancellation()), local, "files")


def test_the_provisioner(tmp_path: Path) -> None:
    check_provisioner(
        AcmeProvisioner,
        {"message": "hello"},
        tmp_path,
        respond=lambda command: (0, "Linux x86_64"),
        guest=lambda root: (root / "etc").mkdir(),
    )


def test_the_post_processor(tmp_path: Path) -> None:
    buffer = BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("etc/motd"), BytesIO())
    check_post_processor(AcmePostProcessor, {}, tmp_path, files={"image.tar": buffer.getvalue()})


def test_the_data_source(tmp_path: Path) -> None:
    (tmp_path / "image.tar").write_bytes(b"an image")
    check_data_source(AcmeDataSource, {"folder": str(tmp_path)})
