"""Keeps secrets out of everything that is shown or logged."""

from __future__ import annotations

import threading
from collections.abc import Iterable

PLACEHOLDER = "<sensitive>"

# Shorter values would redact half of all output ("a", "no") and protect nothing.
_SHORTEST = 3


class Redactor:
    """Replaces registered secrets in texts. One per process; safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._secrets: tuple[str, ...] = ()

    def add(self, secrets: Iterable[str]) -> None:
        """Register values; each line of a value of several lines counts, since output is by line."""
        lines = {line.strip() for secret in secrets for line in [secret, *secret.splitlines()]}
        new = {line for line in lines if len(line) >= _SHORTEST}
        with self._lock:
            # longest first, so that a secret that contains another is hidden as a whole
            self._secrets = tuple(sorted(new | set(self._secrets), key=lambda s: (-len(s), s)))

    def __call__(self, text: str) -> str:
        for secret in self._secrets:
            if secret in text:
                text = text.replace(secret, PLACEHOLDER)
        return text
