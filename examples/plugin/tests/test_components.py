"""What the components do."""

from __future__ import annotations

import os
import tarfile
from collections.abc import Mapping
from pathlib import Path

import pytest
from vmforge.errors import VmforgeError
from vmforge.sdk import Machine, Value
from vmforge.sdk.testing import configure, fake_context

from vmforge_acme.builder import AcmeBuilder
from vmforge_acme.data_source import AcmeDataSource
from vmforge_acme.post_processor import AcmePostProcessor
from vmforge_acme.provisioner import AcmeProvisioner


def build(folder: Path, options: Mapping[str, Value]) -> Path:
    """Build an image that the provisioner has been in; returns the archive."""
    folder.mkdir()
    output = folder / "image.tar.gz"
    builder = configure(AcmeBuilder, {"output": str(output), **options})
    step = configure(AcmeProvisioner, {"message": "hello"})
    assert isinstance(builder, AcmeBuilder)
    assert isinstance(step, AcmeProvisioner)

    def provision(machine: Machine) -> None:
        step.provision(context, machine)

    context = fake_context(folder, provision=provision)
    artifact = builder.build(context)
    context.steps.release()
    assert artifact is not None
    assert artifact.files == (output,)
    return output


def test_an_image_holds_what_was_provisioned(tmp_path: Path) -> None:
    with tarfile.open(build(tmp_path / "first", {})) as archive:
        message = archive.extractfile("etc/motd")
        assert message is not None
        assert message.read().decode().splitlines() == ["hello", f"{os.uname().sysname} {os.uname().machine}"]


def test_the_same_options_make_the_same_image(tmp_path: Path) -> None:
    first, second = build(tmp_path / "first", {}), build(tmp_path / "second", {})
    assert first.read_bytes() == second.read_bytes()


def test_an_image_starts_with_its_base(tmp_path: Path) -> None:
    base = tmp_path / "base"
    (base / "opt").mkdir(parents=True)
    (base / "opt" / "tool").write_text("a tool")
    with tarfile.open(build(tmp_path / "image", {"base": str(base)})) as archive:
        assert "opt/tool" in archive.getnames()


def test_an_older_image_is_not_overwritten(tmp_path: Path) -> None:
    output = build(tmp_path / "image", {})
    builder = configure(AcmeBuilder, {"output": str(output)})
    assert isinstance(builder, AcmeBuilder)
    with pytest.raises(VmforgeError, match="is there already"):
        builder.build(fake_context(tmp_path))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"output": "image.zip"}, "no name of an archive"),
        ({"directories": ["../etc"]}, "outside of the image"),
        ({"base": "nowhere"}, "there is no folder `nowhere`"),
    ],
)
def test_wrong_options_are_reported(options: Mapping[str, Value], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        configure(AcmeBuilder, options)


def test_the_files_of_an_image_are_listed(tmp_path: Path) -> None:
    output = build(tmp_path / "image", {})
    builder = configure(AcmeBuilder, {"output": str(output)})
    step = configure(AcmePostProcessor, {"output": str(tmp_path / "{{ .BuildName }}.txt")})
    assert isinstance(builder, AcmeBuilder)
    assert isinstance(step, AcmePostProcessor)
    context = fake_context(tmp_path)
    artifact = builder.find_artifact(context)
    assert artifact is not None
    step.process(context, artifact)
    assert (tmp_path / "base.txt").read_text().endswith("  etc/motd\n")


def test_the_newest_file_is_found(tmp_path: Path) -> None:
    for age, name in enumerate(["new.tar", "old.tar", "newer.zip"]):
        (tmp_path / name).write_text(name)
        os.utime(tmp_path / name, (1000 - age, 1000 - age))
    source = configure(AcmeDataSource, {"folder": str(tmp_path), "pattern": "*.tar"})
    assert isinstance(source, AcmeDataSource)
    assert source.read() == {"path": str(tmp_path / "new.tar"), "name": "new.tar", "size": 7}
