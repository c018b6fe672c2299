"""Secrets never show."""

from __future__ import annotations

import threading

import pytest

from vmforge.sdk.redaction import PLACEHOLDER, Redactor


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
