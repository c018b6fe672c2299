"""Secrets never show."""

from __future__ import annotations

import base64
import json
import shlex
import subprocess
import threading
from urllib.parse import quote, quote_plus, urlencode

import pytest

from vmforge.sdk.redaction import PLACEHOLDER, Redactor, without_literals


@pytest.mark.parametrize(
    ("secrets", "text", "expected"),
    [
        ([], "plain", "plain"),
        (["hunter2"], "login hunter2, again hunter2!", "login <sensitive>, again <sensitive>!"),
        (["abc", "abcdef"], "abcdef abc", "<sensitive> <sensitive>"),
        (["line one\nline two"], "got line two", "got <sensitive>"),
        (["line one\nline two"], "line one\nline two", "<sensitive>"),
        (["  padded\n"], "is padded here", "is <sensitive> here"),
        (["no"], "no nothing", "no nothing"),
        ([""], "text", "text"),
        (["a.c"], "abc a.c", "abc <sensitive>"),
        (["grün"], "grün", "<sensitive>"),
    ],
)
def test_texts(secrets: list[str], text: str, expected: str) -> None:
    redactor = Redactor()
    redactor.add(secrets)
    assert redactor(text) == expected


def test_secrets_are_added_to_the_earlier_ones() -> None:
    redactor = Redactor()
    redactor.add(["first"])
    redactor.add(["second"])
    assert redactor("first second") == f"{PLACEHOLDER} {PLACEHOLDER}"


def test_threads_add_without_losing_any() -> None:
    redactor = Redactor()
    secrets = [f"secret-{number:03}" for number in range(200)]
    threads = [threading.Thread(target=redactor.add, args=([secret],)) for secret in secrets]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert redactor(" ".join(secrets)) == " ".join([PLACEHOLDER] * 200)


SECRETS = ["s3cret'\"$x y&z/ü+%<>`\\", "Passw0rd-of-8", "-----BEGIN KEY-----" + "Ab9+/" * 40]


def in_all_forms(secret: str) -> list[str]:
    shell = ["sh", "-c", 'printf %s "$1" | base64; printf \'xx%s\n\' "$1" | base64 -w0', "sh", secret]
    said = subprocess.run(shell, check=True, capture_output=True, text=True).stdout
    encoded = [base64.b64encode(f"{'x' * n}:{secret}:y".encode()).decode() for n in range(3)]
    urlsafe = [text.replace("+", "-").replace("/", "_") for text in encoded]
    powershell = base64.b64encode(f"echo '{secret}'".encode("utf-16-le")).decode()
    quoted = [quote(secret, safe=""), quote(secret), quote_plus(secret), urlencode({"p": secret})]
    texts = [json.dumps({"p": secret}), json.dumps([secret], ensure_ascii=False), repr(secret)]
    shells = [shlex.quote(secret), f'X="{secret}"', f"http://user:{quote(secret, safe='')}@host/"]
    return [secret, *said.splitlines(), *encoded, *urlsafe, powershell, *quoted, *texts, *shells]


@pytest.mark.parametrize("secret", SECRETS, ids=["special", "plain", "long"])
def test_forms(secret: str) -> None:
    redactor = Redactor()
    redactor.add([secret])
    for text in in_all_forms(secret):
        shown = redactor(text)
        assert PLACEHOLDER in shown, text
        # of base64 a few characters stay, which the neighbours have a share in
        assert len(shown.replace(PLACEHOLDER, "")) <= 40, (text, shown)


def test_short_secrets_hide_no_other_words() -> None:
    redactor = Redactor()
    redactor.add(["abc"])
    assert redactor("YWJj and QUJD") == "YWJj and QUJD"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("get https://me:pa55@host/a:b@c", f"get https://me:{PLACEHOLDER}@host/a:b@c"),
        ("ftp://:tok@host", f"ftp://:{PLACEHOLDER}@host"),
        ("http://host:80/x@y", "http://host:80/x@y"),
        ("http://user@host/", "http://user@host/"),
        ("see http://a and b:c@d", "see http://a and b:c@d"),
    ],
)
def test_passwords_in_urls(text: str, shown: str) -> None:
    assert Redactor()(text) == shown


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ('  ssh_passwrd = "x"', f'  ssh_passwrd = "{PLACEHOLDER}"'),
        ('  ssh_username = "x"', '  ssh_username = "x"'),
        ('  ssh_password = "a \\" b" # why', f'  ssh_password = "{PLACEHOLDER}" # why'),
        ('{"ssh_password":"x","port":"y","api_token": "z"}', None),
        ('access_token="x"', f'access_token="{PLACEHOLDER}"'),
        ("password = var.password", "password = var.password"),
        ('password = ""', 'password = ""'),
    ],
)
def test_literals_of_templates(line: str, shown: str | None) -> None:
    expected = f'{{"ssh_password":"{PLACEHOLDER}","port":"y","api_token": "{PLACEHOLDER}"}}'
    assert without_literals("x.pkr.hcl", line) == (expected if shown is None else shown)


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ('user = "x"', f'user = "{PLACEHOLDER}"'),
        ('{"a": "x", "b" : ["y"], "c": 5}', f'{{"a": "{PLACEHOLDER}", "b" : ["{PLACEHOLDER}"], "c": 5}}'),
    ],
)
def test_files_of_variables_show_no_texts(line: str, shown: str) -> None:
    assert without_literals("my.pkrvars.json", line) == shown
