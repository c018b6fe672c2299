"""Packer's spelling of flags."""

from __future__ import annotations

import pytest

from vmforge.cli.arguments import normalise


@pytest.mark.parametrize(
    ("given", "plain"),
    [
        (["build", "-var", "x=1", "t.pkr.hcl"], ["build", "--var", "x=1", "t.pkr.hcl"]),
        (["build", "-var=x=-1", "t"], ["build", "--var=x=-1", "t"]),
        (["build", "--only=a,b", "t"], ["build", "--only=a,b", "t"]),
        (["build", "-color=false", "-force", "t"], ["build", "--no-color", "--force", "t"]),
        (["build", "-timestamp-ui=true", "t"], ["build", "--timestamp-ui", "t"]),
        (["fmt", "-check=false", "-write=false", "x"], ["fmt", "--no-write", "x"]),
        (["build", "-force=false", "-debug=0", "t"], ["build", "t"]),
        (["build", "-force=maybe", "t"], ["build", "--force=maybe", "t"]),
        (["fmt", "-"], ["fmt", "-"]),
        (["-v"], ["-v"]),
        (["build", "--", "-odd.pkr.hcl"], ["build", "--", "-odd.pkr.hcl"]),
        (
            ["build", "-parallel-builds", "2", "-on-error=abort", "t"],
            ["build", "--parallel-builds", "2", "--on-error=abort", "t"],
        ),
    ],
)
def test_two_dashes(given: list[str], plain: list[str]) -> None:
    assert normalise(given) == (plain, False)


def test_machine_readable_may_stand_anywhere() -> None:
    assert normalise(["-machine-readable", "build", "t"]) == (["build", "t"], True)
    assert normalise(["build", "t", "-machine-readable"]) == (["build", "t"], True)
