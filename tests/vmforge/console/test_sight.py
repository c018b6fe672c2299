"""Looking at screens that change by a script."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import cast

import pytest

from vmforge.console.framebuffer import Framebuffer
from vmforge.console.screen import ScreenReader, ScreenText
from vmforge.console.sight import Sight
from vmforge.errors import MachineError
from vmforge.sdk import Duration

# Pictures that hold no text begin with this.
GRAPHICS = "#"


@dataclass
class Show:
    """A display whose script says from which second on what is shown; looks take no time."""

    script: dict[float, str]
    now: float = 0.0
    looks: list[float] = field(default_factory=list)

    def look(self, seconds: float) -> Framebuffer:
        self.looks.append(seconds)
        changes = [at for at in self.script if self.now < at <= self.now + seconds]
        self.now = min(changes, default=self.now + seconds)
        shown = self.script[max(at for at in self.script if at <= self.now)].encode()
        return Framebuffer(len(shown) // 4, 1, shown)

    def read(self, frame: Framebuffer) -> ScreenText | None:
        text = frame.pixels.decode()
        return None if text.startswith(GRAPHICS) else ScreenText(tuple(text.split("\n")))


@pytest.fixture
def sight(monkeypatch: pytest.MonkeyPatch) -> Sight:
    show = Show({0.0: "SeaBIOS"})
    monkeypatch.setattr("vmforge.console.sight.time.monotonic", lambda: show.now)
    return Sight(show, reader=cast(ScreenReader, show))


def play(sight: Sight, script: dict[float, str]) -> Show:
    show = cast(Show, sight.display)
    show.script = script
    return show


def test_the_first_still_screen_that_asks_for_something(sight: Sight) -> None:
    script = {
        0.0: "SeaBIOS (version 1.16)",
        2.0: "SeaBIOS (version 1.16)\nBooting from DVD/CD...",
        5.0: "ISOLINUX 6.04 Copyright",
        8.0: "ISOLINUX 6.04 Copyright\nWelcome",
        8.2: "ISOLINUX 6.04 Copyright\nWelcome\nboot:",
    }
    show = play(sight, script)
    assert sight.wait_for_prompt(Duration(0.5), Duration(60))
    assert show.now == pytest.approx(8.7)


def test_no_prompt_within_the_limit(sight: Sight) -> None:
    show = play(sight, {0.0: "Booting from Hard Disk..."})
    assert not sight.wait_for_prompt(Duration(0.5), Duration(20))
    assert show.now == pytest.approx(20)


def test_graphics_that_stand_still_are_a_prompt_too_but_a_black_screen_is_none(sight: Sight) -> None:
    show = play(sight, {0.0: GRAPHICS + "boot logo", 1.0: GRAPHICS + "menu"})
    assert sight.wait_for_prompt(Duration(0.5), Duration(60))
    assert show.now == pytest.approx(6)


def test_a_blinking_cursor_is_still(sight: Sight) -> None:
    script = {0.0: GRAPHICS + "moving"}
    script |= {1 + number / 4: GRAPHICS + "_ "[number % 2] for number in range(40)}
    show = play(sight, script)
    sight.wait_still(Duration(2), Duration(60))
    assert show.now == pytest.approx(3.25)


def test_a_screen_that_is_never_still(sight: Sight) -> None:
    play(sight, {number / 2: f"second {number}" for number in range(200)})
    with pytest.raises(MachineError) as caught:
        sight.wait_still(Duration(2), Duration(9))
    assert caught.value.message == "the screen was not still for 2 s within 9 s"
    assert caught.value.hint.startswith("the screen says:\n  second ")


def test_limits_are_longer_on_slow_machines(sight: Sight) -> None:
    slow = Sight(sight.display, 10.0, sight.reader)
    show = play(sight, {0.0: "a", 30.0: "login:"})
    slow.wait_for_text(re.compile("^login:"), Duration(4))
    assert show.now == pytest.approx(30)


def test_a_picture_is_waited_for(sight: Sight) -> None:
    show = play(sight, {0.0: GRAPHICS + "abcdefghijkl", 3.0: GRAPHICS + "abcWXYZwxyz"})
    sight.wait_for_picture(Framebuffer(2, 1, b"WXYZwxyz"), "button.png", Duration(9))
    assert show.now == pytest.approx(3)


def test_a_picture_that_never_comes(sight: Sight) -> None:
    play(sight, {0.0: GRAPHICS + "abcdefghijkl"})
    with pytest.raises(MachineError) as caught:
        sight.wait_for_picture(Framebuffer(2, 1, b"WXYZwxyz"), "button.png", Duration(9))
    assert caught.value.message == "the screen did not show the picture `button.png` within 9 s"
    assert caught.value.hint.startswith("the screen shows no text that can be read")
