"""Times written in Go's way: the layout shows how 2006-01-02 15:04:05.000 MST, a Monday, would look.

The elements are those of https://pkg.go.dev/time#pkg-constants.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta

# Go's "2006-01-02T15:04:05Z07:00"
RFC3339 = "2006-01-02T15:04:05Z07:00"

_ELEMENT = re.compile(
    r"January|Jan(?![a-z])|Monday|Mon(?![a-z])|MST"
    r"|002|01|02|03|04|05|06|15|2006|__2|_2(?!006)|1|2|3|4|5|PM|pm"
    r"|[-Z]07:00:00|[-Z]070000|[-Z]07:00|[-Z]0700|[-Z]07"
    r"|[.,](?:0+|9+)(?![0-9])"
)
_MONTHS = ["January", "February", "March", "April", "May", "June"]
_MONTHS += ["July", "August", "September", "October", "November", "December"]
_DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]


def format_time(moment: datetime, layout: str) -> str:
    """`moment`, which knows its time zone, in the form of a Go layout. Other text stays as it is."""
    return _ELEMENT.sub(lambda match: _element(moment, match[0]), layout)


def _element(moment: datetime, element: str) -> str:
    if element[0] in "-Z":
        return _offset(moment, element)
    if element[0] in ".,":
        return _fraction(moment, element)
    hour = moment.hour % 12 or 12
    return {
        "January": _MONTHS[moment.month - 1],
        "Jan": _MONTHS[moment.month - 1][:3],
        "1": f"{moment.month}",
        "01": f"{moment.month:02}",
        "Monday": _DAYS[moment.weekday()],
        "Mon": _DAYS[moment.weekday()][:3],
        "2": f"{moment.day}",
        "_2": f"{moment.day:2}",
        "02": f"{moment.day:02}",
        "002": f"{moment.timetuple().tm_yday:03}",
        "__2": f"{moment.timetuple().tm_yday:3}",
        "15": f"{moment.hour:02}",
        "3": f"{hour}",
        "03": f"{hour:02}",
        "4": f"{moment.minute}",
        "04": f"{moment.minute:02}",
        "5": f"{moment.second}",
        "05": f"{moment.second:02}",
        "2006": f"{moment.year:04}",
        "06": f"{moment.year % 100:02}",
        "PM": "PM" if moment.hour >= 12 else "AM",
        "pm": "pm" if moment.hour >= 12 else "am",
        "MST": moment.tzname() or "UTC",
    }[element]


def _offset(moment: datetime, element: str) -> str:
    """The distance from UTC: `-0700` always as numbers, `Z0700` as `Z` where there is none."""
    offset = moment.utcoffset() or timedelta()
    if element[0] == "Z" and not offset:
        return "Z"
    total = int(abs(offset).total_seconds())
    parts = [f"{total // 3600:02}", f"{total // 60 % 60:02}", f"{total % 60:02}"]
    shown = len(re.findall(r"\d\d", element))
    return ("-" if offset < timedelta() else "+") + (":" if ":" in element else "").join(parts[:shown])


def _fraction(moment: datetime, element: str) -> str:
    digits = f"{moment.microsecond:06}".ljust(len(element) - 1, "0")[: len(element) - 1]
    if element[1] == "9":
        digits = digits.rstrip("0")
    return element[0] + digits if digits else ""
