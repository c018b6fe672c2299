"""Bastions, proxies and tunnels as templates write them."""

from __future__ import annotations

import pytest

from vmforge.communicators.ssh.addresses import (
    Hop,
    ProxyAddress,
    ProxyKind,
    Tunnel,
    parse_hops,
    parse_proxy,
    parse_tunnel,
)


@pytest.mark.parametrize(
    ("text", "hops"),
    [
        ("gate", [Hop("", "gate", 22)]),
        ("me@gate:2222", [Hop("me", "gate", 2222)]),
        ("a, b@c:1", [Hop("", "a", 22), Hop("b", "c", 1)]),
        ("[fe80::1]:2222", [Hop("", "fe80::1", 2222)]),
        ("fe80::1", [Hop("", "fe80::1", 22)]),
        ("me@corp@gate", None),
        ("gate:0", None),
        ("gate:70000", None),
        ("gate,", None),
    ],
)
def test_hops(text: str, hops: list[Hop] | None) -> None:
    if hops is None:
        with pytest.raises(ValueError):
            parse_hops(text, 22)
    else:
        assert list(parse_hops(text, 22)) == hops


@pytest.mark.parametrize(
    ("text", "kind", "host", "port"),
    [
        ("proxy", ProxyKind.SOCKS5, "proxy", 1080),
        ("proxy:99", ProxyKind.SOCKS5, "proxy", 99),
        ("socks5h://proxy", ProxyKind.SOCKS5, "proxy", 1080),
        ("HTTP://proxy:3128/", ProxyKind.HTTP, "proxy", 3128),
        ("http://[::1]:3128", ProxyKind.HTTP, "::1", 3128),
        ("::1", ProxyKind.SOCKS5, "::1", 1080),
    ],
)
def test_proxies(text: str, kind: ProxyKind, host: str, port: int) -> None:
    assert parse_proxy(text, 1080) == ProxyAddress(kind, host, port)


@pytest.mark.parametrize("text", ["", "http://", "https://proxy", "proxy:0x", "http://proxy/path"])
def test_what_is_no_proxy(text: str) -> None:
    with pytest.raises(ValueError):
        parse_proxy(text, 1080)


@pytest.mark.parametrize(
    ("text", "tunnel"),
    [
        ("8080:localhost:80", Tunnel("localhost", 8080, "localhost", 80)),
        ("0.0.0.0:8080:web:80", Tunnel("0.0.0.0", 8080, "web", 80)),
        ("*:8080:web:80", Tunnel("", 8080, "web", 80)),
        (":8080:web:80", Tunnel("", 8080, "web", 80)),
        ("8080:[::1]:80", Tunnel("localhost", 8080, "::1", 80)),
    ],
)
def test_tunnels(text: str, tunnel: Tunnel) -> None:
    assert parse_tunnel(text) == tunnel


@pytest.mark.parametrize("text", ["", "80", "80:host", "a:b:c", "80:host:http", "0:host:80", "80:host:65536"])
def test_what_is_no_tunnel(text: str) -> None:
    with pytest.raises(ValueError):
        parse_tunnel(text)
