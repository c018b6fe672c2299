from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmforge.media.checksum import (
    Algorithm,
    Checksum,
    ChecksumList,
    ListedChecksum,
    choose,
    parse_checksum,
    parse_list,
)

DIGESTS = {algorithm: hashlib.new(algorithm, b"x").hexdigest() for algorithm in Algorithm}


@pytest.mark.parametrize("algorithm", list(Algorithm))
def test_the_type_is_stated_or_told_by_the_length(algorithm):
    expected = Checksum(algorithm, DIGESTS[algorithm])
    assert parse_checksum(f"{algorithm}:{DIGESTS[algorithm]}") == expected
    assert parse_checksum(f"{algorithm.upper()}:{DIGESTS[algorithm].upper()}") == expected
    assert parse_checksum(f" {DIGESTS[algorithm]} ") == expected


def test_none_and_lists():
    assert parse_checksum("none") is None
    assert parse_checksum("file:https://example.com/SHA256SUMS") == ChecksumList(
        "https://example.com/SHA256SUMS"
    )
    assert parse_checksum("file:./SUMS") == ChecksumList("./SUMS")
    assert parse_checksum("file:///srv/SUMS") == ChecksumList("///srv/SUMS")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "a digest has 32 (md5), 40 (sha1), 64 (sha256), 128 (sha512) hexadecimal digits"),
        ("deadbeef", "`deadbeef` is not a checksum: a digest has"),
        ("g" * 64, "is not a checksum: a digest has"),
        ("sha256:abc", "a sha256 checksum has 64 hexadecimal digits, not `abc`"),
        ("md5:" + DIGESTS[Algorithm.SHA1], "a md5 checksum has 32 hexadecimal digits"),
        ("crc32:12345678", "write `sha256:` and the digest, `file:` and the place of a list, or `none`"),
        ("https://example.com/SHA256SUMS", "`file:` and the place of a list"),
        ("file:", "`file:` needs the URL or path"),
    ],
)
def test_malformed_checksums(text, message):
    with pytest.raises(ValueError) as caught:
        parse_checksum(text)
    assert message in str(caught.value)


SHA256, SHA512, MD5 = DIGESTS[Algorithm.SHA256], DIGESTS[Algorithm.SHA512], DIGESTS[Algorithm.MD5]
OTHER = hashlib.sha256(b"other").hexdigest()


@pytest.mark.parametrize(
    "text",
    [
        f"{OTHER}  other.iso\n{SHA256}  x.iso\n",
        f"{OTHER} *other.iso\r\n{SHA256} *x.iso\r\n",
        f"{OTHER}  ./other.iso\n{SHA256}  ./iso/x.iso\n",
        f"{OTHER}  deep/x.iso\n{SHA256}  iso/x.iso\n",
        f"# x.iso: 12345 bytes\nSHA256 (x.iso) = {SHA256}\nSHA256 (other.iso) = {OTHER}\n",
        f"SHA2-256(x.iso)= {SHA256.upper()}\n",
        f"\\{SHA256}  x.iso\n",
        "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\n"
        f"{SHA256}  x.iso\n-----BEGIN PGP SIGNATURE-----\n\niQIzBAEBCAAdFiEE\n-----END PGP SIGNATURE-----\n",
        f"# MD5 HASH\n{MD5}  x.iso\n# SHA256 HASH\n{SHA256}  x.iso\n",
        f"{SHA256}\n",
        f"SHA3-256 (x.iso) = {OTHER}\nSHA256 (x.iso) = {SHA256}\n",
        f"{OTHER}  x.iso.torrent\n{SHA256}  x.iso\n",
    ],
)
def test_lists_of_publishers(text):
    chosen = choose(parse_list(text), ["/pub/iso/x.iso"])
    assert chosen == Checksum(Algorithm.SHA256, SHA256)


def test_the_strongest_type_wins():
    listed = parse_list(f"SHA512 (x.iso) = {SHA512}\nSHA256 (x.iso) = {SHA256}\nMD5 (x.iso) = {MD5}\n")
    assert choose(listed, ["/x.iso"]) == Checksum(Algorithm.SHA512, SHA512)


def test_a_list_that_is_about_other_files():
    assert choose(parse_list(f"{SHA256}  y.iso\n{OTHER}  xx.iso\n"), ["/x.iso"]) is None
    assert choose(parse_list("<html>not found</html>"), ["/x.iso"]) is None
    assert choose([], ["/x.iso"]) is None
    # a nameless digest among named ones is nobody's
    assert choose(parse_list(f"{SHA256}\n{OTHER}  y.iso\n"), ["/x.iso"]) is None


def test_a_namesake_in_another_folder_counts_when_it_is_the_only_one():
    listed = parse_list(f"{SHA256}  amd64/x.iso\n")
    assert choose(listed, ["/srv/x.iso"]) == Checksum(Algorithm.SHA256, SHA256)
    listed = parse_list(f"{SHA256}  amd64/x.iso\n{OTHER}  arm64/x.iso\n")
    assert choose(listed, ["/srv/x.iso"]) is None


NAMES = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=20).filter(
    lambda name: not name.startswith("*") and not set(name) <= set("./") and "/" not in name
)


@given(st.dictionaries(NAMES, st.tuples(st.sampled_from(Algorithm), st.binary()), min_size=1), st.booleans())
def test_every_file_of_a_list_is_found(files: dict[str, tuple[Algorithm, bytes]], bsd: bool) -> None:
    expected = {
        name: Checksum(algorithm, hashlib.new(algorithm, data).hexdigest())
        for name, (algorithm, data) in files.items()
    }
    lines = [
        f"{checksum.algorithm.upper()} ({name}) = {checksum.digest}" if bsd else f"{checksum.digest}  {name}"
        for name, checksum in expected.items()
    ]
    listed = parse_list("\n".join(lines))
    assert listed == [ListedChecksum(checksum, name) for name, checksum in expected.items()]
    for name, checksum in expected.items():
        assert choose(listed, [f"/mirror/{name}"]) == checksum


@given(st.text())
def test_any_text_can_be_read_as_a_list(text: str) -> None:
    for item in parse_list(text):
        assert len(item.checksum.digest) == item.checksum.algorithm.digits
