"""Dates and times. Moments are texts as RFC 3339 writes them: `2020-01-02T03:04:05Z`."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from vmforge.sdk.golayout import RFC3339, format_time
from vmforge.sdk.values import Duration
from vmforge.template.expressions.types import NUMBER, STRING
from vmforge.template.expressions.values import Value
from vmforge.template.functions.context import FunctionContext
from vmforge.template.functions.declaration import FunctionError, Parameter, function
from vmforge.template.hcl.numbers import Number

_MOMENT = Parameter("timestamp", STRING)
_RFC3339 = re.compile(r"(\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d)(\.\d+)?([Zz]|[+-]\d\d:\d\d)")
_VERBS = re.compile(r"'(?:[^']|'')*'?|([A-Za-z])\1*|[^A-Za-z']+")


def _parsed(text: str, argument: int = 0) -> datetime:
    found = _RFC3339.fullmatch(text)
    try:
        if found is not None:
            zone = "+00:00" if found[3] in "Zz" else found[3]
            return datetime.fromisoformat(f"{found[1].upper()}{(found[2] or '')[:7]}{zone}")
    except ValueError:
        pass
    hint = "write it as `2020-01-02T03:04:05Z`, as `timestamp()` does"
    raise FunctionError(f"`{text}` is not a moment in RFC 3339's form", argument, hint=hint)


def _written(moment: datetime) -> str:
    return format_time(moment, RFC3339)


@function(
    "A moment in a form such as `YYYY-MM-DD'T'hh:mm:ssZ`; text in it stands in single quotes.",
    Parameter("format", STRING),
    _MOMENT,
)
def formatdate(format: str, timestamp: str) -> str:
    moment = _parsed(timestamp, 1)
    result = []
    for found in _VERBS.finditer(format):
        piece = found[0]
        if piece.startswith("'"):
            if len(piece) < 2 or not piece.endswith("'"):
                raise FunctionError("a quoted part is not closed", 0)
            result.append(piece[1:-1].replace("''", "'"))
        else:
            result.append(_verb(piece, moment) if found[1] else piece)
    return "".join(result)


def _verb(verb: str, at: datetime) -> str:
    hour = at.hour % 12 or 12
    values = {
        "YYYY": f"{at.year:04}",
        "YY": f"{at.year % 100:02}",
        "MMMM": format_time(at, "January"),
        "MMM": format_time(at, "Jan"),
        "MM": f"{at.month:02}",
        "M": f"{at.month}",
        "DD": f"{at.day:02}",
        "D": f"{at.day}",
        "EEEE": format_time(at, "Monday"),
        "EEE": format_time(at, "Mon"),
        "hh": f"{at.hour:02}",
        "h": f"{at.hour}",
        "HH": f"{hour:02}",
        "H": f"{hour}",
        "AA": "AM" if at.hour < 12 else "PM",
        "aa": "am" if at.hour < 12 else "pm",
        "mm": f"{at.minute:02}",
        "m": f"{at.minute}",
        "ss": f"{at.second:02}",
        "s": f"{at.second}",
        "ZZZZZ": format_time(at, "-07:00"),
        "ZZZZ": format_time(at, "-0700"),
        "ZZZ": format_time(at, "-0700") if at.utcoffset() else "UTC",
        "Z": format_time(at, "Z07:00"),
    }
    if verb not in values:
        known = " ".join(f"`{name}`" for name in values if name[0].lower() == verb[0].lower())
        hint = f"known are {known}" if known else "put text that is no verb into single quotes"
        raise FunctionError(f"there is no format verb `{verb}`", 0, hint=hint)
    return values[verb]


@function(
    "The start of the run in a layout of Go (`2006-01-02`), in UTC.",
    Parameter("layout", STRING, optional=True),
    context=True,
)
def legacy_isotime(context: FunctionContext, layout: str = RFC3339) -> str:
    return format_time(context.started, layout)


@function(
    "The start of the run in a format of strftime (`%Y-%m-%d`), in UTC.",
    Parameter("format", STRING),
    context=True,
)
def legacy_strftime(context: FunctionContext, format: str) -> str:
    return context.started.strftime(format)


@function("The parts of a moment: `year`, `month`, `weekday_name`, `unix` and others.", _MOMENT)
def rfc3339_parse(timestamp: str) -> Value:
    moment = _parsed(timestamp)
    return {**_fields(moment), "unix": int(moment.timestamp())}


@function(
    "The parts of a moment given as seconds since 1970, and its text as `rfc3339`.",
    Parameter("seconds", NUMBER),
)
def unix_timestamp_parse(seconds: Number) -> Value:
    try:
        moment = datetime.fromtimestamp(int(seconds), UTC)
    except (ValueError, OverflowError, OSError):
        raise FunctionError("the moment is too far away", 0) from None
    return {**_fields(moment), "rfc3339": _written(moment)}


def _fields(at: datetime) -> dict[str, Value]:
    iso = at.isocalendar()
    return {
        "year": at.year,
        "year_day": at.timetuple().tm_yday,
        "month": at.month,
        "month_name": format_time(at, "January"),
        "day": at.day,
        "weekday": at.isoweekday() % 7,
        "weekday_name": format_time(at, "Monday"),
        "hour": at.hour,
        "minute": at.minute,
        "second": at.second,
        "iso_year": iso.year,
        "iso_week": iso.week,
    }


@function("A moment some time later, or earlier: `-24h`, `1h30m`.", _MOMENT, Parameter("duration", STRING))
def timeadd(timestamp: str, duration: str) -> str:
    moment = _parsed(timestamp)
    try:
        return _written(moment + timedelta(seconds=Duration.parse(duration).seconds))
    except (ValueError, OverflowError) as error:
        raise FunctionError(str(error), 1) from None


@function("The moment at which this run started, the same all through it.", context=True)
def timestamp(context: FunctionContext) -> str:
    return _written(context.started.astimezone(UTC).replace(microsecond=0))
