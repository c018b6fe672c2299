"""Packer's spelling of flags."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vmforge import __version__
from vmforge.cli.arguments import normalise

EXAMPLE = Path(__file__).parents[3] / "examples/quickstart/quickstart.pkr.hcl"


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


@pytest.mark.parametrize("flag", ["--version", "-version", "-v"])
def test_the_version_is_told_without_a_command(flag: str, vmforge: Callable[..., Any]) -> None:
    assert vmforge(flag).text == f"[0]\n--- out\nvmforge {__version__}\n--- err\n"


def test_values_that_do_not_fit_a_flag_are_wrong_usage(vmforge: Callable[..., Any]) -> None:
    done = vmforge("build", "-parallel-builds=many", "x.pkr.hcl")
    assert done.status == 2
    assert "--parallel-builds" in done.err


def test_checking_a_template_loads_little() -> None:
    """Not what only other commands, builds and typer's conversion of flags need."""
    program = (
        "import sys\nfrom vmforge.cli.app import run\nassert run(['validate', sys.argv[1]]) == 0\n"
        "print(*{name.partition('.')[0] for name in sys.modules})\nprint(*sys.modules)\n"
    )
    command = [sys.executable, "-c", program, str(EXAMPLE)]
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    heavy = {"pydantic", "rich", "requests", "paramiko", "libvirt", "pycdlib", "cryptography", "yaml", "tqdm"}
    assert not heavy & set(out.splitlines()[-2].split())
    assert "vmforge.cli.build" not in out.splitlines()[-1].split()
