from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from vmforge.console.boot_command import (
    BootCommand,
    Hold,
    Press,
    Release,
    Wait,
    WaitForImage,
    WaitForText,
    WaitStill,
    check_boot_command,
    key_events,
    parse_boot_command,
)
from vmforge.console.keys import NAMED_KEYS

GOLDEN = Path(__file__).parents[2] / "golden/boot_command"


def spelled(command: BootCommand) -> str:
    """Actions in a notation of this test's own: keys by name, `+` held, `-` released."""
    words = []
    for action in command.actions:
        match action:
            case Wait(duration):
                words.append(f"wait:{duration.seconds:g}")
            case WaitForText(pattern, limit):
                words.append(f"text:{pattern.pattern!r}:{limit.seconds:g}")
            case WaitForImage(path, limit):
                words.append(f"image:{path}:{limit.seconds:g}")
            case WaitStill(duration, limit):
                words.append(f"still:{duration.seconds:g}:{limit.seconds:g}")
            case Press(key):
                words.append(key.name)
            case Hold(key):
                words.append("+" + key.name)
            case Release(key):
                words.append("-" + key.name)
    return " ".join(words)


@pytest.mark.parametrize(
    ("text", "actions"),
    [
        ("", ""),
        ("ab", "a b"),
        ("<wait>", "wait:1"),
        ("<wait10>", "wait:10"),
        ("<wait1m20s>", "wait:80"),
        ("<wait1.5s>", "wait:1.5"),
        ("<wait500ms><wait20µs>", "wait:0.5 wait:2e-05"),
        ("<wait1h0m1ns>", "wait:3600"),
        # only lower case, no leading zeros, no spaces, no unit left out after a fraction
        ("<Wait>", "< W a i t >"),
        ("<wait05>", "< w a i t 0 5 >"),
        ("<wait 5>", "< w a i t   5 >"),
        ("<wait1.5>", "< w a i t 1 . 5 >"),
        ("<wait5S>", "< w a i t 5 S >"),
        ("<wait1s2>", "< w a i t 1 s 2 >"),
        ("<wait", "< w a i t"),
        ("<wait\u0665>", "< w a i t \u0665 >"),
        # what the screen must show
        ('<wait "boot:">', "text:'boot:':300"),
        ("<wait 'boot: *$' 10m>", "text:'boot: *$':600"),
        (r'<wait "a \"b\" \d+>" 90>', "text:'a \"b\" \\\\d+>':90"),
        ("<waitStill 2s>a", "still:2:300 a"),
        ("<waitStill 500ms 1m>", "still:0.5:60"),
        ('<waitImage "disk.png"><waitImage "a b.png" 9s>', "image:disk.png:300 image:a b.png:9"),
        # keys in any case, the longest name
        ("<enter><ENTER><Return>", "enter enter return"),
        ("<f1><f10><F12>", "f1 f10 f12"),
        ("<left><leftAlt><LEFTSHIFT>", "left leftAlt leftShift"),
        ("<leftCtrlOn>c<leftctrlOFF>", "+leftCtrl c -leftCtrl"),
        ("<upOn><pageDownoff>", "+up -pageDown"),
        ("<e\u017fc>", "< e \u017f c >"),
        # any character can be held, and that is tried before key names
        ("<fOn><fOff>", "+f -f"),
        ("<rON><AOff>", "+r -A"),
        ("<<on><>off>", "+< ->"),
        ("<\non>", "+\n"),
        ("<oon><ooff>", "+o -o"),
        ("<on>", "< o n >"),
        ("<offoff>", "< o f f o f f >"),
        # anything else is text
        ("<space>", "< s p a c e >"),
        ("a<b", "a < b"),
        ("<<enter>", "< enter"),
        ("<enter<enter>", "< e n t e r enter"),
        ("<>", "< >"),
    ],
)
def test_grammar(text: str, actions: str) -> None:
    assert spelled(parse_boot_command(text)) == actions


@pytest.mark.parametrize(
    ("text", "warnings"),
    [
        ("<enter>a < b<wait5>c > d", []),
        (
            "<waiit>",
            ["`<waiit>` is neither a key nor a wait and is typed as it stands; did you mean `<wait>`?"],
        ),
        (
            "<space><space>",
            ["`<space>` is neither a key nor a wait and is typed as it stands; did you mean `<spacebar>`?"],
        ),
        (
            "<leftControlOn>",
            [
                "`<leftControlOn>` is neither a key nor a wait and is typed as it stands;"
                " did you mean `<leftCtrlOn>`?"
            ],
        ),
        (
            "<wait 5>",
            [
                "`<wait 5>` is neither a key nor a wait and is typed as it stands;"
                ' waits are written `<wait>`, `<wait5>`, `<wait1m30s>`, `<wait "text">`, `<waitStill 2s>`'
                ' or `<waitImage "file.png">`'
            ],
        ),
        ("<xyzzy>", ["`<xyzzy>` is neither a key nor a wait and is typed as it stands"]),
        ("<wait0>", ["`<wait0>` does not wait, and Packer refuses it"]),
        ("<wait-5s>", ["`<wait-5s>` does not wait, and Packer refuses it"]),
        ("<wait1m-20s>", ["`<wait1m-20s>` does not wait, and Packer refuses it"]),
        ("<wait9999999h>", ["`<wait9999999h>` is longer than any wait can be, and Packer refuses it"]),
        ("a\nb\n", ["a line break or other control character presses no key; write `<enter>` or `<tab>`"]),
    ],
)
def test_warnings(text: str, warnings: list[str]) -> None:
    assert list(parse_boot_command(text).warnings) == warnings


@pytest.mark.parametrize(
    ("text", "errors"),
    [
        (
            '<wait "(">',
            ['`<wait "(">` holds no regular expression: missing ), unterminated subpattern at position 0'],
        ),
        ('<wait "a" 0>', ['`<wait "a" 0>` has a time that is no time to wait']),
        ("<waitStill 0s><waitStill 0s>", ["`<waitStill 0s>` has a time that is no time to wait"]),
        ('<wait "{{ .Name }}(">', []),
    ],
)
def test_errors(text: str, errors: list[str]) -> None:
    assert list(check_boot_command(text).errors) == errors


@pytest.mark.parametrize(
    "text", ['<wait "a>', "<wait a>", "<waitstill 2s>", '<WAIT "a">', "<waitImage a.png>"]
)
def test_what_only_looks_like_a_watch_is_typed(text: str) -> None:
    command = parse_boot_command(text)
    assert not command.watches
    assert spelled(command) == " ".join(text)


def test_nothing_is_said_about_what_is_not_rendered_yet() -> None:
    text = """<esc>auto url=http://{{ .HTTPIP }}:{{.HTTPPort}}/{{ printf "<foo>}}" }}/<wait{{ .Seconds }}>
    <{{ .Key }}><{{ .Key }}on>{{ `<bar>` }}<enter>""".replace("\n    ", "")
    assert check_boot_command(text).warnings == ()


def test_unrendered_text_is_still_checked() -> None:
    assert len(check_boot_command("{{ .Name }}<waiit>{{ .Name }}<entr>{{ unclosed <esc>").warnings) == 2


@given(st.text(alphabet=st.one_of(st.sampled_from("<>waitonfesc1205.smh- {}"), st.characters())))
@example("<wait" + "9" * 5000 + ">")
@example("<wait" + "9" * 5000 + ".5h>")
@example("<" * 2000)
def test_every_text_has_a_meaning(text: str) -> None:
    command = parse_boot_command(text)
    assert len(command.actions) <= len(text)
    waits = [action.duration.seconds for action in command.actions if isinstance(action, Wait)]
    assert all(0 <= seconds <= 9_223_372_036 for seconds in waits)
    check_boot_command(text)


@given(st.lists(st.sampled_from([f"<{key.name}>" for key in NAMED_KEYS.values()] + ["a", "Z", "\\", " "])))
def test_tokens_are_read_one_by_one(tokens: list[str]) -> None:
    command = parse_boot_command("".join(tokens))
    assert spelled(command).split(" ") == " ".join(token.strip("<>") for token in tokens).split(" ")


@pytest.mark.parametrize("name", ["isolinux", "toggles", "grub", "typed-as-it-stands"])
def test_key_events(name: str, request: pytest.FixtureRequest) -> None:
    text = (GOLDEN / f"{name}.boot").read_text(encoding="utf-8").rstrip("\n")
    lines = []
    for action in parse_boot_command(text).actions:
        if isinstance(action, Wait):
            lines.append(f"wait {action.duration}")
            continue
        lines += [f"{'down' if event.down else 'up  '} {event.keysym:04x}" for event in key_events(action)]
    shown = "\n".join(lines) + "\n"
    golden = GOLDEN / f"{name}.keys"
    if request.config.getoption("--update-golden", default=False):
        golden.write_text(shown, encoding="utf-8")
    assert shown == golden.read_text(encoding="utf-8")
