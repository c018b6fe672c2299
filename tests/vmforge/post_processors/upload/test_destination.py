"""Where files go: URLs taken apart, and given out to files."""

from __future__ import annotations

from pathlib import Path

import pytest

from vmforge.errors import VmforgeError
from vmforge.post_processors.upload.destination import Destination, Scheme, parse_destination, transfers


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "https://me:pass%20word@files.example.org:8443/a%20b/?x=1",
            Destination(
                scheme=Scheme.HTTPS,
                host="files.example.org",
                port=8443,
                path="/a%20b/?x=1",
                user="me",
                password="pass word",
            ),
        ),
        (
            "s3://Some.Bucket_1/images/debian 12.qcow2",
            Destination(scheme=Scheme.S3, host="Some.Bucket_1", path="/images/debian 12.qcow2"),
        ),
        (
            "scp://me@[fe80::1]:2222/~/images/#1",
            Destination(scheme=Scheme.SCP, host="[fe80::1]", port=2222, path="/~/images/#1", user="me"),
        ),
        ("host:images/", Destination(scheme=Scheme.RSYNC_SSH, host="host", path="images/")),
        ("me@host:/x y", Destination(scheme=Scheme.RSYNC_SSH, host="host", path="/x y", user="me")),
        ("rsync://host/module/", Destination(scheme=Scheme.RSYNC, host="host", path="/module/")),
        (
            "oci://registry.example.org:5000/images/debian:12",
            Destination(
                scheme=Scheme.OCI, host="registry.example.org", port=5000, path="/images/debian", tag="12"
            ),
        ),
        (
            "oci+http://localhost/debian",
            Destination(scheme=Scheme.OCI_HTTP, host="localhost", path="/debian", tag="latest"),
        ),
    ],
)
def test_taken_apart(text: str, expected: Destination) -> None:
    assert parse_destination(text) == expected


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://me:secret@host/x", "https://me@host/x"),
        ("me@host:x", "me@host:x"),
        ("oci://host/a:b", "oci://host/a:b"),
        ("s3://bucket/k", "s3://bucket/k"),
        ("rsync://me@host:873/m/x", "rsync://me@host:873/m/x"),
    ],
)
def test_shown_without_the_password(text: str, shown: str) -> None:
    assert str(parse_destination(text)) == shown


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("gopher://host/x", "`gopher://` is no destination; known are `http://`"),
        ("just-a-name", "write a URL, or `HOST:PATH`"),
        ("https:///x", "names no server"),
        ("https://host:port/", "the server in a `https://` destination cannot be read"),
        ("sftp://-oProxyCommand=x/y", "do not begin with `-`"),
        ("-oProxyCommand=x:y", "do not begin with `-`"),
        ("rsync://host", "names no module"),
        ("oci://host/Upper/Case", "`Upper/Case` is no name of a repository"),
        ("oci://host/a:b c", "`b c` is no tag"),
    ],
)
def test_refused(text: str, expected: str) -> None:
    with pytest.raises(ValueError) as caught:
        parse_destination(text)
    assert expected in str(caught.value)


def test_files_keep_their_names_in_a_folder() -> None:
    files = [Path("out/a b"), Path("out/c#")]
    urls = ["https://host/x/", "s3://bucket/", "oci://host/name"]
    planned = list(transfers(files, [parse_destination(url) for url in urls]))
    assert [(len(transfer.files), str(transfer.destination)) for transfer in planned] == [
        (1, "https://host/x/a%20b"),
        (1, "https://host/x/c%23"),
        (1, "s3://bucket/a b"),
        (1, "s3://bucket/c#"),
        (2, "oci://host/name:latest"),
    ]


def test_several_files_need_a_folder() -> None:
    with pytest.raises(VmforgeError, match="`s3://bucket/x` can take one file, but the artifact has 2"):
        list(transfers([Path("a"), Path("b")], [parse_destination("s3://bucket/x")]))
