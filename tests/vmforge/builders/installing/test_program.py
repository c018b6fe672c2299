"""Programs of hypervisors."""

from __future__ import annotations

import sys

import pytest

from vmforge.builders.installing.program import Program
from vmforge.errors import HostError, Interrupted, MachineError
from vmforge.sdk import Cancellation


def python(cancellation: Cancellation | None = None) -> Program:
    return Program(sys.executable, "install Python", cancellation or Cancellation(), {"GREETING": "hello"})


def test_what_it_prints_is_returned_and_told() -> None:
    told: list[tuple[str, bool]] = []
    script = "import os, sys; print(os.environ['GREETING']); print('aside', file=sys.stderr)"
    assert python().run("-c", script, tell=lambda line, error: told.append((line, error))) == "hello"
    assert sorted(told) == [("aside", True), ("hello", False)]


def test_a_failure_is_told_in_its_words() -> None:
    script = "import sys; print('starting'); sys.exit('Error: no room')"
    with pytest.raises(MachineError, match="ended with status 1: Error: no room") as caught:
        python().run("-c", script)
    assert "starting" in caught.value.detail


def test_one_that_is_not_there() -> None:
    with pytest.raises(HostError, match="there is no `nonesuch`") as caught:
        Program("nonesuch", "install it", Cancellation()).find()
    assert caught.value.hint == "install it"


def test_cleaning_up_goes_on_after_cancellation() -> None:
    cancellation = Cancellation()
    cancellation.cancel()
    program = python(cancellation)
    with pytest.raises(Interrupted):
        program.run("-c", "")
    assert program.undoing.run("-c", "print(1)") == "1"
