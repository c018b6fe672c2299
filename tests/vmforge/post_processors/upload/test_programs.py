"""Uploads through sftp and rsync, to the real servers."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vmforge.errors import HostError
from vmforge.post_processors.upload.destination import Transfer, parse_destination
from vmforge.post_processors.upload.programs import upload_sftp
from vmforge.post_processors.upload.transport import Delivery, TransferFailed, UploadConfig
from vmforge.sdk import Artifact
from vmforge.sdk.testing import fake_context


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("scheme", ["sftp", "scp"])
def test_sftp_makes_folders_and_renames(
    upload: Callable[..., Artifact], sshd: Any, tmp_path: Path, scheme: str
) -> None:
    odd = tmp_path / 'a "b" *[c].qcow2'
    odd.write_bytes(os.urandom(100_000))
    target = tmp_path / "new folder" / "deep"
    for _ in range(2):  # the second one replaces the first
        url = f"{scheme}://{sshd.user}@127.0.0.1:{sshd.port}{target}/"
        made = upload(odd, urls=[url], ssh_arguments=sshd.arguments)
    assert names(target) == [odd.name]
    assert (target / odd.name).read_bytes() == odd.read_bytes()
    assert made.id == f"{scheme}://{sshd.user}@127.0.0.1:{sshd.port}{target}/{odd.name}"


def test_a_second_attempt_goes_on(sshd: Any, tmp_path: Path, disk: Path) -> None:
    target = tmp_path / "there" / "disk"
    target.parent.mkdir()
    partial = target.with_name(f".disk.{'a' * 16}.partial")
    partial.write_bytes(b"X" * 1000)  # what is there already is not sent again
    transfer = Transfer((disk,), parse_destination(f"sftp://127.0.0.1:{sshd.port}{target}"))
    config = UploadConfig(urls=(), ssh_arguments=tuple(sshd.arguments))
    sums, context = {disk: "a" * 64}, fake_context(tmp_path)
    upload_sftp(transfer, Delivery(config, context, sums, lambda amount: None, attempt=1))
    assert target.read_bytes() == b"X" * 1000 + disk.read_bytes()[1000:]
    with pytest.raises(TransferFailed):  # nothing to go on with, so the third attempt begins anew
        upload_sftp(transfer, Delivery(config, context, sums, lambda amount: None, attempt=1))
    upload_sftp(transfer, Delivery(config, context, sums, lambda amount: None, attempt=2))
    assert target.read_bytes() == disk.read_bytes()
    assert names(target.parent) == ["disk"]


def test_an_unknown_host(upload: Callable[..., Artifact], sshd: Any, disk: Path, tmp_path: Path) -> None:
    sshd.known_hosts.write_text("")
    with pytest.raises(HostError, match="Host key verification failed") as caught:
        upload(disk, urls=[f"sftp://127.0.0.1:{sshd.port}/x"], ssh_arguments=sshd.arguments)
    assert "log in there once with `ssh`" in caught.value.hint


def test_a_key_that_is_not_taken(upload: Callable[..., Artifact], sshd: Any, disk: Path) -> None:
    (sshd.known_hosts.parent / "authorized").write_text("")
    with pytest.raises(HostError, match="Permission denied") as caught:
        upload(disk, urls=[f"sftp://127.0.0.1:{sshd.port}/x"], ssh_arguments=sshd.arguments)
    assert "works without a password" in caught.value.hint


def test_rsync_over_ssh(upload: Callable[..., Artifact], sshd: Any, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    with disk.open("wb") as file:
        file.write(b"start")
        file.truncate(8 * 1024 * 1024)
    there = tmp_path / "there"
    there.mkdir()
    arguments = [*sshd.arguments, f"-oPort={sshd.port}"]
    made = upload(disk, urls=[f"{sshd.user}@127.0.0.1:{there}/a b"], ssh_arguments=arguments)
    assert (there / "a b").read_bytes() == disk.read_bytes()
    assert (there / "a b").stat().st_blocks * 512 < 1024 * 1024, "holes stay holes"
    assert made.id == f"{sshd.user}@127.0.0.1:{there}/a b"
    assert names(there) == ["a b"]


def test_rsyncs_own_server(
    upload: Callable[..., Artifact], rsync_module: tuple[str, Path], disk: Path
) -> None:
    url, folder = rsync_module
    upload(disk, urls=[url])
    assert (folder / disk.name).read_bytes() == disk.read_bytes()
    assert stat.S_ISREG((folder / disk.name).stat().st_mode)


def test_a_module_that_does_not_exist(
    upload: Callable[..., Artifact], rsync_module: tuple[str, Path], disk: Path
) -> None:
    with pytest.raises(HostError, match=r"`rsync`: .*Unknown module 'other'"):
        upload(disk, urls=[rsync_module[0].replace("images", "other")])
