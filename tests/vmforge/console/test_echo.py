from __future__ import annotations

import pytest

from vmforge.console.echo import Echo, find_prompt
from vmforge.console.screen import ScreenText


def screen(*lines: str, cursor: tuple[int, int] | None = None, columns: int = 20) -> ScreenText:
    rows = (*lines, *[""] * (6 - len(lines)))
    return ScreenText(rows, cursor=cursor, columns=columns)


BEFORE = screen("Welcome", "boot:")


def echo(text: str, after: ScreenText, *, before: ScreenText = BEFORE, first: str = "i") -> Echo | None:
    row = before.lines.index("boot:")
    found = find_prompt(before, screen(*before.lines[:row], f"boot: {first}"), first)
    assert found is not None
    return found.echo(text, after)


@pytest.mark.parametrize(
    ("typed", "shown", "seen"),
    [
        ("install", "boot: i", Echo(1, "", True)),
        ("install", "boot: install", Echo(7, "", True)),
        ("install", "boot: inst", Echo(4, "", True)),
        ("install", "boot: insall", Echo(3, "all", True)),
        ("install", "boot: iinstall", Echo(1, "install", True)),
        # blanks at the end cannot be seen
        ("ia b", "boot: ia", Echo(2, "", True)),
        ("ia  ", "boot: ia", Echo(2, "", True)),
        ("ia", "boot: ia_", Echo(2, "", True)),
    ],
)
def test_what_is_seen_of_a_line(typed: str, shown: str, seen: Echo) -> None:
    assert echo(typed, screen("Welcome", shown)) == seen


def test_the_cursor_shows_blanks() -> None:
    assert echo("ia  ", screen("Welcome", "boot: ia", cursor=(1, 9))) == Echo(3, "", True)
    assert echo("ia  ", screen("Welcome", "boot: ia", cursor=(1, 10))) == Echo(4, "", True)


def test_a_line_goes_on_in_the_next_row() -> None:
    after = screen("Welcome", "boot: i2345678901234", "567")
    assert echo("i2345678901234567", after) == Echo(17, "", True)


def test_isolinux_breaks_rows_where_it_likes() -> None:
    after = screen("Welcome", "boot: i2345678901234", "56", "789")
    assert echo("i2345678901234567890", after) == Echo(19, "", True)


def test_the_screen_scrolls() -> None:
    before = screen("1", "2", "3", "4", "5", "boot:")
    after = screen("2", "3", "4", "5", "boot: i2345678901234", "567")
    assert echo("i2345678901234567", after, before=before) == Echo(17, "", True)


def test_the_prompt_is_gone() -> None:
    assert echo("in", screen("Loading", "kernel")) is None


def test_what_appears_elsewhere_is_told() -> None:
    assert echo("in", screen("Welcome", "boot: i", "", "[ 1.0] usb 1-1")) == Echo(1, "", False)


def test_grubs_editor() -> None:
    before = screen("┌──────────────────┐", "│ linux /v         │", "│ initrd /i        │")
    after = screen("┌──────────────────┐", "│ linux /v a       │", "│ initrd /i        │")
    prompt = find_prompt(before, after, " a")
    assert prompt is not None and prompt.is_at_end
    wrapped = screen(
        "┌──────────────────┐", "│ linux /v a=12345\\│", "│ 67                │", "│ initrd /i        │"
    )
    seen = prompt.echo(" a=1234567", wrapped)
    assert seen == Echo(10, "", False)


@pytest.mark.parametrize(
    ("typed", "rows", "seen"),
    [
        (" a=12345 6", ("│ linux /v a=12345\\│", "│ initrd /i        │"), 8),
        (" a=12345 6", ("│ linux /v a=12345\\│", "│ 6                │", "│ initrd /i        │"), 10),
        (" a=12345  67", ("│ linux /v a=12345\\│", "│  67              │", "│ initrd /i        │"), 12),
        (" a=12345 67", ("│ linux /v a=12345\\│", "│67                │", "│ initrd /i        │"), 8),
    ],
)
def test_a_row_of_grubs_editor_that_goes_on_with_a_blank(
    typed: str, rows: tuple[str, ...], seen: int
) -> None:
    before = screen("┌──────────────────┐", "│ linux /v         │", "│ initrd /i        │")
    prompt = find_prompt(
        before, screen("┌──────────────────┐", "│ linux /v a       │", *before.lines[2:]), " a"
    )
    assert prompt is not None
    shown = prompt.echo(typed, screen("┌──────────────────┐", *rows))
    assert shown is not None and shown.seen == seen


def test_a_line_that_is_changed_in_its_middle() -> None:
    before, after = screen("Welcome", "boot: quiet"), screen("Welcome", "boot: xquiet")
    prompt = find_prompt(before, after, "x")
    assert prompt is not None and not prompt.is_at_end
    echo = prompt.echo("xy", screen("Welcome", "boot: xyquiet"))
    assert echo == Echo(2, "quiet", True)
    assert not prompt.is_wrong(echo)


@pytest.mark.parametrize(
    "after",
    [
        screen("Welcome", "boot:"),
        screen("Welcome", "boot: *"),
        screen("Welcome", "boot: i", "", "something else"),
        screen("GNU GRUB", "edit"),
    ],
)
def test_no_prompt(after: ScreenText) -> None:
    assert find_prompt(BEFORE, after, "i") is None


@pytest.mark.parametrize(("shown", "typed"), [("ii", "i"), ("n", "in"), ("iin", "in")])
def test_a_prompt_whose_first_keys_were_lost_or_doubled(shown: str, typed: str) -> None:
    prompt = find_prompt(BEFORE, screen("Welcome", f"boot: {shown}"), typed)
    assert prompt is not None
    echo = prompt.echo(typed, screen("Welcome", f"boot: {shown}"))
    assert echo is not None and prompt.is_wrong(echo)
