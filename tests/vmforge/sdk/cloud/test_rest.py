"""The REST client against a real server: what it repeats, what it does not, and what it says."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.vmforge.sdk.cloud.conftest import Reply, Scripted
from vmforge.errors import Interrupted
from vmforge.sdk import Cancellation
from vmforge.sdk.cloud import CloudError, Rest
from vmforge.sdk.network import Network, NetworkRefused

QUICK = (0.01, 0.05)


def client(server: Scripted, **changes: Any) -> Rest:
    options: dict[str, Any] = {"network": Network(), "cancellation": Cancellation(), "pauses": QUICK}
    return Rest("the cloud", f"{server.url}/v1", **(options | changes))


def test_a_request(server: Scripted) -> None:
    server.replies = [Reply(body={"id": 7})]
    rest = client(server, headers=lambda: {"Authorization": "Bearer t"})
    assert rest.post("/things", {"name": "x"}, params={"dry": "1"}) == {"id": 7}
    (asked,) = server.asked
    assert (asked.method, asked.path, asked.body) == ("POST", "/v1/things?dry=1", b'{"name": "x"}')
    assert asked.headers["authorization"] == "Bearer t"
    assert asked.headers["user-agent"] == "vmforge"
    rest.close()


def test_a_login_of_netrc_does_not_take_the_place_of_ours(
    server: Scripted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login somebody password else\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    client(server, headers=lambda: {"Authorization": "Bearer t"}).get("/x")
    assert server.asked[0].headers["authorization"] == "Bearer t"


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("status", [429, 503])
def test_what_was_not_done_is_asked_for_again(server: Scripted, method: str, status: int) -> None:
    server.replies = [Reply(status), Reply(status), Reply(body={"id": 7})]
    assert client(server).request(method, "/x").body == {"id": 7}
    assert server.lines == [f"{method} /v1/x"] * 3


def test_codes_can_mean_too_many_requests_as_well(server: Scripted) -> None:
    server.replies = [Reply(403, {"error": {"code": "slowDown", "message": "wait"}}), Reply(body={})]
    client(server, busy=["slowDown"]).post("/x")
    assert len(server.asked) == 2


def test_retry_after_is_heeded(server: Scripted) -> None:
    server.replies = [Reply(429, headers={"Retry-After": "1"}), Reply()]
    began = time.monotonic()
    client(server).get("/x")
    assert time.monotonic() - began >= 1


def test_a_wait_that_is_too_long_fails_at_once(server: Scripted) -> None:
    server.replies = [Reply(429, {"message": "slow down"}, {"Retry-After": "3600"})]
    with pytest.raises(CloudError, match="the cloud: slow down") as caught:
        client(server).get("/x")
    assert (caught.value.status, caught.value.transient, len(server.asked)) == (429, True, 1)


def test_patience_ends(server: Scripted) -> None:
    server.replies = [Reply(503, {"message": "later"})]
    with pytest.raises(CloudError, match="later"):
        client(server, patience=0.2).get("/x")
    assert len(server.asked) > 1


def test_repeats_are_counted(server: Scripted) -> None:
    server.replies = [Reply(503)]
    with pytest.raises(CloudError):
        client(server, repeats=2).get("/x")
    assert len(server.asked) == 3


@pytest.mark.parametrize("reply", [Reply(500), Reply(502), Reply(504), Reply(drop=True)])
@pytest.mark.parametrize(
    ("method", "count"), [("GET", 2), ("PUT", 2), ("DELETE", 2), ("POST", 1), ("PATCH", 1)]
)
def test_what_may_have_been_done_is_repeated_only_where_that_does_no_harm(
    server: Scripted, reply: Reply, method: str, count: int
) -> None:
    server.replies = [reply, Reply()]
    rest = client(server)
    if count == 1:
        with pytest.raises(CloudError) as caught:
            rest.request(method, "/x", {})
        assert caught.value.transient
    else:
        rest.request(method, "/x", {})
    assert len(server.asked) == count


def test_a_post_that_does_no_harm_can_be_repeated(server: Scripted) -> None:
    server.replies = [Reply(drop=True), Reply(body=1)]
    assert client(server).request("POST", "/x", repeatable=True).body == 1


def test_a_stream_is_sent_once(server: Scripted) -> None:
    server.replies = [Reply(503)]
    with pytest.raises(CloudError):
        client(server).request("PUT", "/x", data=iter([b"ab", b"c"]))
    assert [asked.body for asked in server.asked] == [b"abc"]


@pytest.mark.parametrize(
    ("body", "said", "code"),
    [
        ({"error": {"code": 404, "status": "NOT_FOUND", "message": "no x"}}, "no x (NOT_FOUND)", "NOT_FOUND"),
        ({"error": {"code": "ImageNotFound", "message": "no x"}}, "no x (ImageNotFound)", "ImageNotFound"),
        ({"id": "not_found", "message": "no x"}, "no x (not_found)", "not_found"),
        ({"error": "invalid_grant", "error_description": "no x"}, "no x (invalid_grant)", "invalid_grant"),
        (b"<html>gone", "<html>gone", ""),
        (b"", "GET http://", ""),
    ],
)
def test_errors_speak(server: Scripted, body: object, said: str, code: str) -> None:
    server.replies = [Reply(404, body)]
    with pytest.raises(CloudError) as caught:
        client(server).get("/x")
    assert caught.value.message.startswith(f"the cloud: {said}")
    assert (caught.value.code, caught.value.status, caught.value.transient) == (code, 404, False)
    assert caught.value.is_absence


def test_an_error_does_not_show_a_key_in_the_url(server: Scripted) -> None:
    server.replies = [Reply(404, b"")]
    with pytest.raises(CloudError) as caught:
        client(server).get(f"{server.url}/x?key=s3cret")
    assert "s3cret" not in caught.value.message


def test_all_pages(server: Scripted) -> None:
    last = {"items": [3]}
    server.replies = [Reply(body={"items": [1, 2], "next": f"{server.url}/v1/more?page=2"}), Reply(body=last)]
    pages = client(server).pages("/things", "items", lambda page: page.get("next", ""), size=2)
    assert list(pages) == [1, 2, 3]
    assert server.lines == ["GET /v1/things?size=2", "GET /v1/more?page=2"]


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_cancellation_ends_a_read_that_hangs(server: Scripted, method: str) -> None:
    server.replies = [Reply(hang=True)]
    cancellation = Cancellation()
    ended: list[BaseException] = []

    def ask() -> None:
        try:
            client(server, cancellation=cancellation).request(method, "/x")
        except BaseException as error:
            ended.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    assert server.arrived.wait(20)
    cancellation.cancel()
    thread.join(20)
    assert [type(error) for error in ended] == [Interrupted]


def test_an_interrupted_build_hears_what_it_made(server: Scripted) -> None:
    cancellation = Cancellation()
    server.replies = [Reply(body={"id": 7})]
    inner = server.next_reply

    def slow() -> Reply:
        cancellation.cancel()
        return inner()

    server.next_reply = slow  # type: ignore[method-assign]
    rest = client(server, cancellation=cancellation)
    assert rest.post("/x") == {"id": 7}
    with pytest.raises(Interrupted):
        rest.post("/x")
    assert len(server.asked) == 1


def test_cancellation_ends_the_pause_before_another_try(server: Scripted) -> None:
    server.replies = [Reply(429, headers={"Retry-After": "100"})]
    cancellation = Cancellation()
    timer = threading.Timer(0.2, cancellation.cancel)
    timer.start()
    with pytest.raises(Interrupted):
        client(server, cancellation=cancellation, patience=1000).get("/x")
    timer.join()


def test_it_works_again_once_the_cancellation_is_withdrawn(server: Scripted) -> None:
    cancellation = Cancellation()
    rest = client(server, cancellation=cancellation)
    rest.get("/x")
    cancellation.cancel()
    with pytest.raises(Interrupted):
        rest.get("/x")
    cancellation.withdraw()
    rest.delete("/x")
    assert server.lines == ["GET /v1/x", "DELETE /v1/x"]


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    rest = Rest(
        "the cloud",
        f"http://127.0.0.1:{port}",
        network=Network(),
        cancellation=Cancellation(),
        patience=0.3,
        pauses=QUICK,
    )
    with pytest.raises(CloudError, match="does not answer: Connection refused") as caught:
        rest.get("/x")
    assert caught.value.transient


def test_a_name_that_does_not_exist_is_not_asked_for_again() -> None:
    rest = Rest("the cloud", "http://nothing.invalid", network=Network(), cancellation=Cancellation())
    began = time.monotonic()
    with pytest.raises(CloudError, match="does not answer: ") as caught:
        rest.get("/x")
    # a resolver that cannot be reached may say "try again", which is another error
    assert not caught.value.transient or time.monotonic() - began > 1


def test_offline_nothing_is_asked() -> None:
    rest = Rest("c", "https://cloud.example", network=Network(offline=True), cancellation=Cancellation())
    with pytest.raises(NetworkRefused, match=r"offline: `https://cloud.example/x` is not asked"):
        rest.get("/x")


def test_offline_no_redirect_leads_away(server: Scripted) -> None:
    server.replies = [Reply(302, b"", {"Location": "https://cloud.example/"}), Reply()]
    assert client(server, network=Network(offline=True)).request("GET", "/x").status == 302


@pytest.fixture
def untrusted(server: Scripted, tmp_path: Path) -> Path:
    """A certificate of the server's own, with its key in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path = tmp_path / "server.pem"
    path.write_bytes(private + certificate.public_bytes(pem))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    server.http.socket = context.wrap_socket(server.http.socket, server_side=True)
    server.url = f"https://localhost:{server.http.server_port}"
    return path


def test_a_certificate_that_nobody_vouches_for(server: Scripted, untrusted: Path) -> None:
    with pytest.raises(CloudError) as caught:
        client(server).get("/x")
    said = f"the cloud: the connection to `{server.url}/v1/x` is not secure: self-signed certificate"
    assert caught.value.message.startswith(said)
    assert not caught.value.transient


@pytest.mark.parametrize("known", [True, False])
def test_a_certificate_that_the_user_trusts(server: Scripted, untrusted: Path, known: bool) -> None:
    client(server, verify=str(untrusted) if known else False).get("/x")
    assert server.lines == ["GET /v1/x"]
