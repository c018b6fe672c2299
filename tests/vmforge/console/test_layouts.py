"""The keys that type a line on each layout, as goldens, and what holds for all of them."""

from __future__ import annotations

import string
from pathlib import Path

import pytest

from vmforge.console import layouts
from vmforge.console.boot_command import Press, key_events, parse_boot_command
from vmforge.console.keys import NAMED_KEYS, character_key, code_of, xt_code

GOLDEN = Path(__file__).parents[2] / "golden/layouts"
LINE = r"""install Ks=http://10.0.2.2:8000/a_b.cfg [y|z] {1} 'q' "w" ~\^@#<>;$%&*()!?`+-"""
OTHERS = [name for name in layouts.names() if name != layouts.US]


def shown(text: str, layout: layouts.Layout) -> str:
    lines = []
    for action in parse_boot_command(text).actions:
        assert isinstance(action, Press)
        events = [event for key in layout.type(action.key) for event in key_events(Press(key))]
        keys = " ".join(f"{'+' if event.down else '-'}{event.code}:{event.keysym:x}" for event in events)
        lines.append(f"{action.key.name}  {keys}")
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("name", OTHERS)
def test_key_events(name: str, request: pytest.FixtureRequest) -> None:
    golden = GOLDEN / f"{name}.keys"
    events = shown(LINE, layouts.load(name))
    if request.config.getoption("--update-golden", default=False):
        golden.write_text(events, encoding="utf-8")
    assert events == golden.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", OTHERS)
def test_every_layout_types_letters_and_digits(name: str) -> None:
    layout = layouts.load(name)
    assert layout.missing(string.ascii_letters + string.digits + " -_=/:.,;") == ""
    assert layout.missing("\N{SNOWMAN}") == "\N{SNOWMAN}"


def test_the_us_layout_is_left_to_vnc() -> None:
    layout = layouts.load("us")
    assert layout.type(character_key("\N{SNOWMAN}")) == (character_key("\N{SNOWMAN}"),)
    assert layout.missing("\N{SNOWMAN}") == ""


@pytest.mark.parametrize("name", ["de", "us"])
def test_named_keys_are_where_they_are(name: str) -> None:
    assert layouts.load(name).type(NAMED_KEYS["enter"]) == (NAMED_KEYS["enter"],)


def test_a_layout_that_there_is_not() -> None:
    with pytest.raises(KeyError):
        layouts.load("klingon")
    assert layouts.suggestion("gb2") == "did you mean `gb`?"
    assert layouts.suggestion("klingon").startswith("choose one of `be`, `br`")


@pytest.mark.parametrize(
    ("name", "code", "xt"),
    [("a", 30, 30), ("A", 30, 30), ("<", 51, 51), ("?", 53, 53), (" ", 57, 57), ("0", 11, 11)],
)
def test_places_of_characters(name: str, code: int, xt: int) -> None:
    assert (code_of(character_key(name).keysym), xt_code(code)) == (code, xt)


def test_named_keys_have_places() -> None:
    places = {name: code_of(key.keysym) for name, key in NAMED_KEYS.items()}
    assert (places["enter"], places["f12"], places["up"], places["rightalt"]) == (28, 88, 103, 100)
    assert xt_code(places["rightalt"]) == 0xB8
