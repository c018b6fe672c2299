"""Which builds and post-processors `-only` and `-except` leave over.

Patterns are globs over a build's full name, `[BUILD.]TYPE.NAME`, in which `*` also matches dots.
`-except` matches names of post-processors too; what it drops ends the chain there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property


@dataclass(frozen=True)
class Selection:
    """The user's patterns, as given; empty means no restriction. `exact` ones are names, not globs, as
    for legacy JSON."""

    only: tuple[str, ...] = ()
    except_: tuple[str, ...] = ()
    exact: bool = False

    @cached_property
    def _only(self) -> list[re.Pattern[str]]:
        return [self._pattern(text) for text in self.only]

    @cached_property
    def _except(self) -> list[re.Pattern[str]]:
        return [self._pattern(text) for text in self.except_]

    def takes_build(self, full_name: str) -> bool:
        if self._only and not any(p.fullmatch(full_name) for p in self._only):
            return False
        return not any(p.fullmatch(full_name) for p in self._except)

    def takes_post_processor(self, name: str) -> bool:
        return not any(p.fullmatch(name) for p in self._except)

    def unmatched(self, names: Iterable[str]) -> list[str]:
        """The patterns that match none of these names."""
        known = list(names)
        return [
            text
            for text in (*self.only, *self.except_)
            if not any(self._pattern(text).fullmatch(n) for n in known)
        ]

    def _pattern(self, text: str) -> re.Pattern[str]:
        return re.compile(re.escape(text)) if self.exact else glob_pattern(text)


def glob_pattern(text: str) -> re.Pattern[str]:
    """A glob as a regular expression: `*`, `?`, `[a-z]`, `[!a-z]`, `{one,two}`, backslash escapes.

    What looks like a glob but is not one (an open bracket) is taken as the plain text it is.
    """
    try:
        return re.compile("".join(_translate(text)), re.DOTALL)
    except (re.error, IndexError):
        return re.compile(re.escape(text))


def _translate(text: str) -> Iterable[str]:
    position, depth = 0, 0
    while position < len(text):
        char = text[position]
        position += 1
        if char == "\\":
            yield re.escape(text[position])
            position += 1
        elif char == "[":
            end = text.index("]", position + 1) if "]" in text[position + 1 :] else -1
            if end < 0:
                raise IndexError("open bracket")
            inside = text[position:end].replace("\\", "\\\\")
            yield f"[^{inside[1:]}]" if inside.startswith("!") else f"[{inside}]"
            position = end + 1
        elif char in "{}" or (char == "," and depth):
            depth += {"{": 1, "}": -1, ",": 0}[char]
            yield {"{": "(?:", "}": ")", ",": "|"}[char]
        else:
            yield {"*": ".*", "?": "."}.get(char) or re.escape(char)
