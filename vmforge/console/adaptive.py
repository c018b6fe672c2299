"""Typing as fast as the guest answers.

Where the guest shows what is typed, a key is sent once all but a few before it were seen, and the line
is compared with what should stand there; a lost or doubled key is taken back and typed again. Where it
does not (menus, passwords), a change of the screen is the answer, and without any the pace is Packer's.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from vmforge.console.boot_command import Action, BootCommand, Hold, KeyEvent, Press, Release
from vmforge.console.echo import Echo, Prompt, find_prompt
from vmforge.console.keys import NAMED_KEYS
from vmforge.console.sight import Sight, View
from vmforge.console.typist import DEFAULT_KEY_INTERVAL, Typist
from vmforge.errors import MachineError

_log = logging.getLogger(__name__)

# A PS/2 keyboard holds 16 bytes and drops what comes when it is full; QEMU's USB keyboard holds as many
# events. A key takes two of them, pressed and released; the last one that was seen may not be released yet.
_WINDOW: Final = 14
_BYTES_PER_KEY: Final = 2
# How long one look lasts at most.
_GLANCE: Final = 0.25
# What is taken for final when it has been there for so long: keys without an echo, blanks, which have
# none while the cursor is not to be seen, another text than was typed, a prompt that is gone. Emulated
# guests draw slowly (GRUB's editor draws the whole line again for each key): they get more time.
_LOST_SECONDS: Final = 5.0
_BLANK_SECONDS: Final = 0.6
_WRONG_SECONDS: Final = 1.0
_MOST_PATIENT: Final = 4.0
# How long after a change a menu is taken to be ready for the next key.
_SETTLING: Final = 0.1
# How long a backspace may take to show, and how often a line is set right before one gives up.
_BACKSPACE_SECONDS: Final = 1.0
_CORRECTIONS: Final = 3
_IDLE_BACKSPACES: Final = 4
_BACKSPACE: Final = Press(NAMED_KEYS["bs"])
_SPACEBAR: Final = NAMED_KEYS["spacebar"]


class AdaptiveTypist:
    """Types what a `Typist` would, watching the screen; see there for what is raised."""

    def __init__(self, typist: Typist, sight: Sight) -> None:
        self._typist = typist
        self._sight = sight
        self._held = 0

    def type(self, command: BootCommand) -> None:
        """Carry out a command."""
        if command.errors:
            raise MachineError(command.errors[0])
        for line in _lines(command):
            if isinstance(line, tuple) and not self._held:
                _Line(self._typist, self._sight, line).type()
                continue
            for action in line if isinstance(line, tuple) else (line,):
                self._carry_out(action)

    def _carry_out(self, action: Action) -> None:
        match action:
            case Hold():
                self._held += 1
            case Release():
                self._held = max(0, self._held - 1)
        if isinstance(action, Press):
            _Pace(self._typist, self._sight).press(action)
        else:
            self._typist.carry_out(action)


@dataclass
class _Pace:
    """Keys one by one: each waits for the screen's answer to the one before, but no longer than Packer
    would wait anyway."""

    typist: Typist
    sight: Sight

    def press(self, action: Press, least: float = 0.0) -> View:
        """Press a key; the screen after it. `least` seconds at least are given to the answer."""
        before = self.sight.look(0)
        events = self.typist.events(action)
        for event in events:
            self.typist.send(event)
        deadline = time.monotonic() + max(least, len(events) * DEFAULT_KEY_INTERVAL.seconds)
        view = before
        # of a screen without text one cannot tell an answer from a cursor that blinks
        while view.text is None or view.contents == before.contents:
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                return view
            view = self.sight.look(min(remaining, _GLANCE))
        return self._settled(view, deadline)

    def _settled(self, view: View, deadline: float) -> View:
        """The screen once it is still for a moment, or as it is at the deadline."""
        still_since = time.monotonic()
        while (now := time.monotonic()) < deadline and now - still_since < _SETTLING:
            later = self.sight.look(min(deadline - now, _SETTLING))
            if later.contents != view.contents:
                view, still_since = later, time.monotonic()
        return view


class _Line:
    """Characters that are typed one after the other, at a prompt or elsewhere."""

    def __init__(self, typist: Typist, sight: Sight, presses: tuple[Press, ...]) -> None:
        self._typist = typist
        self._sight = sight
        self._pace = _Pace(typist, sight)
        self._presses = presses
        self._text = "".join(map(_character, presses))
        self._events = [typist.events(press) for press in presses]
        self._sent = self._seen = 0

    def type(self) -> None:
        prompt = self._find_prompt()
        if prompt is not None and not self._type_at(prompt):
            _log.warning("the guest shows something else than what was typed; the rest goes at a fixed pace")
            self._type_on()

    def _find_prompt(self) -> Prompt | None:
        """Type until the guest shows it, or to the end if it does not."""
        before = self._sight.look(0)
        while self._sent < len(self._text):
            view = self._press_next()
            # one key alone is an answer to a menu, and whatever appears then is none to that key
            if len(self._text) > 1 and before.text is not None and view.text is not None:
                prompt = find_prompt(before.text, view.text, self._text[: self._sent])
                if prompt is not None:
                    return prompt
        return None

    def _type_at(self, prompt: Prompt) -> bool:
        """Type the rest at a prompt that shows it; False when the line cannot be made what it should be."""
        for _ in range(_CORRECTIONS):
            if self._type_to_the_end(prompt):
                return True
            length = self._take_back(prompt) if self._may_take_back(prompt) else None
            if length is None:
                return False
            _log.info("keys were lost or doubled; typing on from character %d", length + 1)
            self._sent = self._seen = length
        return self._type_to_the_end(prompt)

    def _type_on(self) -> None:
        while self._sent < len(self._text):
            self._press_next()

    def _press_next(self) -> View:
        view = self._pace.press(self._presses[self._sent])
        self._sent += 1
        return view

    def _type_to_the_end(self, prompt: Prompt) -> bool:
        """Send keys as the guest shows them; False when it shows something else, or nothing more."""
        last, since = None, time.monotonic()
        while True:
            self._send_what_fits()
            echo = self._echo(prompt, self._sight.look(_GLANCE))
            if echo is not None:
                self._seen = max(self._seen, min(echo.seen, self._sent))
            is_right = echo is not None and not prompt.is_wrong(echo)
            if is_right and self._seen == len(self._text):
                return True
            if echo != last:
                last, since = echo, time.monotonic()
            elif time.monotonic() - since >= self._patience(is_right):
                if not (is_right and self._only_blanks_wait()):
                    return False
                self._seen, since = self._sent, time.monotonic()

    def _send_what_fits(self) -> None:
        while self._sent < len(self._text):
            waiting = sum(map(_bytes, self._events[self._seen : self._sent]))
            if waiting and waiting + _bytes(self._events[self._sent]) > _WINDOW:
                return
            for event in self._events[self._sent]:
                self._typist.send(event)
            self._sent += 1

    def _echo(self, prompt: Prompt, view: View) -> Echo | None:
        return None if view.text is None else prompt.echo(self._text[: self._sent], view.text)

    def _only_blanks_wait(self) -> bool:
        return not self._text[self._seen : self._sent].strip()

    def _patience(self, is_right: bool) -> float:
        if is_right and self._only_blanks_wait():
            return _BLANK_SECONDS
        seconds = _LOST_SECONDS if is_right else _WRONG_SECONDS
        return seconds * min(self._sight.time_scale, _MOST_PATIENT)

    def _may_take_back(self, prompt: Prompt) -> bool:
        """Whether it is certain that this line is wrong: there is something else in it, or keys without an
        echo have changed nothing anywhere."""
        echo = self._echo(prompt, self._sight.look(0))
        return prompt.is_at_end and echo is not None and (prompt.is_wrong(echo) or echo.is_all)

    def _take_back(self, prompt: Prompt) -> int | None:
        """Erase what is wrong, and on until a right character vanishes: only then it is certain how long the
        line is, which is returned. None when backspaces do nothing."""
        view, idle = self._sight.look(0), 0
        echo = self._echo(prompt, view)
        for _ in range(2 * self._sent):
            if echo is None or idle > _IDLE_BACKSPACES:
                break
            before, length = echo, self._length(echo)
            view = self._pace.press(_BACKSPACE, _BACKSPACE_SECONDS)
            echo = self._echo(prompt, view)
            idle = idle + 1 if echo == before else 0
            if echo is None or prompt.is_wrong(echo):
                continue
            if length and self._length(echo) == len(self._text[: length - 1].rstrip()):
                return length - 1
            if not length and prompt.is_wrong(before):
                return 0
        if idle > _IDLE_BACKSPACES:
            return None
        message = "keys were lost while the boot command was typed, and the line could not be set right"
        raise MachineError(message, hint=f"{view.last_lines}\nset `boot_key_interval` for typing unseen")

    def _length(self, echo: Echo) -> int:
        """How many characters are right, without blanks at the end, which may be there or not."""
        return len(self._text[: echo.seen].rstrip())


def _lines(command: BootCommand) -> Iterator[Action | tuple[Press, ...]]:
    """The actions, those that type characters one after the other taken together."""
    line: list[Press] = []
    for action in command.actions:
        if isinstance(action, Press) and _character(action):
            line.append(action)
            continue
        if line:
            yield tuple(line)
            line = []
        yield action
    if line:
        yield tuple(line)


def _character(press: Press) -> str:
    """What a key types; empty when that cannot be seen."""
    if press.key == _SPACEBAR:
        return " "
    return press.key.name if press.key.is_character else ""


def _bytes(events: tuple[KeyEvent, ...]) -> int:
    """The room that key events take in the guest's keyboard."""
    return _BYTES_PER_KEY * sum(event.down for event in events)
