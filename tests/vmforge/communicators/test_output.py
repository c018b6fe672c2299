"""How a stream of bytes becomes lines."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmforge.sdk.lines import LineSplitter


def split(*pieces: bytes) -> list[str]:
    lines: list[str] = []
    splitter = LineSplitter(lines.append)
    for piece in pieces:
        splitter.feed(piece)
    splitter.finish()
    return lines


@pytest.mark.parametrize(
    ("pieces", "lines"),
    [
        ((b"one\ntwo\n",), ["one", "two"]),
        ((b"one\n\ntwo",), ["one", "", "two"]),
        ((b"dos\r\nline\r\n",), ["dos", "line"]),
        ((b"cut\r", b"\nnext"), ["cut", "next"]),
        ((b"cut\r\r", b"\nnext"), ["cut", "next"]),
        ((b" 10%\r 50%\r", b"100%\n"), ["100%"]),
        ((b" 10%\r100%\r",), ["100%"]),
        ((b"gr\xc3", b"\xbc\xc3\x9fe\n"), ["grüße"]),
        ((b"\xff\xfe bad\xc3",), ["\ufffd\ufffd bad\ufffd"]),
        ((), []),
    ],
)
def test_lines(pieces: tuple[bytes, ...], lines: list[str]) -> None:
    assert split(*pieces) == lines


def test_endless_line_is_given_out_in_pieces() -> None:
    lines: list[str] = []
    splitter = LineSplitter(lines.append)
    splitter.feed(b"x" * 1_000_000)
    assert lines
    splitter.finish()
    assert "".join(lines) == "x" * 1_000_000


@given(st.text(alphabet="ab\r\nü", max_size=40), st.data())
def test_cuts_change_nothing(text: str, data: st.DataObject) -> None:
    encoded = text.encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(encoded)), max_size=4)))
    pieces = [encoded[a:b] for a, b in zip([0, *cuts], [*cuts, len(encoded)], strict=True)]
    assert split(*pieces) == split(encoded)
