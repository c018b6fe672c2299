"""The network policy: what is local, what mirrors make of URLs, what is refused offline."""

from __future__ import annotations

import pytest

from vmforge.sdk.network import (
    Mirror,
    Mirrors,
    Network,
    NetworkRefused,
    RemoteInput,
    RemoteKind,
    is_local,
    is_offline,
    shown_url,
)


@pytest.mark.parametrize(
    "url",
    [
        "/srv/a.iso",
        "a.iso",
        "file:///srv/a.iso",
        "file:relative.iso",
        "http://127.0.0.1:8080/a",
        "http://127.9.8.7/a",
        "http://[::1]/a",
        "https://user:secret@localhost/a",
        "http://LOCALHOST./a",
    ],
)
def test_files_and_loopback_addresses_are_no_network(url):
    assert is_local(url)
    assert Network(offline=True).locate(url) == url


@pytest.mark.parametrize(
    "url",
    [
        "http://a.example/a",
        "http://localhost.example/a",
        "http://127.0.0.1.example/a",
        "http://127.0.0.1@a.example/",
        "http://10.0.0.1/a",
        "http://0.0.0.0/a",
        "ftp://a.example/a",
        "http://[broken/a",
    ],
)
def test_everything_else_is_refused_offline_and_only_then(url):
    assert not is_local(url)
    assert Network().locate(url) == url
    with pytest.raises(NetworkRefused):
        Network(offline=True).locate(url)


def test_what_is_refused_is_shown_without_passwords_and_keys():
    with pytest.raises(NetworkRefused) as caught:
        Network(offline=True).locate("https://user:secret@a.example/b?key=secret")
    assert caught.value.message == "offline: `https://a.example/b` is not asked"


def test_the_longest_prefix_wins_and_a_place_is_not_looked_up_again():
    mirrors = Mirrors.of(
        [
            ("https://a.example/", "https://b.example/a/"),
            ("https://a.example/iso/", "file:///srv/iso/"),
            ("https://b.example/", "https://c.example/"),
        ]
    )
    assert mirrors.place_of("https://a.example/x?y=1") == "https://b.example/a/x?y=1"
    assert mirrors.place_of("https://a.example/iso/d/x%20y.iso?y=1#z") == "file:///srv/iso/d/x%20y.iso"
    assert mirrors.place_of("https://d.example/iso/") == "https://d.example/iso/"


def test_scheme_and_host_are_compared_without_case_and_the_path_with_it():
    mirrors = Mirrors.of([("HTTPS://A.example/Iso/", "https://b.example/")])
    assert mirrors.place_of("https://a.EXAMPLE/Iso/x") == "https://b.example/x"
    assert mirrors.place_of("https://a.example/iso/x") == "https://a.example/iso/x"


def test_a_prefix_ends_where_a_part_of_the_url_does():
    mirrors = Mirrors.of([("https://a.example", "https://b.example"), ("https://c/iso", "https://d/iso")])
    assert mirrors.place_of("https://a.example/x") == "https://b.example/x"
    assert mirrors.place_of("https://a.example.evil/x") == "https://a.example.evil/x"
    assert mirrors.place_of("https://c/isos/x") == "https://c/isos/x"


def test_slashes_do_not_pile_up_where_a_mirror_takes_over():
    mirrors = Mirrors.of([("http://a/debian/", "http://b/debian/"), ("http://c/debian", "http://d/debian")])
    assert mirrors.place_of("http://a/debian//dists/x") == "http://b/debian/dists/x"
    assert mirrors.place_of("http://c/debian//dists//x") == "http://d/debian/dists//x"


def test_a_mirrors_folder_is_not_left():
    mirrors = Mirrors.of([("https://a/", "file:///srv/a/")])
    assert mirrors.place_of("https://a/../../etc/shadow") == "https://a/../../etc/shadow"
    assert mirrors.place_of("https://a/%2e%2e/x") == "https://a/%2e%2e/x"


@pytest.mark.parametrize(
    ("prefix", "place", "complaint"),
    [
        ("a.example/", "file:///srv/", "`a.example/` is no `http://` or `https://` URL"),
        ("file:///a/", "file:///b/", "`file:///a/` is no `http://` or `https://` URL"),
        ("https://a/", "/srv/", "`/srv/` is no place of a mirror"),
        ("https://a/", "file://server/srv/", "`file://server/srv/` is no place of a mirror"),
        ("https://a/", "ftp://b/", "`ftp://b/` is no place of a mirror"),
        ("https://a/?x", "https://b/", "must be the beginnings of URLs"),
        ("https://a/", "https://b", "must both end with `/`, or neither"),
    ],
)
def test_a_wrong_pair_is_told(prefix, place, complaint):
    with pytest.raises(ValueError) as caught:
        Mirror.parse(prefix, place)
    assert complaint in str(caught.value)


def test_a_mirror_on_this_machine_is_asked_offline():
    network = Network(offline=True, mirrors=Mirrors.of([("https://a/", "http://localhost:1/")]))
    assert network.locate("https://a/x") == "http://localhost:1/x"
    assert not network.allows("https://b/x")


def test_what_is_missing_is_noted_once():
    network, missing = Network(), RemoteInput(RemoteKind.DATA, "its answer", ("https://a/",))
    network.miss(missing)
    network.miss(missing)
    assert network.missing == (missing,)


@pytest.mark.parametrize(("text", "offline"), [("1", True), ("yes", True), ("0", False), ("False", False)])
def test_the_environment_asks_for_no_network(text, offline):
    assert is_offline({"VMFORGE_OFFLINE": text}) is offline
    assert not is_offline({})


def test_urls_that_cannot_be_read_are_not_shown():
    assert shown_url("http://[user:secret@x") == "http://..."
