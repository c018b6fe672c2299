"""Secrets of Vault, Consul and AWS, from small servers that answer as those do."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from vmforge.sdk.interpolate import interpolator
from vmforge.template.expressions.errors import EvaluationError
from vmforge.template.functions.context import FunctionContext
from vmforge.template.functions.secrets import engine_functions

Evaluate = Callable[..., Any]
SECRETS = {
    "two": '{"user": "admin", "password": "hunter2", "port": 8080}',
    "one": '{"password": "hunter3"}',
    "plain": "hunter4",
    "list": "[1, 2]",
}


class Fake(BaseHTTPRequestHandler):
    """Vault, Consul and Secrets Manager at one address."""

    def do_GET(self) -> None:
        if self.path.startswith("/v1/kv/"):
            allowed = self.headers.get("X-Consul-Token") == "consul-token"
            found = {"/v1/kv/app/db?raw": b"from consul"}.get(self.path)
            status = 403 if not allowed else 200 if found else 404
            self._answer(status, found or b"no")
            return
        if self.headers.get("X-Vault-Token") != "vault-token":
            self._answer(403, b'{"errors": ["permission denied"]}')
            return
        found_data = {
            "/v1/secret/data/app": {"data": {"data": {"password": "from kv2", "port": 1}, "metadata": {}}},
            "/v1/kv1/app": {"data": {"password": "from kv1"}},
        }.get(self.path)
        text = json.dumps(found_data or {"errors": []}).encode()
        self._answer(200 if found_data else 404, text)

    def do_POST(self) -> None:
        wanted = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["SecretId"]
        if wanted == "binary":
            self._answer(200, b'{"Name": "binary", "SecretBinary": "AA=="}')
        elif wanted in SECRETS:
            self._answer(200, json.dumps({"Name": wanted, "SecretString": SECRETS[wanted]}).encode())
        else:
            error = {"__type": "ResourceNotFoundException", "Message": "no such secret"}
            self._answer(400, json.dumps(error).encode())

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        return


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Fake) as listening:
        threading.Thread(target=listening.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{listening.server_port}"
        listening.shutdown()


@pytest.fixture
def context(tmp_path: Path, started: Any, server: str, monkeypatch: pytest.MonkeyPatch) -> FunctionContext:
    """A context whose environment leads to the servers; boto3 reads the process's own."""
    environment = {
        "VAULT_ADDR": f"http://{server}",
        "VAULT_TOKEN": "vault-token",
        "CONSUL_HTTP_ADDR": server,
        "CONSUL_HTTP_TOKEN": "consul-token",
        "AWS_REGION": "eu-central-1",
    }
    for name, value in {
        "AWS_ACCESS_KEY_ID": "id",
        "AWS_SECRET_ACCESS_KEY": "key",
        "AWS_ENDPOINT_URL": f"http://{server}",
        "AWS_CONFIG_FILE": str(tmp_path / "none"),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none"),
    }.items():
        monkeypatch.setenv(name, value)
    return FunctionContext(tmp_path, started, environment)


@pytest.mark.parametrize(
    ("library", "expression", "secret"),
    [
        ("hvac", 'vault("secret/data/app", "password")', "from kv2"),
        ("hvac", 'vault("kv1/app", "password")', "from kv1"),
        ("json", 'consul_key("app/db")', "from consul"),
        ("boto3", 'aws_secretsmanager("two", "password")', "hunter2"),
        ("boto3", 'aws_secretsmanager("two", "port")', "8080"),
        ("boto3", 'aws_secretsmanager("one")', "hunter3"),
        ("boto3", 'aws_secretsmanager("plain")', "hunter4"),
        ("boto3", 'aws_secretsmanager_raw("two")', SECRETS["two"]),
    ],
)
def test_a_secret_is_read_and_kept_secret(
    library: str, expression: str, secret: str, value_of: Evaluate, context: FunctionContext
) -> None:
    pytest.importorskip(library)
    assert value_of(expression) == secret
    assert secret in context.secrets


@pytest.mark.parametrize(
    ("library", "expression", "message"),
    [
        ("hvac", 'vault("secret/data/app", "nothing")', "no text `nothing` at `secret/data/app`"),
        ("hvac", 'vault("secret/data/other", "password")', "no text `password`"),
        ("json", 'consul_key("other")', "no key `other` in Consul"),
        ("boto3", 'aws_secretsmanager("two")', "several fields"),
        ("boto3", 'aws_secretsmanager("two", "x")', "no text `x`"),
        ("boto3", 'aws_secretsmanager("list")', "no fields"),
        ("boto3", 'aws_secretsmanager("missing")', "no such secret"),
        ("boto3", 'aws_secretsmanager_raw("binary")', "is no text"),
    ],
)
def test_what_is_not_there_is_named(library: str, expression: str, message: str, value_of: Evaluate) -> None:
    pytest.importorskip(library)
    with pytest.raises(EvaluationError, match=message):
        value_of(expression)


def test_a_wrong_login_is_refused(value_of: Evaluate, context: FunctionContext) -> None:
    context.environment["CONSUL_HTTP_TOKEN"] = "wrong"  # type: ignore[index]  # a dict
    with pytest.raises(EvaluationError, match="403") as raised:
        value_of('consul_key("app/db")')
    assert "CONSUL_HTTP_TOKEN" in raised.value.diagnostic.hint


@pytest.mark.parametrize(
    ("library", "expression", "extra"),
    [("hvac", 'vault("a", "b")', "vmforge[vault]"), ("boto3", 'aws_secretsmanager("a")', "vmforge[aws]")],
)
def test_an_absent_library_is_named_with_its_extra(
    library: str, expression: str, extra: str, value_of: Evaluate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(EvaluationError, match=f"the library `{library}` is not installed") as raised:
        value_of(expression)
    assert extra in raised.value.diagnostic.hint


def test_the_engine_of_legacy_templates_has_the_same_functions(context: FunctionContext) -> None:
    secrets: set[str] = set()
    engine = interpolator().with_functions(engine_functions(context.environment, secrets))
    assert engine.render("x {{ consul_key `app/db` }}") == "x from consul"
    assert secrets == {"from consul"}
    with pytest.raises(ValueError, match="no key `other` in Consul"):
        engine.render("{{ consul_key `other` }}")
