"""Sizes, durations, secrets: how they are read and shown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmforge.sdk.values import UNKNOWN, Duration, Secret, Size, Unknown, format_bytes, format_seconds


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", 0),
        ("1024", 1024),
        ("40G", 40 * 1024**3),
        ("512M", 512 * 1024**2),
        ("10 GiB", 10 * 1024**3),
        ("5kb", 5 * 1024),
        (" 2T ", 2 * 1024**4),
    ],
)
def test_sizes(text: str, expected: int) -> None:
    assert Size.parse(text).bytes == expected


def test_a_bare_number_counts_in_the_options_unit() -> None:
    assert Size.parse("512", default_unit="m") == Size(512 * 1024**2)
    assert Size.parse("512k", default_unit="m") == Size(512 * 1024)
    assert Size.parse("3", default_unit="g").mebibytes == 3072


@pytest.mark.parametrize("text", ["", "G", "-1G", "1.5G", "40X", "4 0", "1e3"])
def test_what_is_not_a_size(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a size; write a number and a unit, as in `40G` or `512M`"):
        Size.parse(text)


@pytest.mark.parametrize(
    ("count", "expected"),
    [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (34_707_456, "33.1 MiB"), (2**50, "1024.0 TiB")],
)
def test_byte_counts_as_people_read_them(count: int, expected: str) -> None:
    assert format_bytes(count) == expected
    assert str(Size(count)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("5m", 300.0),
        ("1m30s", 90.0),
        ("1h2m3.5s", 3723.5),
        ("250ms", 0.25),
        ("100us", 1e-4),
        ("3µs", 3e-6),
        ("-1s", -1.0),
        ("+.5s", 0.5),
        ("0", 0.0),
    ],
)
def test_durations(text: str, expected: float) -> None:
    assert Duration.parse(text).seconds == pytest.approx(expected)


@pytest.mark.parametrize("text", ["", "-", "5", "m", "5 m", "1h 30m", "1d", "5m3", "1..5s"])
def test_what_is_not_a_duration(text: str) -> None:
    with pytest.raises(
        ValueError, match=r"is not a duration; write a number and a unit, as in `5m` or `1m30s`"
    ):
        Duration.parse(text)


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0, "0 s"),
        (0.42, "0.4 s"),
        (48, "48 s"),
        (300, "5m"),
        (3723, "1h2m3s"),
        (119.6, "2m"),
        (-1, "-1 s"),
        (-90, "-1m30s"),
    ],
)
def test_spans_as_people_read_them(seconds: float, expected: str) -> None:
    assert format_seconds(seconds) == expected


@given(st.integers(0, 10**7))
def test_a_shown_span_of_a_minute_or_more_reads_back(seconds: int) -> None:
    if seconds >= 60:
        assert Duration.parse(str(Duration(seconds))).seconds == seconds


def test_durations_scale() -> None:
    assert Duration(30) * 10 == Duration(300)


def test_a_secret_does_not_show() -> None:
    secret = Secret("hunter2")
    assert f"{secret} {secret!r} {[secret]}" == "<sensitive> <sensitive> [<sensitive>]"
    assert secret and not Secret("")


def test_there_is_one_unknown() -> None:
    assert Unknown() is UNKNOWN
