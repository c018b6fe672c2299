"""Every type of parameter: what it takes, what templates get of it, and what is said about the rest."""

from __future__ import annotations

import pytest

from boot_configs import Network, Parameter, ParameterType, load, names
from boot_configs.parameters import Extent, Url, decode

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5 me"

TAKEN: list[tuple[str, object, object]] = [
    ("string", "a b", "a b"),
    ("string", 5, "5"),
    ("text", "a\nb", "a\nb"),
    ("word", "linux-image-amd64", "linux-image-amd64"),
    ("user", "ada_1", "ada_1"),
    ("password", "a b'\"$", "a b'\"$"),
    ("hash", "$6$rounds=5000$salt$aB./1", "$6$rounds=5000$salt$aB./1"),
    ("hash", "$y$j9T$F5Jx5fExrKuPp53xLKQ..1$X3DX6M94c7o", "$y$j9T$F5Jx5fExrKuPp53xLKQ..1$X3DX6M94c7o"),
    ("keys", KEY, (KEY,)),
    ("keys", [f"{KEY}\n\n{KEY}\n", KEY], (KEY, KEY, KEY)),
    ("bool", "true", True),
    ("bool", False, False),
    ("integer", "12", 12),
    ("size", "8G", Extent(8 * 2**30)),
    ("size", "512 MiB", Extent(512 * 2**20)),
    ("size", 4096, Extent(4096)),
    ("duration", "1h30m", "1h30m"),
    ("list", "one", ("one",)),
    ("list", ["a", 2], ("a", "2")),
    ("hostname", "web-1", "web-1"),
    ("domain", "", ""),
    ("domain", "lab.example.org", "lab.example.org"),
    ("locale", "de_AT.UTF-8@euro", "de_AT.UTF-8@euro"),
    ("timezone", "America/Argentina/Buenos_Aires", "America/Argentina/Buenos_Aires"),
    ("disk", "auto", "auto"),
    ("disk", "/dev/nvme0n1", "/dev/nvme0n1"),
    ("url", "http://m.example:81/a/", Url("http://m.example:81/a", "http", "m.example:81", "/a")),
    ("url", "https://m.example", Url("https://m.example", "https", "m.example", "/")),
    ("url", "", ""),
    ("network", "dhcp", Network()),
    (
        "network",
        {"address": "192.0.2.5/25", "gateway": "192.0.2.1", "dns": "192.0.2.2"},
        Network(False, "192.0.2.5", 25, "255.255.255.128", "192.0.2.1", ("192.0.2.2",)),
    ),
]

REFUSED: list[tuple[str, object, str]] = [
    ("string", ["a"], "expected a string, not a list"),
    ("string", "a\nb", "expected one line without control characters"),
    ("word", "a b", "`a b` is not a plain word"),
    ("user", "Ada", "`Ada` is not a user's name, as in `builder`"),
    ("user", "a" * 33, f"`{'a' * 33}` is not a user's name, as in `builder`"),
    ("password", {"a": 1}, "expected a string"),
    ("hash", "secret", "that is no hash of crypt's, as in `$6$salt$...`"),
    ("keys", "secret", "`secret` is not a public SSH key, as in `ssh-ed25519 AAAA...`"),
    (
        "keys",
        "-----BEGIN OPENSSH PRIVATE KEY-----",
        "that is a private key; the public one is in the file with `.pub`",
    ),
    ("bool", "yes", 'expected `true` or `false`, not "yes"'),
    ("integer", "-1", "expected a whole number, not `-1`"),
    ("integer", True, "expected a whole number, not `true`"),
    ("size", "8 GX", "`8 GX` is not a size, as in `512M` or `8G`"),
    ("duration", "soon", "`soon` is not a duration, as in `30m`"),
    ("list", [["a"]], "expected a string, not a list"),
    ("hostname", "a.b", "`a.b` is not a host's name, as in `web-1`"),
    ("domain", "-.org", "`-.org` is not a domain, as in `example.org`"),
    ("locale", "german", "`german` is not a locale, as in `de_DE.UTF-8`"),
    ("timezone", "berlin", "`berlin` is not a time zone, as in `Europe/Berlin`"),
    ("disk", "the first", "`the first` is not a disk, as in `/dev/vda`, and not `auto`"),
    ("url", "ftp://m", "`ftp://m` is not a URL, as in `http://mirror.example.org/debian`"),
    ("url", "http://m/'x", "`http://m/'x` is not a URL, as in `http://mirror.example.org/debian`"),
    ("network", "static", 'expected `dhcp`, or `{ address = "192.0.2.5/24", gateway = ..., dns = [...] }`'),
    ("network", {"addres": "192.0.2.5/24"}, "`addres` is none of `address`, `gateway`, `dns`"),
    (
        "network",
        {"address": "192.0.2.5"},
        '`address` needs the length of its network, as in `"192.0.2.5/24"`',
    ),
    (
        "network",
        {"address": "192.0.2.500/24"},
        "`192.0.2.500/24` does not appear to be an IPv4 or IPv6 interface",
    ),
]


def one(kind: str, **more: object) -> dict[str, Parameter]:
    return {"x": Parameter("x", ParameterType(kind), "help", **more)}  # type: ignore[arg-type]


@pytest.mark.parametrize(("kind", "given", "expected"), TAKEN)
def test_a_value_is_taken(kind: str, given: object, expected: object) -> None:
    assert decode(one(kind), {"x": given}, "it") == ({"x": expected}, [])


@pytest.mark.parametrize(("kind", "given", "complaint"), REFUSED)
def test_a_value_is_refused(kind: str, given: object, complaint: str) -> None:
    _, problems = decode(one(kind), {"x": given}, "it")
    assert [(p.name, p.summary) for p in problems] == [("x", f"`boot_params`: `x`: {complaint}")]


def test_every_type_is_tried() -> None:
    assert {kind for kind, *_ in TAKEN} | {"choice"} == {kind.value for kind in ParameterType}


def test_a_choice() -> None:
    declared = one("choice", default="plain", choices=("plain", "lvm"))
    assert decode(declared, {"x": None}, "it")[0] == {"x": "plain"}
    assert decode(declared, {"x": "lvm"}, "it")[1] == []
    (problem,) = decode(declared, {"x": "lvmm"}, "it")[1]
    assert problem.summary == "`boot_params`: `x`: `lvmm` is none of `plain`, `lvm`; did you mean `lvm`?"


@pytest.mark.parametrize("kind", [kind for kind in ParameterType if kind is not ParameterType.NETWORK])
def test_what_has_no_value_is_false(kind: ParameterType) -> None:
    values, problems = decode(one(kind), {}, "it")
    assert not values["x"]
    assert not problems


def test_an_unknown_parameter_is_named_with_what_it_may_have_been() -> None:
    (problem,) = load("debian-12").check({"hostnam": "x"})
    assert problem.name == "hostnam"
    assert problem.summary == "`boot_params`: Debian 12 (bookworm) has no parameter `hostnam`"
    assert problem.hint == "did you mean `hostname`?"
    (problem,) = load("debian-12").check({"frobnicate": "x"})
    assert problem.hint.startswith("it knows `authorized_keys`, ")


def test_everything_wrong_is_said_at_once() -> None:
    problems = load("debian-12").check(
        {"user": "Ada", "swap": "much", "password": "a", "password_hash": "$6$a$b"}
    )
    assert [problem.name for problem in problems] == ["user", "swap", "password_hash"]


@pytest.mark.parametrize("name", ["root", "sudo"])
def test_what_needs_a_password_says_so(name: str) -> None:
    (problem,) = load("debian-12").check({name: "password"})
    assert problem.summary == f"`boot_params`: `{name}` asks for a password, and there is none"
    assert not load("debian-12").check({name: "password", "password": "x"})


@pytest.mark.parametrize("name", names())
def test_parameters_explain_themselves(name: str) -> None:
    config = load(name)
    assert not config.check({})
    for parameter in config.parameters.values():
        assert parameter.help.endswith("."), parameter.name
        assert not parameter.choices or parameter.default in (*parameter.choices, "", None), parameter.name
