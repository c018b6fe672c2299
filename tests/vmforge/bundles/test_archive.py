"""The archive: written the same each time, and read without believing anything."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vmforge.bundles import Bundle, BundleError, Manifest, write_bundle
from vmforge.bundles.collecting import Source
from vmforge.bundles.manifest import ProjectFile
from vmforge.errors import HostError, Interrupted, VmforgeError


def read_all(path):
    with Bundle(path) as bundle:
        return {content.member.name: b"".join(content.chunks()) for content in bundle.members()}


def test_equal_contents_make_equal_bytes(workshop):
    first = workshop.write("a.vmb").read_bytes()
    os.utime(workshop.project / "lab.pkr.hcl", (0, 0))
    assert workshop.write("b.vmb").read_bytes() == first


def test_tar_reads_it_and_openssl_checks_it(workshop, tmp_path):
    path = workshop.write()
    listed = subprocess.run(["tar", "-tf", path], check=True, capture_output=True, text=True)
    assert listed.stdout.splitlines()[:3] == ["manifest.json", "manifest.sig", "project/http/run.sh"]
    assert listed.stderr == ""
    subprocess.run(["tar", "-C", tmp_path, "-xf", path, "manifest.json", "manifest.sig"], check=True)
    checked = ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", workshop.public, "-rawin"]
    checked += ["-in", tmp_path / "manifest.json", "-sigfile", tmp_path / "manifest.sig"]
    assert subprocess.run(checked, check=False, capture_output=True).returncode == 0


def test_each_content_is_there_once_and_small_text_is_packed(workshop):
    contents = read_all(workshop.write())
    assert [name.partition("/")[0] for name in contents] == ["project", "project", "objects"]
    assert contents["project/http/run.sh"] == b"#!/bin/sh\n"
    assert contents["project/lab.pkr.hcl.zst"] == b"# a template\n" * 100


def test_a_member_of_more_than_eight_gigabytes_has_a_header_that_tar_reads():
    from vmforge.bundles.archive import header

    size = 9 * 1024**3
    assert tarfile.TarInfo.frombuf(header("a.iso", size), "utf-8", "strict").size == size


def test_long_and_foreign_names_survive(workshop, tmp_path):
    name = "project/" + "ä/" * 60 + "x"
    target, content = workshop.folder / "x.vmb", workshop.folder / "x"
    content.write_bytes(b"x")
    digest = workshop.here.digests.digests(content, ["sha256"])["sha256"]
    file = ProjectFile(name.removeprefix("project/"), digest)
    write_bundle(target, Manifest("1", files=(file,)), {digest: Source(name, content)}, None)
    assert read_all(target) == {name: b"x"}
    with tarfile.open(target) as tar:
        assert name in tar.getnames()


def test_a_file_that_changes_while_it_is_written_is_noticed(workshop):
    collection = workshop.collection()
    manifest = collection.manifest()
    (workshop.folder / "a.iso").write_bytes(b"other")
    with pytest.raises(VmforgeError, match="was changed while it was read"):
        write_bundle(workshop.folder / "lab.vmb", manifest, collection.sources, None)
    assert sorted(path.name for path in workshop.folder.glob("*lab*")) == []


def test_an_interrupted_one_leaves_nothing(workshop):
    workshop.cancellation.cancel()
    collection = workshop.collection()
    with pytest.raises(Interrupted):
        write_bundle(
            workshop.folder / "lab.vmb",
            collection.manifest(),
            collection.sources,
            None,
            lambda count: workshop.cancellation.check(),
        )
    assert sorted(path.name for path in workshop.folder.glob("*lab*")) == []


def test_what_is_no_bundle_is_told(tmp_path):
    path = tmp_path / "x.vmb"
    with pytest.raises(HostError, match="cannot be read: no such file"), Bundle(path):
        pass
    for content in (b"", b"x" * 100, b"x" * 2000, bytes(2048)):
        path.write_bytes(content)
        with pytest.raises(BundleError), Bundle(path):
            pass
    with tarfile.open(path, "w") as tar:
        tar.addfile(tarfile.TarInfo("manifest.json"), io.BytesIO())
    with pytest.raises(BundleError), Bundle(path):
        pass


@pytest.fixture
def whole(workshop) -> bytes:
    (workshop.folder / "a.iso").write_bytes(b"a short ISO" * 50)
    collection = workshop.collection()
    collection._objects.clear()
    collection.sources = {d: s for d, s in collection.sources.items() if s.name.startswith("project/")}
    target = workshop.folder / "small.vmb"
    write_bundle(target, collection.manifest(), collection.sources, workshop.signer)
    return target.read_bytes()


def believed(path: Path, trusted: str) -> dict[str, bytes]:
    """What a reader takes from a bundle who checks its signature, as all do."""
    from vmforge.bundles import Trust

    with Bundle(path) as bundle:
        Trust(frozenset({trusted})).check(bundle.text, bundle.signature, bundle.manifest.signer)
        return {content.member.name: b"".join(content.chunks()) for content in bundle.members()}


FIXTURES_ARE_KEPT = settings(
    deadline=None, max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@FIXTURES_ARE_KEPT
@given(data=st.data())
def test_a_changed_byte_anywhere_is_noticed(workshop, whole, data):
    at = data.draw(st.integers(0, len(whole) - 1))
    bit = data.draw(st.integers(0, 7))
    damaged = bytearray(whole)
    damaged[at] ^= 1 << bit
    path = workshop.folder / "damaged.vmb"
    path.write_bytes(damaged)
    with pytest.raises(BundleError):
        believed(path, workshop.signer.public)


@FIXTURES_ARE_KEPT
@given(data=st.data())
def test_a_part_missing_or_added_anywhere_is_noticed(workshop, whole, data):
    at = data.draw(st.integers(0, len(whole)))
    count = data.draw(st.integers(1, 2000))
    changed = whole[:at] + data.draw(st.sampled_from([b"", bytes(count)])) + whole[at + count :]
    if data.draw(st.booleans()):
        changed = whole[:at]
    if changed == whole:
        return
    path = workshop.folder / "damaged.vmb"
    path.write_bytes(changed)
    with pytest.raises(BundleError):
        believed(path, workshop.signer.public)


@FIXTURES_ARE_KEPT
@given(content=st.binary(max_size=3000))
def test_any_bytes_are_a_bundle_or_told_not_to_be(tmp_path, content):
    path = tmp_path / "any.vmb"
    path.write_bytes(content)
    with pytest.raises(BundleError), Bundle(path):
        pass


def test_members_that_are_not_read_are_passed_over(workshop):
    path = workshop.write()
    with Bundle(path) as bundle:
        names = [content.member.name for content in bundle.members()]
    assert names == list(read_all(path))


def test_a_pipe_can_be_read_too(workshop, tmp_path):
    path, pipe = workshop.write(), tmp_path / "pipe"
    os.mkfifo(pipe)
    with subprocess.Popen(["cp", path, pipe]) as copying:
        with Bundle(pipe) as bundle:
            assert len(list(bundle.members())) == 3
        assert copying.wait(30) == 0
