"""Reads the Test Anything Protocol, which bats and goss speak: https://testanything.org/tap-version-13-specification.html"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from vmforge.provisioners.guest_tests.report import Case, Outcome

_POINT = re.compile(
    r"(?P<bad>not )?ok\b\s*\d*\s*(?:- )?(?P<name>.*?)"
    r"(?:\s*(?<!\\)#\s*(?P<directive>skip|todo)\S*\s*(?P<why>.*))?",
    re.IGNORECASE,
)
_PLAN = re.compile(r"1\.\.(\d+)\s*(?:#.*)?")
_SECONDS = re.compile(r" in (\d+)(ms|sec)$")


@dataclass
class TapReader:
    """Gathers test points from lines as they come. `planned` is how many there are to be, None while the
    program has not said so."""

    cases: list[Case] = field(default_factory=list)
    planned: int | None = None

    def read(self, line: str) -> None:
        """Take in one line; those after a test point explain it."""
        if match := _PLAN.fullmatch(line):
            self.planned = int(match[1])
        elif match := _POINT.fullmatch(line):
            self.cases.append(_case(match))
        elif line.startswith("#") and self.cases:
            last = self.cases[-1]
            self.cases[-1] = replace(last, text=f"{last.text}\n{line[1:].strip()}".strip())

    @property
    def missing(self) -> int:
        """How many tests never said how they ended."""
        return max(0, (self.planned or 0) - len(self.cases))


def _case(match: re.Match[str]) -> Case:
    outcome = Outcome.FAILED if match["bad"] else Outcome.PASSED
    if match["directive"]:
        # what is still to be done may fail
        outcome = Outcome.SKIPPED
    name, seconds = match["name"], 0.0
    if timed := _SECONDS.search(name):
        name = name[: timed.start()]
        seconds = int(timed[1]) / (1000 if timed[2] == "ms" else 1)
    return Case(name or match["why"] or "unnamed", outcome, match["why"] or "", seconds)
