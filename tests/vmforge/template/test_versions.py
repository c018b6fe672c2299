"""Version constraints, as Packer's library reads them."""

from __future__ import annotations

import pytest

from vmforge.template.versions import Version, satisfies


@pytest.mark.parametrize(
    ("version", "constraints", "expected"),
    [
        ("1.16.0", "", True),
        ("1.16.0", ">= 1.9", True),
        ("1.16.0", ">=1.9,<2", True),
        ("1.16.0", ">= 1.9, < 1.16", False),
        ("1.16.0", "1.16", True),
        ("1.16.0", "= 1.16.1", False),
        ("1.16.0", "!= 1.16", False),
        ("1.16.0", "> 1.16", False),
        ("1.16.0", "<= v1.16.0", True),
        ("1.16.0", "~> 1", True),
        ("2.0.0", "~> 1", True),
        ("1.16.0", "~> 1.9", True),
        ("2.0.0", "~> 1.9", False),
        ("1.9.9", "~> 1.9.1", True),
        ("1.10.0", "~> 1.9.1", False),
        ("1.9.0", "~> 1.9.1", False),
        ("1.16.0-dev", ">= 1.16.0", False),
        ("1.16.0", "> 1.16.0-beta1", True),
        ("1.16.0-beta2", "> 1.16.0-beta1", True),
    ],
)
def test_constraints(version: str, constraints: str, expected: bool) -> None:
    assert satisfies(Version.parse(version), constraints) is expected


@pytest.mark.parametrize("constraints", ["=> 1", "x", ">= 1.", ">", "1 2", ">= 1,"])
def test_what_is_no_constraint_is_an_error(constraints: str) -> None:
    with pytest.raises(ValueError, match=r"`.*` is no version"):
        satisfies(Version((1,)), constraints)
