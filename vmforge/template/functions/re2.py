"""Go's regular expressions (RE2) in terms of Python's.

The two agree on what matters; what differs is translated (`$`, `\\z`, `\\s`, POSIX classes, `\\pL`,
flags in the middle), and what RE2 does not have (look-around, back references) is refused, so that
a template does not work here alone.
"""

from __future__ import annotations

import re
from functools import lru_cache

_CLASSES = {
    "alnum": "0-9A-Za-z",
    "alpha": "A-Za-z",
    "ascii": "\\x00-\\x7f",
    "blank": "\\t ",
    "cntrl": "\\x00-\\x1f\\x7f",
    "digit": "0-9",
    "graph": "!-~",
    "lower": "a-z",
    "print": " -~",
    "punct": "!-/:-@\\[-`{-~",
    "space": "\\t\\n\\v\\f\\r ",
    "upper": "A-Z",
    "word": "0-9A-Za-z_",
    "xdigit": "0-9A-Fa-f",
}
_LETTERS = (
    "A-Za-z\\u00aa\\u00b5\\u00ba\\u00c0-\\u00d6\\u00d8-\\u00f6\\u00f8-\\u02c1\\u0370-\\u1fff\\u2c00-\\ud7ff"
)
_UNICODE = {
    "L": _LETTERS,
    "Lu": "A-Z\\u00c0-\\u00d6\\u00d8-\\u00de",
    "Ll": "a-z\\u00df-\\u00f6\\u00f8-\\u00ff",
}
_UNICODE |= {"N": "0-9", "Nd": "0-9", "P": _CLASSES["punct"], "Z": "\\s", "Zs": "\\t "}


@lru_cache(maxsize=256)
def compile_re2(pattern: str) -> re.Pattern[str]:
    """Raises ValueError with a message when the pattern is wrong."""
    try:
        return re.compile(_Translator(pattern).translate(), re.ASCII)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"the pattern is wrong: {error}") from None


class _Translator:
    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self._at = 0
        self._multiline = [False]
        self._opened = [0]  # per group: how many groups the flags in it opened

    def translate(self) -> str:
        result = []
        while self._at < len(self._pattern):
            result.append(self._next())
        return "".join(result) + ")" * self._opened[0]

    def _take(self, text: str) -> bool:
        if self._pattern.startswith(text, self._at):
            self._at += len(text)
            return True
        return False

    def _next(self) -> str:
        if self._take("\\"):
            return self._escape(inside=False)
        if self._take("["):
            return self._class()
        if self._take("$"):
            return "(?=\\n|\\Z)" if self._multiline[-1] else "\\Z"
        if self._take("("):
            return self._group()
        if self._take(")"):
            if len(self._opened) == 1:
                raise ValueError("the pattern is wrong: a `)` too many")
            self._multiline.pop()
            return ")" * (self._opened.pop() + 1)
        if self._take("|"):
            if self._opened[-1]:
                raise ValueError("the pattern is wrong: put flags that hold for alternatives at its start")
            return "|"
        self._at += 1
        return self._checked(self._pattern[self._at - 1])

    def _checked(self, character: str) -> str:
        if character in "*+?" and self._pattern[self._at : self._at + 1] == "+":
            raise ValueError("the pattern is wrong: repetition of a repetition")
        return character

    def _group(self) -> str:
        flags = re.compile(r"\?([imsU]*)(?:-([imsU]+))?([:)])").match(self._pattern, self._at)
        if flags is not None:
            return self._flags(flags)
        named = re.compile(r"\?P?<(\w+)>").match(self._pattern, self._at)
        if named is not None:
            self._at = named.end()
        elif self._pattern.startswith("?", self._at):
            text = self._pattern[self._at - 1 : self._at + 3]
            raise ValueError(f"the pattern is wrong: `{text}` is not supported (no look-around)")
        self._multiline.append(self._multiline[-1])
        self._opened.append(0)
        return f"(?P<{named[1]}>" if named is not None else "("

    def _flags(self, found: re.Match[str]) -> str:
        self._at = found.end()
        on, off = found[1], found[2] or ""
        if "U" in on + off:
            raise ValueError("the pattern is wrong: the flag `U` is not supported")
        multiline = "m" in on or (self._multiline[-1] and "m" not in off)
        opening = f"(?{on}{'-' + off if off else ''}:" if on or off else "(?:"
        if found[3] == ")":
            # flags without a group of their own hold up to the end of the enclosing one
            self._multiline[-1] = multiline
            self._opened[-1] += 1
        else:
            self._multiline.append(multiline)
            self._opened.append(0)
        return opening

    def _escape(self, *, inside: bool) -> str:
        if self._take("Q"):
            end = self._pattern.find("\\E", self._at)
            text = self._pattern[self._at :] if end < 0 else self._pattern[self._at : end]
            self._at = len(self._pattern) if end < 0 else end + 2
            return re.escape(text)
        character = self._pattern[self._at : self._at + 1]
        self._at += 1
        if character in ("p", "P"):
            return self._unicode(character == "P", inside)
        if character == "x" and self._take("{"):
            code, _, _ = self._pattern[self._at :].partition("}")
            self._at += len(code) + 1
            return f"\\U{int(code, 16):08x}"
        if character.isdigit() and character != "0" and not inside:
            raise ValueError("the pattern is wrong: back references are not supported")
        if not inside:
            return {"z": "\\Z", "s": "[\\t\\n\\f\\r ]", "S": "[^\\t\\n\\f\\r ]"}.get(
                character, "\\" + character
            )
        return "\\t\\n\\f\\r " if character == "s" else "\\" + character

    def _unicode(self, negated: bool, inside: bool) -> str:
        if self._take("{"):
            name, _, _ = self._pattern[self._at :].partition("}")
            self._at += len(name) + 1
        else:
            name = self._pattern[self._at : self._at + 1]
            self._at += 1
        if name.lstrip("^") not in _UNICODE or (inside and negated):
            raise ValueError(f"the pattern is wrong: the Unicode class `{name}` is not supported")
        text = _UNICODE[name.lstrip("^")]
        return text if inside else f"[{'^' if negated or name.startswith('^') else ''}{text}]"

    def _class(self) -> str:
        result = "[" + ("^" if self._take("^") else "") + ("\\]" if self._take("]") else "")
        while not self._take("]"):
            if self._at >= len(self._pattern):
                raise ValueError("the pattern is wrong: `[` is not closed")
            named = re.compile(r"\[:(\^?)(\w+):\]").match(self._pattern, self._at)
            if named is not None and named[2] in _CLASSES and not named[1]:
                result += _CLASSES[named[2]]
                self._at = named.end()
            elif self._take("\\"):
                result += self._escape(inside=True)
            else:
                character = self._pattern[self._at]
                result += f"\\{character}" if character in "[&~|" else character
                self._at += 1
        return result + "]"
