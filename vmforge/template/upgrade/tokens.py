"""Spells names, strings and templates in HCL's native syntax."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

_IDENTIFIER: Final = re.compile(r"[^\W\d][\w-]*")
_KEYWORDS: Final = frozenset({"true", "false", "null", "for", "if", "in"})
_ESCAPES: Final = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}
# the start of an interpolation or a directive, with the same characters that stand before it
_SEQUENCE: Final = re.compile(r"(?P<before>\$*)(?P<start>\$)\{|(?P<before2>%*)(?P<start2>%)\{")
_HEREDOC_MARKER: Final = "EOF"
_HEREDOC_LINES: Final = 2


@dataclass(frozen=True, slots=True)
class Interpolation:
    """`${ expression }`. The expression's value is a string."""

    expression: str


@dataclass(frozen=True, slots=True)
class Directive:
    """`%{ text }`."""

    text: str


Part: TypeAlias = str | Interpolation | Directive


def merged(parts: Iterable[Part]) -> list[Part]:
    """The parts with neighbouring texts in one, and without empty ones."""
    found: list[Part] = []
    for part in parts:
        if isinstance(part, str) and found and isinstance(found[-1], str):
            found[-1] += part
        elif part != "":
            found.append(part)
    return found


def expression(parts: Iterable[Part], *, heredocs: bool = False) -> str:
    """The expression whose value these parts make: a reference, a quoted string, or a heredoc where one
    may stand and says exactly the same."""
    whole = merged(parts)
    match whole:
        case [Interpolation(alone)]:
            return alone
    return (_heredoc(whole) if heredocs else None) or quoted(whole)


def quoted(parts: Sequence[Part]) -> str:
    return '"' + _template(parts, lambda text: "".join(map(_escaped, text))) + '"'


def _heredoc(parts: Sequence[Part]) -> str | None:
    """None where a heredoc cannot hold the text, or is no gain."""
    text = "".join(part if isinstance(part, str) else "x" for part in parts)
    lines = text.split("\n")
    if lines[-1] or len(lines) <= _HEREDOC_LINES or not parts or not isinstance(parts[-1], str):
        return None
    if not all(c.isprintable() or c in "\n\t" for c in text) or _HEREDOC_MARKER in map(str.strip, lines):
        return None
    return f"<<{_HEREDOC_MARKER}\n{_template(parts, str)}{_HEREDOC_MARKER}"


def _template(parts: Sequence[Part], escape: Callable[[str], str]) -> str:
    pieces = []
    for index, part in enumerate(parts):
        following = parts[index + 1] if index + 1 < len(parts) else ""
        if isinstance(part, Interpolation):
            pieces.append(f"${{{part.expression}}}")
        elif isinstance(part, Directive):
            pieces.append(f"%{{ {part.text} }}")
        else:
            pieces.append(_literal(part, following, escape))
    return "".join(pieces)


def _literal(text: str, following: Part, escape: Callable[[str], str]) -> str:
    """Text whose `${` and `%{` stand for themselves; also the one that its end would make with what
    follows."""
    marker = "$" if isinstance(following, Interpolation) else "%" if isinstance(following, Directive) else ""
    end = len(text.rstrip(marker)) if marker else len(text)
    return _SEQUENCE.sub(_spelled, escape(text[:end])) + _apart(text[end:])


def _spelled(found: re.Match[str]) -> str:
    before = found["before"] or found["before2"] or ""
    start = found["start"] or found["start2"]
    return f"{_apart(before)}{start}{start}{{"


def _apart(characters: str) -> str:
    """Characters that would join with what follows."""
    return "".join(f'${{"{character}"}}' for character in characters)


def _escaped(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    if character.isprintable():
        return character
    code = ord(character)
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def is_identifier(name: str) -> bool:
    return _IDENTIFIER.fullmatch(name) is not None and name.replace("-", "_").isidentifier()


def identifier(name: str) -> str:
    """The name, with what an identifier cannot have replaced."""
    valid = re.sub(r"[^\w-]", "_", name)
    return valid if is_identifier(valid) else f"_{valid}"


def key(name: str) -> str:
    """A key in an object."""
    return name if is_identifier(name) and name not in _KEYWORDS else quoted([name] if name else [])


def comment(text: str) -> str:
    """Lines of comment."""
    return "".join(f"# {line}".rstrip() + "\n" for line in text.splitlines())


def block(type_: str, labels: Sequence[str], body: str) -> str:
    """A block with its labels around the lines of its body."""
    head = " ".join([type_, *(quoted([label]) for label in labels)])
    return f"{head} {{\n{body}}}\n" if body else f"{head} {{}}\n"
