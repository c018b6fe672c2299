"""Boot commands: text in Packer's small language, read into keys and waits.

    Input      := ( Wait | Watch | CharToggle | Named | Character )*
    Wait       := "<wait" ( Duration | Integer )? ">"        lower case only; seconds, 1 when left out
    Watch      := "<wait " Quoted Limit? ">"                 until that regular expression is on the screen
                | "<waitImage " Quoted Limit? ">"            until the picture in that PNG file is
                | "<waitStill " Duration Limit? ">"          until nothing has changed for so long
    Limit      := " " ( Duration | Integer )                 5 minutes when left out
    Quoted     := text in " or ', in which a backslash goes before that same sign
    CharToggle := "<" any character ( "on" | "off" ) ">"     hold or release that character's key
    Named      := "<" key name ( "on" | "off" )? ">"         any case
    Character  := any single character

The first rule that fits wins, and there is no escape: what fits no rule is typed as it stands. `Watch` is
vmforge's own; all others are Packer's.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeAlias

from vmforge.console.keys import ALT_GR, LEFT_SHIFT, NAMED_KEYS, Key, character_key, code_of
from vmforge.diagnostics import did_you_mean
from vmforge.sdk import Duration


@dataclass(frozen=True, slots=True)
class Wait:
    """Type nothing for `duration`."""

    duration: Duration


@dataclass(frozen=True, slots=True)
class Press:
    """Press and release a key."""

    key: Key


@dataclass(frozen=True, slots=True)
class Hold:
    """Press a key and keep it down."""

    key: Key


@dataclass(frozen=True, slots=True)
class Release:
    """Let go of a key."""

    key: Key


@dataclass(frozen=True, slots=True)
class WaitForText:
    """Wait until `pattern` is found in the screen's text, at most for `limit`."""

    pattern: re.Pattern[str]
    limit: Duration


@dataclass(frozen=True, slots=True)
class WaitForImage:
    """Wait until the picture in a PNG file is found on the screen, at most for `limit`."""

    path: Path
    limit: Duration


@dataclass(frozen=True, slots=True)
class WaitStill:
    """Wait until the screen has not changed for `duration`, at most for `limit`."""

    duration: Duration
    limit: Duration


Watch: TypeAlias = WaitForText | WaitForImage | WaitStill
Action: TypeAlias = Wait | Watch | Press | Hold | Release


@dataclass(frozen=True, slots=True)
class BootCommand:
    """What to do at the keyboard, in order. `warnings` are messages for the template's author; so are
    `errors`, of a command that cannot be carried out."""

    actions: tuple[Action, ...]
    warnings: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()

    @property
    def characters(self) -> str:
        """The characters that it types, each once, as far as they are known."""
        keys = [action.key for action in self.actions if isinstance(action, (Press, Hold, Release))]
        return "".join(sorted({key.name for key in keys if key.is_character}))

    @property
    def watches(self) -> bool:
        """Whether it waits for something on the screen."""
        return any(isinstance(action, (WaitForText, WaitForImage, WaitStill)) for action in self.actions)


@dataclass(frozen=True, slots=True)
class KeyEvent:
    """A key goes down or up, as VNC tells it; `code` as in `Key`."""

    keysym: int
    down: bool
    code: int = 0


def parse_boot_command(text: str) -> BootCommand:
    """Read a boot command whose `{{ }}` have been rendered. Every text has a meaning."""
    reading = _Reading(text)
    while reading.position < len(text):
        if text[reading.position] != "<" or not reading.token():
            reading.character()
    return BootCommand(tuple(reading.actions), tuple(reading.warnings), tuple(reading.errors))


def check_boot_command(text: str) -> BootCommand:
    """A boot command that is not rendered yet, as far as it can be read: nothing is said about what a
    `{{ }}` may turn into, nor about tokens that contain one."""
    return parse_boot_command(_TEMPLATE_ACTION.sub(_RENDERED_LATER, text))


def key_events(action: Action) -> tuple[KeyEvent, ...]:
    """The events of one action, Shift and AltGr included; none for a wait."""
    if not isinstance(action, (Press, Hold, Release)):
        return ()
    keys = [(action.key.keysym, action.key.code)]
    placed = action.key.code > 0
    for needed, modifier in ((action.key.third_level, ALT_GR), (action.key.shifted, LEFT_SHIFT)):
        if needed:
            keys.insert(0, (modifier.keysym, code_of(modifier.keysym) if placed else 0))
    down = tuple(KeyEvent(keysym, True, code) for keysym, code in keys)
    up = tuple(KeyEvent(keysym, False, code) for keysym, code in reversed(keys))
    match action:
        case Hold():
            return down
        case Release():
            return up
        case Press():
            return down + up


_INTEGER: Final = "(?:0|[1-9][0-9]*)"
_SPAN: Final = rf"(?:-?{_INTEGER}(?:\.[0-9]+)?(?:ns|us|µs|ms|s|m|h))+"
_WAIT: Final = re.compile(rf"<wait(?:({_SPAN})|({_INTEGER}))?>")
_LIMIT: Final = rf"(?: +(?:({_SPAN})|({_INTEGER})))?"
_QUOTED: Final = r"""("(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')"""
_WAIT_FOR: Final = re.compile(rf"<wait(Image)? +{_QUOTED}{_LIMIT} *>", re.DOTALL)
_WAIT_STILL: Final = re.compile(rf"<waitStill +({_SPAN}){_LIMIT} *>")
_ANY_CASE: Final = re.IGNORECASE | re.ASCII | re.DOTALL
_TOGGLE: Final = re.compile(r"<(.)(on|off)>", _ANY_CASE)
_NAMES: Final = "|".join(sorted(NAMED_KEYS, key=len, reverse=True))
_NAMED: Final = re.compile(rf"<({_NAMES})(on|off)?>", _ANY_CASE)

_TOKENS: Final = (
    "<wait>",
    *(f"<{key.name}{state}>" for key in NAMED_KEYS.values() for state in ("", "On", "Off")),
)

# Stands for a `{{ }}`: a character of Unicode's private use area, so nobody types it.
_RENDERED_LATER: Final = "\ue000"
_TEMPLATE_ACTION: Final = re.compile(r'\{\{(?:"(?:\\.|[^"\\])*"|`[^`]*`|(?!\}\}).)*\}\}', re.DOTALL)
_LOOKS_LIKE_TOKEN: Final = re.compile(rf"<([A-Za-z][^<>\n{_RENDERED_LATER}]{{0,40}})>")
_WAITS: Final = (
    '`<wait>`, `<wait5>`, `<wait1m30s>`, `<wait "text">`, `<waitStill 2s>` or `<waitImage "file.png">`'
)
_CONTROL_CHARACTERS: Final = frozenset(map(chr, (*range(0x20), 0x7F)))

# Go's longest duration, 2^63-1 ns in whole seconds; threading's longest time-out is the same.
_LONGEST_WAIT: Final = Duration(9_223_372_036.0)
_NO_WAIT: Final = Duration(0.0)
_WATCH_LIMIT: Final = Duration(300.0)


@dataclass
class _Reading:
    """How far a text has been read, and what it came to."""

    text: str
    position: int = 0
    actions: list[Action] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def token(self) -> bool:
        """Read the token that starts here; False when there is none."""
        if found := _WAIT.match(self.text, self.position):
            action: Action = self._wait(found)
        elif found := _WAIT_FOR.match(self.text, self.position):
            action = self._wait_for(found)
        elif found := _WAIT_STILL.match(self.text, self.position):
            action = WaitStill(self._duration(found, found[1], None), self._limit(found, *found.groups()[1:]))
        elif found := _TOGGLE.match(self.text, self.position):
            action = _with_state(character_key(found[1]), found[2])
        elif found := _NAMED.match(self.text, self.position):
            action = _with_state(NAMED_KEYS[found[1].lower()], found[2])
        else:
            return False
        self.actions.append(action)
        self.position = found.end()
        return True

    def character(self) -> None:
        """Read one character that is typed as it stands."""
        character = self.text[self.position]
        if character in _CONTROL_CHARACTERS:
            self._warn("a line break or other control character presses no key; write `<enter>` or `<tab>`")
        elif unknown := _LOOKS_LIKE_TOKEN.match(self.text, self.position):
            self._warn(
                f"`{unknown[0]}` is neither a key nor a wait and is typed as it stands{_nearest(unknown[1])}"
            )
        self.actions.append(Press(character_key(character)))
        self.position += 1

    def _wait(self, token: re.Match[str]) -> Wait:
        duration = _duration(*token.groups())
        if duration <= _NO_WAIT:
            self._warn(f"`{token[0]}` does not wait, and Packer refuses it")
            return Wait(_NO_WAIT)
        if duration > _LONGEST_WAIT:
            self._warn(f"`{token[0]}` is longer than any wait can be, and Packer refuses it")
            return Wait(_LONGEST_WAIT)
        return Wait(duration)

    def _wait_for(self, token: re.Match[str]) -> WaitForText | WaitForImage:
        image, quoted, *limit = token.groups()
        text = quoted[1:-1].replace("\\" + quoted[0], quoted[0])
        if image:
            return WaitForImage(Path(text), self._limit(token, *limit))
        try:
            pattern = re.compile(text, re.MULTILINE)
        except re.error as error:
            if _RENDERED_LATER not in text:
                self._fail(f"`{token[0]}` holds no regular expression: {error}")
            pattern = re.compile("")
        return WaitForText(pattern, self._limit(token, *limit))

    def _limit(self, token: re.Match[str], span: str | None, seconds: str | None) -> Duration:
        return self._duration(token, span, seconds) if span or seconds else _WATCH_LIMIT

    def _duration(self, token: re.Match[str], span: str | None, seconds: str | None) -> Duration:
        duration = _duration(span, seconds)
        if not _NO_WAIT < duration <= _LONGEST_WAIT:
            self._fail(f"`{token[0]}` has a time that is no time to wait")
        return duration

    def _fail(self, message: str) -> None:
        if message not in self.errors:
            self.errors.append(message)

    def _warn(self, message: str) -> None:
        if message not in self.warnings:
            self.warnings.append(message)


def _duration(span: str | None, seconds: str | None) -> Duration:
    if span is None:
        return Duration(float(seconds or "1"))
    try:
        return Duration.parse(span)
    except ValueError:  # a sign inside, `1m-20s`, is no duration in Go either
        return _NO_WAIT


def _with_state(key: Key, state: str | None) -> Action:
    match (state or "").lower():
        case "on":
            return Hold(key)
        case "off":
            return Release(key)
        case _:
            return Press(key)


def _nearest(inner: str) -> str:
    """The end of a warning that names the token which was probably meant."""
    if inner.lower().startswith("wait"):
        return f"; waits are written {_WAITS}"
    hint = did_you_mean(f"<{inner}>", _TOKENS)
    return f"; {hint}" if hint else ""
