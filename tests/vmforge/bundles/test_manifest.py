"""The manifest: one text for one content, and nothing in it that leads out of its folders."""

from __future__ import annotations

import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmforge.bundles import BundleError, Manifest
from vmforge.bundles.manifest import Binding, BundledTemplate, Member, ProjectFile, StoreObject, WheelFile

DIGEST = hashlib.sha256(b"x").hexdigest()
OTHER = hashlib.sha256(b"y").hexdigest()


def member(name="project/x", digest=DIGEST, size=1):
    return Member(name, digest, size, False, size, digest)


def manifest(**more):
    fields = {"members": (member(),), "files": (ProjectFile("x", DIGEST),)}
    return Manifest("1", **{**fields, **more})


def test_what_is_encoded_is_decoded():
    whole = manifest(
        templates=(BundledTemplate("a/b.pkr.hcl", ("-var=ä=1",)),),
        folders=("a", "a/c"),
        wheels=(WheelFile("w-1.whl", DIGEST),),
        objects=(StoreObject(DIGEST, "iso", "https://a/"),),
        bindings=(Binding("url:https://a/", {"sha256": DIGEST}),),
        left_out=("/etc/x",),
        folder="a",
        signer="00",
    )
    assert Manifest.decode(whole.encode()) == whole


@pytest.mark.parametrize("path", ["", "/x", "../x", "a/../x", "a//x", "./x", "a/.", "a\\x", "a\nx", "x/"])
def test_a_path_that_leads_elsewhere_is_refused(path):
    for whole in (
        manifest(files=(ProjectFile(path, DIGEST),)),
        manifest(members=(member(path),)),
        manifest(folders=(path,)),
        manifest(folder=path),
        manifest(templates=(BundledTemplate(path),)),
        manifest(wheels=(WheelFile(path, DIGEST),)),
    ):
        with pytest.raises(BundleError, match="is no path below a folder"):
            Manifest.decode(whole.encode())


@pytest.mark.parametrize(
    ("changed", "complaint"),
    [
        (manifest(files=()), "members and what they are for do not agree"),
        (manifest(files=(ProjectFile("x", DIGEST), ProjectFile("y", OTHER))), "do not agree"),
        (manifest(files=(ProjectFile("x", DIGEST), ProjectFile("x", DIGEST))), "a path is there twice"),
        (manifest(files=(ProjectFile("x", DIGEST), ProjectFile("x/y", DIGEST))), "`x/y` lies in a file"),
        (manifest(folders=("x",)), "a path is there twice"),
        (manifest(members=(member(), member("project/y"))), "a member is there twice"),
        (manifest(members=(member(digest="X" * 64),)), "has no SHA-256"),
        (manifest(members=(member(size=-1),)), "has no size"),
        (manifest(members=(Member("project/x", DIGEST, 1, False, 2, DIGEST),)), "two sizes or digests"),
        (manifest(objects=(StoreObject(DIGEST, "../x", ""),)), "is no extension"),
        (manifest(objects=(StoreObject(DIGEST, "part", ""),)), "is no extension"),
        (manifest(wheels=(WheelFile("a/b.whl", DIGEST),)), "is no name of a wheel"),
        (manifest(bindings=(Binding("layer:x", {}),)), "is no key that a bundle may bring"),
        (manifest(left_out=("\x1b[2J",)), "cannot be shown"),
        (manifest(objects=(StoreObject(DIGEST, "iso", "\x1b[2J"),)), "cannot be shown"),
        (manifest(templates=(BundledTemplate("a", ("-var=a=\x1b[2J",)),)), "cannot be shown"),
    ],
)
def test_contradictions_are_told(changed, complaint):
    with pytest.raises(BundleError) as caught:
        Manifest.decode(changed.encode())
    assert complaint in caught.value.message


@pytest.mark.parametrize(
    "change",
    [
        lambda document: document.pop("files"),
        lambda document: document.update(more=1),
        lambda document: document.update(files="x"),
        lambda document: document.update(files=["x"]),
        lambda document: document.update(vmforge=1),
        lambda document: document["files"][0].update(executable=1),
        lambda document: document["files"][0].pop("path"),
        lambda document: document.update(bindings=[{"key": "url:x", "record": {"a": 1}}]),
        lambda document: document.update(bindings=[{"key": "url:x", "record": []}]),
    ],
)
def test_fields_of_other_shapes_are_told(change):
    document = json.loads(manifest().encode())
    change(document)
    text = json.dumps(document, sort_keys=True, separators=(",", ":")).encode()
    with pytest.raises(BundleError, match="the bundle's manifest is not valid"):
        Manifest.decode(text)


def test_another_text_of_the_same_content_is_refused():
    text = manifest().encode()
    for other in (text + b"\n", json.dumps(json.loads(text), indent=1).encode(), b" " + text):
        with pytest.raises(BundleError, match="not in its canonical form"):
            Manifest.decode(other)


def test_a_newer_format_is_told_with_the_way_out():
    text = manifest().encode().replace(b'"version":1', b'"version":2')
    with pytest.raises(BundleError) as caught:
        Manifest.decode(text)
    assert caught.value.message == "the bundle is of format 2, not 1"
    assert "wheels" in caught.value.hint


ANY_JSON = st.recursive(st.none() | st.text(), st.lists).map(lambda value: json.dumps(value).encode())


@given(st.binary(max_size=200) | ANY_JSON)
def test_whatever_the_text_is_it_is_told(text):
    with pytest.raises(BundleError):
        Manifest.decode(text)
