"""Bundles taken in: all of it or nothing, and nothing twice."""

from __future__ import annotations

import hashlib
import os
from dataclasses import replace
from pathlib import Path

import pytest

from vmforge.bundles import BundleError
from vmforge.bundles.manifest import Binding
from vmforge.cache.references import digest_of, object_of
from vmforge.errors import Interrupted, VmforgeError

ISO = hashlib.shake_256(b"an ISO").digest(2 * 1024 * 1024 + 5)


def names(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_objects_go_into_the_store_and_files_into_the_folder(workshop):
    done = workshop.take_in(workshop.write())
    digest = hashlib.sha256(ISO).hexdigest()
    assert workshop.there.lookup(digest, "iso").read_bytes() == ISO
    assert object_of(workshop.there, "listed:https://cd.example/SHA512SUMS", "iso") is not None
    assert digest_of(workshop.there, f"sha512:{hashlib.sha512(ISO).hexdigest()}") == digest
    assert [item.origin for item in workshop.there.objects()] == ["https://cd.example/a.iso"]
    assert names(done.folder) == [
        "project",
        "project/http",
        "project/http/empty",
        "project/http/run.sh",
        "project/http/same.sh",
        "project/lab.pkr.hcl",
        "wheels",
    ]
    assert os.access(done.folder / "project/http/run.sh", os.X_OK)
    assert not os.access(done.folder / "project/lab.pkr.hcl", os.X_OK)
    assert (done.folder / "project/http/same.sh").read_text() == "#!/bin/sh\n"
    assert done.new_objects == 1


def test_an_object_that_is_there_is_not_written_again_and_a_damaged_one_is(workshop):
    path = workshop.write()
    workshop.take_in(path)
    assert workshop.take_in(path, "again").new_objects == 0
    kept = workshop.there.path_of(hashlib.sha256(ISO).hexdigest(), "iso")
    kept.write_bytes(b"damaged")
    os.utime(kept, ns=(1, 1))
    assert workshop.take_in(path, "third").new_objects == 1
    assert kept.read_bytes() == ISO


def test_a_folder_that_is_there_is_left_alone(workshop):
    path = workshop.write()
    (workshop.folder / "lab").mkdir()
    workshop.take_in(path)  # an empty one is as good as none
    with pytest.raises(VmforgeError, match="is there already"):
        workshop.take_in(path)


def test_a_damaged_bundle_brings_nothing(workshop):
    path = workshop.write()
    content = bytearray(path.read_bytes())
    content[-3000] ^= 1  # in the medium, the last member
    path.write_bytes(content)
    with pytest.raises(BundleError, match="is not what the manifest says"):
        workshop.take_in(path)
    assert workshop.there.objects() == []
    assert workshop.there.bound("listed:https://cd.example/SHA512SUMS") is None
    assert not (workshop.folder / "lab").exists()
    assert [p for p in workshop.folder.iterdir() if p.name.startswith(".lab")] == []
    assert list((workshop.there.root / "objects").iterdir()) == []


def test_a_bundle_that_ends_early_brings_nothing_but_whole_objects(workshop):
    path = workshop.write()
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(BundleError, match="it ends too early"):
        workshop.take_in(path)
    assert not (workshop.folder / "lab").exists()
    assert workshop.there.bound("listed:https://cd.example/SHA512SUMS") is None


def test_an_interrupted_import_leaves_no_folder(workshop):
    path = workshop.write()
    workshop.cancellation.cancel()
    with pytest.raises(Interrupted):
        workshop.take_in(path)
    assert not (workshop.folder / "lab").exists()
    assert list((workshop.there.root / "objects").iterdir()) == []


@pytest.mark.parametrize("kept", [False, True])
def test_a_false_digest_of_an_object_is_noticed(workshop, kept):
    """An index that leads from a wrong checksum to an object would have a build take it for another one."""
    if kept:
        workshop.take_in(workshop.write("good.vmb"), "good")
    digest = hashlib.sha256(ISO).hexdigest()
    false = Binding(f"md5:{'0' * 32}", {"sha256": digest})
    path = workshop.write(change=lambda m: replace(m, bindings=(false,)))
    with pytest.raises(BundleError, match="claims a wrong md5 of an object"):
        workshop.take_in(path)
    assert workshop.there.bound(f"md5:{'0' * 32}") is None


def test_files_outside_of_the_root_are_told(workshop):
    collection = workshop.collection()
    (workshop.folder / "outside").write_text("x")
    collection.add_path(workshop.folder / "outside")
    assert collection.manifest().left_out == (str(workshop.folder / "outside"),)
    assert "must be there, at the same place" in collection.warnings[0]
    with pytest.raises(VmforgeError) as caught:
        collection.add_path(Path("..") / "outside")
    assert caught.value.hint == "name a folder above it: `--root DIR`"


def test_folders_that_lead_round_in_a_circle_end(workshop):
    (workshop.project / "http" / "round").symlink_to("..")
    collection = workshop.collection()
    assert {file.path for file in collection.manifest().files} >= {"http/run.sh", "http/round/lab.pkr.hcl"}
