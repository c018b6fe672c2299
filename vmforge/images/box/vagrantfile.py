"""The Vagrantfiles inside boxes, which are programs in Ruby."""

from __future__ import annotations

from collections.abc import Iterable

_MARGIN = "  "


def vagrantfile(settings: Iterable[str]) -> str:
    """A Vagrantfile with these lines of settings of `config`."""
    return "\n".join(['Vagrant.configure("2") do |config|', *indent(settings), "end"]) + "\n"


def indent(lines: Iterable[str]) -> list[str]:
    return [_MARGIN + line if line else line for line in lines]


def quote(text: str) -> str:
    """A string in Ruby's single quotes, in which nothing but the quote and the backslash is special."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
