"""Boot commands: text in Packer's small language, read into keys and waits.

    Input      := ( Wait | CharToggle | Named | Character )*
    Wait       := "<wait" ( Duration | Integer )? ">"        lower case only; seconds, 1 when left out
    CharToggle := "<" any character ( "on" | "off" ) ">"     hold or release that character's key
    Named      := "<" key name ( "on" | "off" )? ">"         any case
    Character  := any single character

The first rule that fits wins, and there is no escape: what fits no rule is typed as it stands.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from vmforge.console.keys import LEFT_SHIFT, NAMED_KEYS, Key, character_key
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


Action: TypeAlias = Wait | Press | Hold | Release


@dataclass(frozen=True, slots=True)
class BootCommand:
    """What to do at the keyboard, in order. `warnings` are messages for the template's author."""

    actions: tuple[Action, ...]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class KeyEvent:
    """A key goes down or up, as VNC tells it."""

    keysym: int
    down: bool


def parse_boot_command(text: str) -> BootCommand:
    """Read a boot command whose `{{ }}` have been rendered. Every text has a meaning."""
    reading = _Reading(text)
    while reading.position < len(text):
        if text[reading.position] != "<" or not reading.token():
            reading.character()
    return BootCommand(tuple(reading.actions), tuple(reading.warnings))


def check_boot_command(text: str) -> tuple[str, ...]:
    """The warnings of a boot command that is not rendered yet: nothing is said about what a `{{ }}`
    may turn into, nor about tokens that contain one."""
    return parse_boot_command(_TEMPLATE_ACTION.sub(_RENDERED_LATER, text)).warnings


def key_events(action: Action) -> tuple[KeyEvent, ...]:
    """The events of one action, Shift included; none for a wait."""
    if isinstance(action, Wait):
        return ()
    shift = (LEFT_SHIFT.keysym,) if action.key.shifted else ()
    down = tuple(KeyEvent(keysym, True) for keysym in (*shift, action.key.keysym))
    up = tuple(KeyEvent(keysym, False) for keysym in (action.key.keysym, *shift))
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
_CONTROL_CHARACTERS: Final = frozenset(map(chr, (*range(0x20), 0x7F)))

# Go's longest duration, 2^63-1 ns in whole seconds; threading's longest time-out is the same.
_LONGEST_WAIT: Final = Duration(9_223_372_036.0)
_NO_WAIT: Final = Duration(0.0)


@dataclass
class _Reading:
    """How far a text has been read, and what it came to."""

    text: str
    position: int = 0
    actions: list[Action] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def token(self) -> bool:
        """Read the token that starts here; False when there is none."""
        if found := _WAIT.match(self.text, self.position):
            action: Action = self._wait(found)
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
        duration = _duration(token)
        if duration <= _NO_WAIT:
            self._warn(f"`{token[0]}` does not wait, and Packer refuses it")
            return Wait(_NO_WAIT)
        if duration > _LONGEST_WAIT:
            self._warn(f"`{token[0]}` is longer than any wait can be, and Packer refuses it")
            return Wait(_LONGEST_WAIT)
        return Wait(duration)

    def _warn(self, message: str) -> None:
        if message not in self.warnings:
            self.warnings.append(message)


def _duration(token: re.Match[str]) -> Duration:
    span, seconds = token.groups()
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
        return "; waits are written `<wait>`, `<wait5>` or `<wait1m30s>`"
    hint = did_you_mean(f"<{inner}>", _TOKENS)
    return f"; {hint}" if hint else ""
