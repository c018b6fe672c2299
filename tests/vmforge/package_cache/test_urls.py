"""URLs: the key that content is kept by, and what never changes."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from vmforge.package_cache.addresses import is_own
from vmforge.package_cache.urls import Refused, is_lasting, parse_authority, parse_target, stated_sha256

SHA1, SHA256 = "0123456789abcdef" * 2 + "01234567", "0123456789abcdef" * 4


@pytest.mark.parametrize(
    "path",
    [
        "/debian/pool/main/h/hello/hello_2.10-3_amd64.deb",
        "/debian/pool/main/n/nano/nano-udeb_7.2-1+deb12u1_amd64.udeb",
        "/debian/pool/main/h/hello/hello_2.10.orig.tar.gz",
        "/debian/pool/main/h/hello/hello_2.10-3.dsc",
        f"/debian/dists/bookworm/main/binary-amd64/by-hash/SHA256/{SHA256}",
        f"/debian/dists/bookworm/main/binary-amd64/by-hash/MD5Sum/{SHA1[:32]}",
        "/fedora/Packages/b/bash-5.2.26-3.fc40.x86_64.rpm",
        "/almalinux/9/BaseOS/x86_64/os/Packages/python3-libs-3.9.18-3.el9_4.x86_64.rpm",
        f"/fedora/repodata/{SHA256}-primary.xml.zst",
        f"/leap/repodata/{SHA1}-filelists.xml.gz",
        "/alpine/v3.20/main/x86_64/busybox-1.36.1-r29.apk",
        "/archlinux/core/os/x86_64/linux-6.9.3.arch1-1-x86_64.pkg.tar.zst",
        "/archlinux/core/os/x86_64/linux-6.9.3.arch1-1-x86_64.pkg.tar.zst.sig",
    ],
)
def test_packages_and_files_named_by_checksum_last(path: str) -> None:
    assert is_lasting(f"http://mirror.test{path}")


@pytest.mark.parametrize(
    "path",
    [
        "/debian/dists/bookworm/InRelease",
        "/debian/dists/bookworm/main/binary-amd64/Packages.xz",
        "/fedora/repodata/repomd.xml",
        "/fedora/.treeinfo",
        "/alpine/v3.20/main/x86_64/APKINDEX.tar.gz",
        "/archlinux/core/os/x86_64/core.db",
        "/debian/pool/main/h/hello/hello.deb",
        "/flat/hello_1.0_amd64.deb",
        "/download/latest.rpm",
        "/download/vmlinuz",
        "/debian/pool/main/h/hello/hello_2.10-3_amd64.deb?token=1",
        "/",
    ],
)
def test_everything_else_may_change(path: str) -> None:
    assert not is_lasting(f"http://mirror.test{path}")


def test_a_checksum_in_a_name() -> None:
    assert stated_sha256(f"http://m.test/by-hash/SHA256/{SHA256}") == SHA256
    assert stated_sha256(f"http://m.test/repodata/{SHA256}-primary.xml.gz") == SHA256
    assert stated_sha256(f"http://m.test/by-hash/SHA1/{SHA1}") is None


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("HTTP://Mirror.Test:80/a%7eb", "http://mirror.test/a~b"),
        ("http://mirror.test", "http://mirror.test/"),
        ("http://mirror.test:8080/a?b=%2f#c", "http://mirror.test:8080/a?b=%2F"),
        ("http://[2001:DB8::1]/a%2Fb", "http://[2001:db8::1]/a%2Fb"),
        ("https://mirror.test:443/x", "https://mirror.test/x"),
    ],
)
def test_one_form_of_a_url(written: str, kept: str) -> None:
    assert parse_target(written).url == kept


@given(st.text(max_size=40).map(lambda text: f"http://{text}") | st.text(max_size=40))
@example("http://[::1")
@example("http://a:b/")
@example("http://a\r\nX: y/")
@example("http://%00/")
def test_targets_are_refused_or_have_one_form(text: str) -> None:
    try:
        target = parse_target(text)
    except Refused as refused:
        assert refused.status == 400
        return
    assert parse_target(target.url).url == target.url
    assert all("!" <= character <= "~" for character in target.asked)


@given(st.text(max_size=30) | st.tuples(st.text(max_size=9), st.integers()).map(lambda p: f"{p[0]}:{p[1]}"))
def test_authorities_are_refused_or_have_a_port(text: str) -> None:
    try:
        host, port = parse_authority(text)
    except Refused as refused:
        assert refused.status == 400
        return
    assert host and 0 < port < 65536


@pytest.mark.parametrize(
    ("address", "own"),
    [
        ("127.9.9.9", True),
        ("::1", True),
        ("fe80::1%eth0", True),
        ("::ffff:169.254.1.1", True),
        ("224.0.0.1", True),
        ("10.0.0.1", False),
        ("192.168.1.1", False),
        ("2001:db8::1", False),
        ("mirror.test", False),
    ],
)
def test_addresses_that_mean_this_machine_alone(address: str, own: bool) -> None:
    assert is_own(address) is own
