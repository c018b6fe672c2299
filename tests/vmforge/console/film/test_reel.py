"""What is written of a screen, and what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from vmforge.console.film import check_film, open_films
from vmforge.console.film.asciicast import Asciicast
from vmforge.console.framebuffer import Framebuffer, png
from vmforge.console.screen import Colours, ScreenText
from vmforge.errors import HostError, UsageError

FRAME = Framebuffer(8, 4, bytes(8 * 4 * 4))


def test_pictures_are_named_by_their_time(tmp_path: Path) -> None:
    folder = tmp_path / "shots"
    with open_films(folder, None) as film:
        film.add(100.0, FRAME, None)
        film.add(112.34, FRAME, None)
    assert sorted(path.name for path in folder.iterdir()) == ["0000.0.png", "0012.3.png"]
    assert (folder / "0000.0.png").read_bytes() == png(FRAME)


def test_nothing_wanted() -> None:
    with open_films(None, None) as film:
        assert not film.wanted


def test_a_name_of_no_format(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is no name of a film"):
        check_film(tmp_path / "film.avi")


def test_video_without_its_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(HostError, match="need the program `ffmpeg`") as caught:
        check_film(tmp_path / "film.mp4")
    assert "`.gif`" in caught.value.hint


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")
def test_video(tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    with open_films(None, path) as film:
        film.add(1.0, FRAME, None)
        film.add(2.0, Framebuffer(9, 5, bytes(9 * 5 * 4)), None)
    assert path.read_bytes()[4:8] == b"ftyp"


def test_ffmpegs_words_when_it_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "ffmpeg"
    program.write_text("#!/bin/sh\necho no encoder >&2\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(HostError, match="no encoder"), open_films(None, tmp_path / "film.mp4") as film:
        film.add(1.0, FRAME, None)


def events(path: Path) -> list[object]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_terminals_recording(tmp_path: Path) -> None:
    path = tmp_path / "film.cast"
    film = Asciicast(path)
    film.add(5.0, FRAME, ScreenText(("boot:", ""), cursor=(0, 5), columns=10))
    film.add(5.5, FRAME, None)
    film.add(6.0, FRAME, ScreenText(("boot: x", ""), cursor=(0, 7), columns=10))
    film.add(7.0, FRAME, ScreenText(("a", "b", "c"), columns=20))
    film.finish(9.0)
    header, *rest = events(path)
    assert isinstance(header, dict)
    assert (header["version"], header["width"], header["height"]) == (2, 10, 2)
    assert rest == [
        [0.0, "o", "\x1b[0m\x1b[H\x1b[2J\x1b[1;1Hboot:\x1b[0m\x1b[K\x1b[1;6H"],
        [1.0, "o", "\x1b[1;1Hboot: x\x1b[0m\x1b[K\x1b[1;8H"],
        [2.0, "r", "20x3"],
        [
            2.0,
            "o",
            "\x1b[0m\x1b[H\x1b[2J\x1b[1;1Ha\x1b[0m\x1b[K\x1b[2;1Hb\x1b[0m\x1b[K\x1b[3;1Hc\x1b[0m\x1b[K\x1b[3;1H",
        ],
        [4.0, "o", ""],
    ]


def test_colours_of_a_recording(tmp_path: Path) -> None:
    path = tmp_path / "film.cast"
    film = Asciicast(path)
    red = Colours(0xAA0000, 0x000000)
    film.add(0.0, FRAME, ScreenText(("ab",), columns=3, colours=((red, red, Colours(0, 0x0000AA)),)))
    film.finish(1.0)
    (_, _, output) = events(path)[1]  # type: ignore[misc]
    assert "\x1b[38;2;170;0;0;48;2;0;0;0mab\x1b[38;2;0;0;0;48;2;0;0;170m " in output
