"""The `output` option that post-processors have: the name of a file with the build's values in it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from vmforge.sdk import BuildContext, Problem
from vmforge.sdk.late import check_late

_FIELDS = ("BuildName", "BuilderType")


def output_fields(context: BuildContext) -> dict[str, object]:
    """What the `{{ }}` of an output name knows."""
    return {**context.data, "BuildName": context.name, "BuilderType": context.builder_type}


def check_output(output: str, more_fields: Iterable[str] = ()) -> Iterator[Problem]:
    """That an output name is there, and that its `{{ }}` can be rendered."""
    if not output:
        yield Problem("`output` is empty", option="output")
    yield from check_late(output, (*_FIELDS, *more_fields), "output")
