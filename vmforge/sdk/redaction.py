"""Keeps secrets out of everything that is shown or logged, also in the forms in which they travel."""

from __future__ import annotations

import base64
import re
import shlex
import threading
from collections.abc import Iterable, Iterator
from functools import lru_cache
from urllib.parse import quote, quote_plus

PLACEHOLDER = "<sensitive>"

# Shorter values would redact half of all output ("a", "no") and protect nothing.
_SHORTEST = 3
# The same for what is left of a value in base64 once the characters that its neighbours share are off.
_SHORTEST_ENCODED = 8
# Programs break base64 into lines of so many characters: `base64`, and PEM.
_BASE64_LINES = (76, 64)

# What may stay as it is in a URL: everything, what RFC 3986 allows in a password, in a path.
_URL_SAFE = ("", "/", "!$&'()*+,;=", "!$&'()*+,;=:@/", "!#$%&'()*+,/:;=?@[]~")

# A password in a URL's user part: `https://user:password@host`.
_IN_URL = re.compile(r"(?<=://)([^\s/?#:@'\"]*):([^\s/?#'\"]+)@")
# A literal of a template that its name gives away as a secret, in HCL and JSON.
_LITERAL = re.compile(
    r"""(?ix) ( "? \w* (?: passw | passphrase | secret | token | access_key | private_key ) \w* "?
        \s* [=:] \s* ) " (?: [^"\\] | \\. )+ " """
)
# A text in HCL or JSON, and whether it is a name.
_TEXT = re.compile(r'"(?:[^"\\]|\\.)+"(\s*:)?')


class Redactor:
    """Replaces registered secrets in texts, and passwords in URLs. One per process; safe to use from several
    threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: frozenset[str] = frozenset()
        self._forms: tuple[str, ...] = ()

    def add(self, secrets: Iterable[str]) -> None:
        """Register values; each line of a value of several lines counts, since output is by line."""
        values = {secret.strip() for secret in secrets}
        lines = {line.strip() for value in values for line in value.splitlines()}
        with self._lock:
            new = {value for value in values if len(value) >= _SHORTEST} - self._known
            if not new:
                return
            self._known |= new
            found = {*self._forms, *(line for line in lines if len(line) >= _SHORTEST)}
            found |= {form for value in new for form in forms_of(value)}
            # longest first, so that a secret that contains another is hidden as a whole
            self._forms = tuple(sorted(found, key=lambda s: (-len(s), s)))

    def __call__(self, text: str) -> str:
        for form in self._forms:
            if form in text:
                text = text.replace(form, PLACEHOLDER)
        return _IN_URL.sub(rf"\1:{PLACEHOLDER}@", text) if "://" in text else text

    def finds(self, text: str) -> bool:
        """Whether a text holds a registered secret in any of its forms."""
        return any(form in text for form in self._forms)


def without_literals(path: str, line: str) -> str:
    """A line of a template without the texts that it gives to names such as `password`, of a file of
    variables without any text: a mistake is shown with its line, and may keep the secret from being known
    as one."""
    if ".pkrvars." in path:
        return _TEXT.sub(lambda text: text[0] if text[1] else f'"{PLACEHOLDER}"', line)
    return _LITERAL.sub(rf'\1"{PLACEHOLDER}"', line)


@lru_cache(maxsize=1024)
def forms_of(secret: str) -> frozenset[str]:
    """A secret as it is, and as shells, URLs, JSON, XML and base64 have it."""
    import html  # only where there is a secret: every command loads this module

    found = {secret, *_in_json(secret), *_in_shells(secret), *_in_urls(secret), *_in_base64(secret)}
    return frozenset({*found, html.escape(secret), html.escape(secret, quote=False)})


def _in_json(secret: str) -> Iterator[str]:
    """With and without other characters than ASCII, and as Go writes it, which spares HTML."""
    import json

    for text in (json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]):
        yield text
        yield text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
        yield text.replace("/", "\\/")


def _in_shells(secret: str) -> Iterator[str]:
    yield shlex.quote(secret)
    yield secret.replace("'", "'\"'\"'")
    yield secret.replace("'", "'\\''")
    yield re.sub(r'([\\"$`])', r"\\\1", secret)  # between double quotes
    yield re.sub(r"([^\w@%+=:,./-])", r"\\\1", secret, flags=re.ASCII)  # `printf %q`
    yield secret.replace("'", "''")  # PowerShell, YAML, SQL
    yield repr(secret)[1:-1]


def _in_urls(secret: str) -> Iterator[str]:
    for safe in _URL_SAFE:
        encoded = quote(secret, safe=safe)
        yield encoded
        yield re.sub(r"%[0-9A-F]{2}", lambda code: code[0].lower(), encoded)
    yield quote_plus(secret)


def _in_base64(secret: str) -> Iterator[str]:
    """Within a longer text, wherever it begins there; also as PowerShell's `-EncodedCommand`."""
    for data in (secret.encode(), secret.encode("utf-16-le")):
        for before in range(3):
            # without the characters that bytes before and after have a share in
            start, end = -(-before * 8 // 6), (before + len(data)) * 8 // 6
            core = base64.b64encode(bytes(before) + data).decode("ascii")[start:end]
            if len(core) >= _SHORTEST_ENCODED:
                yield core
                yield core.replace("+", "-").replace("/", "_")
            for width in _BASE64_LINES if before == 0 and len(core) > min(_BASE64_LINES) else ():
                yield from (core[at : at + width] for at in range(0, len(core) - _SHORTEST_ENCODED, width))
