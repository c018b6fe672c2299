"""Options whose `{{ }}` the component itself renders when it runs, judged before anything runs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from vmforge.sdk.component import Problem
from vmforge.sdk.interpolate import BUILD_VALUES, interpolator


def check_late(text: str, fields: Iterable[str], option: str) -> Iterator[Problem]:
    """That the `{{ }}` of a text can be rendered with these fields, beside those of a running build.
    `option` is the one to point at."""
    known = dict.fromkeys((*fields, *BUILD_VALUES), "")
    try:
        interpolator().with_fields(known).check(text)
    except ValueError as error:
        yield Problem(f"option `{option}`: {error}", option=option)
