"""Where the proxy does not lead, and the ways around: redirects, tunnels, proxies behind it."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vmforge.package_cache.proxy import Proxy
from vmforge.package_cache.upstream import Upstream
from vmforge.sdk.network import Mirrors
from vmforge.sdk.packages import PackageCounts

MIRROR = "http://mirror.test"
DEB = "/debian/pool/main/h/hello/hello_2.10-3_amd64.deb"


def say(proxy: Proxy, request: bytes) -> bytes:
    """The raw answer to raw bytes, until the proxy ends it."""
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=30) as client:
        client.sendall(request)
        client.shutdown(socket.SHUT_WR)
        said = b""
        try:
            while chunk := client.recv(65536):
                said += chunk
        except ConnectionResetError:
            pass  # it closed with some of the bytes unread
    return said


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "[::1]", "127.1", "0.0.0.0", "169.254.169.254", "[::ffff:127.0.0.1]"]
)
def test_a_guest_is_kept_from_this_machines_own_addresses(
    ask: Any, proxy: Proxy, mirror: Any, host: str
) -> None:
    answer = ask(proxy, f"http://{host}:{mirror.port}/")
    assert answer.status == 403 and "the build's own machine" in answer.body.decode()
    assert b"403" in say(proxy, f"CONNECT {host}:{mirror.port} HTTP/1.1\r\n\r\n".encode())
    assert not mirror.requests


def test_a_redirect_does_not_lead_there_either(ask: Any, proxy: Proxy, mirror: Any) -> None:
    inside = f"http://localhost:{mirror.port}/secret"
    mirror.pages |= {
        DEB: mirror.page(status=302, headers={"Location": inside}),
        "/secret": mirror.page(b"secret"),
    }
    assert ask(proxy, DEB).status == 403
    assert mirror.asked == [f"GET {DEB}"]


def test_redirects_are_followed_and_kept_under_the_first_name(ask: Any, start: Any, mirror: Any) -> None:
    mirror.pages |= {
        DEB: mirror.page(status=302, headers={"Location": "/there"}),
        "/there": mirror.page(status=307, headers={"Location": f"{MIRROR}/here"}),
        "/here": mirror.page(b"package"),
    }
    assert ask(start(), DEB).body == ask(start(), DEB).body == b"package"
    assert mirror.asked == [f"GET {DEB}", "GET /there", "GET /here"]


def test_redirects_in_a_circle(ask: Any, proxy: Proxy, mirror: Any) -> None:
    mirror.pages[DEB] = mirror.page(status=302, headers={"Location": DEB})
    answer = ask(proxy, DEB)
    assert answer.status == 502 and "redirects" in answer.body.decode()


def test_a_request_that_leads_back(ask: Any, proxy: Proxy, mirror: Any) -> None:
    assert ask(proxy, f"http://127.0.0.1:{proxy.port}/").status == 508
    assert ask(proxy, DEB, {"Via": f"1.0 other, 1.1 {proxy.cache.name}"}).status == 508
    mirror.pages[DEB] = mirror.page(b"package")
    ask(proxy, DEB)
    assert mirror.requests[0][2]["Via"] == f"1.1 {proxy.cache.name}"


@pytest.mark.parametrize(
    ("request_line", "status", "words"),
    [
        ("GET /preseed.cfg HTTP/1.1", 400, "this is a proxy"),
        ("GET ftp://mirror.test/x HTTP/1.1", 400, "over HTTP only"),
        ("GET file:///etc/shadow HTTP/1.1", 400, "over HTTP only"),
        ("GET http://name:word@mirror.test/ HTTP/1.1", 400, "Authorization"),
        ("GET http://mirror.test:99999/ HTTP/1.1", 400, "no URL"),
        ("GET http:///x HTTP/1.1", 400, "not the name of a host"),
        ("POST http://mirror.test/ HTTP/1.1", 405, "POST"),
        ("CONNECT mirror.test HTTP/1.1", 400, "host:443"),
        ("CONNECT mirror.test:22 HTTP/1.1", 403, "port 22"),
        ("nonsense", 400, "nonsense"),
    ],
)
def test_what_is_no_request_for_a_package(proxy: Proxy, request_line: str, status: int, words: str) -> None:
    said = say(proxy, f"{request_line}\r\nHost: x\r\n\r\n".encode()).decode()
    assert str(status) in said.partition("\r\n")[0] + said and words in said


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.binary(max_size=300)
    | st.text(st.characters(codec="latin-1"), max_size=80).map(
        lambda text: f"GET {MIRROR}/{text} HTTP/1.1\r\n{text}: {text}\r\n\r\n".encode("latin-1")
    )
)
def test_no_bytes_upset_it(ask: Any, proxy: Proxy, mirror: Any, request_bytes: bytes) -> None:
    said = say(proxy, request_bytes)
    assert b" 500 " not in said.partition(b"\r\n")[0]
    assert ask(proxy, "/InRelease").status == 404


# -- names of this machine ---------------------------------------------------------------------


def test_this_machine_by_the_guests_name_for_it(ask: Any, start: Any, mirror: Any) -> None:
    """Installers that know the proxy ask it for their answer files, too."""
    proxy = start(reaches=False, offline=True, aliases={"10.0.2.2": "127.0.0.1"})
    mirror.pages["/preseed.cfg"] = mirror.page(b"d-i", {"ETag": '"1"'})
    for _ in range(2):
        assert ask(proxy, f"http://10.0.2.2:{mirror.port}/preseed.cfg").body == b"d-i"
    assert len(mirror.requests) == 2 and not proxy.cache.shelf.objects()
    assert proxy.counts() == PackageCounts()
    assert ask(proxy, f"http://10.0.2.2:{proxy.port}/").status == 508


# -- tunnels -----------------------------------------------------------------------------------


@pytest.fixture
def echo() -> Iterator[int]:
    """A server that sends back what it gets until its client is done."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                while chunk := connection.recv(65536):
                    connection.sendall(chunk)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield listener.getsockname()[1]
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join()


def test_a_tunnel_passes_bytes_both_ways(start: Any, echo: int) -> None:
    proxy = start(aliases={"host.test": "127.0.0.1"})
    early = b"said before the answer" + bytes(200_000)
    said = say(proxy, f"CONNECT host.test:{echo} HTTP/1.1\r\nHost: x\r\n\r\n".encode() + early)
    head, _, body = said.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200") and body == early
    proxy.__exit__(None, None, None)
    counts = proxy.counts()
    assert (counts.tunnels, counts.tunnelled, counts.from_mirrors) == (1, len(early), 0)


def test_an_open_tunnel_ends_with_the_build(start: Any, echo: int) -> None:
    proxy = start(aliases={"host.test": "127.0.0.1"})
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=30) as client:
        client.sendall(f"CONNECT host.test:{echo} HTTP/1.1\r\n\r\n".encode())
        assert client.recv(65536).startswith(b"HTTP/1.1 200")
        proxy.__exit__(None, None, None)
        assert client.recv(65536) == b""


def test_a_tunnel_that_finds_no_end_ends_with_the_build(start: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    proxy = start()
    silent, begun = threading.Event(), threading.Event()

    def connect(*arguments: Any) -> socket.socket:
        begun.set()
        silent.wait(30)
        return socket.socket()

    monkeypatch.setattr(proxy.cache.upstream, "tunnel", connect)
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=30) as client:
        client.sendall(b"CONNECT silent.test:443 HTTP/1.1\r\n\r\n")
        assert begun.wait(30)
        proxy.__exit__(None, None, None)
    assert not silent.is_set()
    silent.set()


def test_offline_there_are_no_tunnels(start: Any) -> None:
    proxy = start(offline=True)
    assert b"504" in say(proxy, b"CONNECT pypi.test:443 HTTP/1.1\r\n\r\n")
    assert proxy.missing() == ("https://pypi.test/",)


# -- proxies of the user's ---------------------------------------------------------------------


def test_the_users_own_proxy_is_asked(ask: Any, start: Any, mirror: Any) -> None:
    proxy = start(reaches=False)
    environment = {"http": f"http://me:word@127.0.0.1:{mirror.port}", "no": "direct.test"}
    proxy.cache.upstream = Upstream(environment=environment)
    mirror.pages[DEB] = mirror.page(b"package")
    assert ask(proxy, DEB).body == b"package"
    assert mirror.asked == [f"GET {MIRROR}{DEB}"]
    assert mirror.requests[0][2]["Proxy-Authorization"] == "Basic bWU6d29yZA=="
    assert ask(proxy, "http://127.0.0.1:1/").status == 403
    assert ask(proxy, "http://[fe80::1]/").status == 403
    assert ask(proxy, "http://direct.test/").status == 502
    assert len(mirror.requests) == 1


def test_a_tunnel_through_the_users_own_proxy(start: Any, mirror: Any, echo: int) -> None:
    second = start(reaches=False, aliases={"far.test": "127.0.0.1"})
    proxy = start(reaches=False)
    proxy.cache.upstream = Upstream(environment={"https": f"http://127.0.0.1:{second.port}"})
    said = say(proxy, f"CONNECT far.test:{echo} HTTP/1.1\r\n\r\n".encode() + b"hello")
    assert said.endswith(b"\r\n\r\nhello")
    assert b"502" in say(proxy, b"CONNECT far.test:1025 HTTP/1.1\r\n\r\n")


# -- TLS ---------------------------------------------------------------------------------------


@pytest.fixture
def tls_mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A mirror with a certificate for `localhost` that this machine trusts; every path has the same body."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now - timedelta(1), now + timedelta(1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (tmp_path / "cert.pem").write_bytes(pem)
    (tmp_path / "both.pem").write_bytes(pem + secret)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert.pem"))

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"by TLS")

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "both.pem")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_mirror_that_redirects_to_https(ask: Any, start: Any, mirror: Any, tls_mirror: int) -> None:
    place = f"https://localhost:{tls_mirror}/"
    mirror.pages[DEB] = mirror.page(status=301, headers={"Location": f"https://secure.test{DEB}"})
    mirrors = [(f"{MIRROR}/", f"http://127.0.0.1:{mirror.port}/"), ("https://secure.test/", place)]
    proxy = start(reaches=False, mirrors=Mirrors.of(mirrors))
    answer = ask(proxy, DEB)
    assert (answer.status, answer.body) == (200, b"by TLS")
    # a body that only the end of its connection ends may be a part of it
    assert not proxy.cache.shelf.objects()


def test_a_certificate_that_is_not_trusted(
    ask: Any, start: Any, tls_mirror: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    mirrors = Mirrors.of([(f"{MIRROR}/", f"https://localhost:{tls_mirror}/")])
    answer = ask(start(reaches=False, mirrors=mirrors), DEB)
    assert answer.status == 502 and "certificate" in answer.body.decode().lower()
