"""The version of the contract between vmforge and components.

Stable are what `vmforge.sdk`, `vmforge.sdk.cloud` and `vmforge.sdk.testing` name in `__all__`, the errors
of `vmforge.errors`, and what has no underscore in the modules `adapter`, `extras`, `late` and `network` of
`vmforge.sdk`. A minor version adds to that: names, and methods and fields that have a default. A
major version takes away or changes, and comes with a list of what to do. All else may change in any release.

A component says with `sdk_version` which version its author had; one for another major version, or for a
newer minor one than is installed, is refused before anything of it runs.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Final

SDK_VERSION: Final = "1.0"

_VERSION: Final = re.compile(r"([0-9]+)\.([0-9]+)")


class Fit(StrEnum):
    """How the version that a component was written for goes with ours."""

    FITS = "fits"
    TOO_OLD = "too old"
    TOO_NEW = "too new"
    UNREADABLE = "unreadable"


def fit_of(written_for: str, ours: str = SDK_VERSION) -> Fit:
    """Whether a component that was written for a version works with ours."""
    theirs, here = _VERSION.fullmatch(written_for), _VERSION.fullmatch(ours)
    assert here is not None
    if theirs is None:
        return Fit.UNREADABLE
    major, minor = int(theirs[1]), int(theirs[2])
    if major < int(here[1]):
        return Fit.TOO_OLD
    return Fit.FITS if major == int(here[1]) and minor <= int(here[2]) else Fit.TOO_NEW
