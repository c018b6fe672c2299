"""The outcome of tests, and its JUnit XML (as https://github.com/testmoapp/junitxml describes it)."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from xml.etree import ElementTree as ET

from vmforge.errors import HostError, VmforgeError

# What XML 1.0 has no way to write
_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_BAD = ("failure", "error")


class Outcome(StrEnum):
    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Case:
    """One test. `text` is what it said, `seconds` how long it took, where that is known."""

    name: str
    outcome: Outcome
    text: str = ""
    seconds: float = 0.0


@dataclass
class Suite:
    """The tests of one file, or of one run of a program."""

    name: str
    cases: list[Case] = field(default_factory=list)

    def count(self, outcome: Outcome) -> int:
        return sum(case.outcome is outcome for case in self.cases)

    @property
    def failed(self) -> list[Case]:
        return [case for case in self.cases if case.outcome is Outcome.FAILED]


def write_junit(path: Path, suites: Iterable[Suite]) -> None:
    """Write the report, in the place of an older one. Raises `HostError`."""
    root = ET.Element("testsuites")
    root.extend(_suite(suite) for suite in suites)
    ET.indent(root)
    content = ET.tostring(root, encoding="utf-8", xml_declaration=True) + b"\n"
    staged: str | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, staged = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, 0o644)
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        Path(staged).replace(path)
    except OSError as error:
        if staged is not None:
            Path(staged).unlink(missing_ok=True)
        raise HostError(f"the report `{path}` cannot be written: {error.strerror}") from error


def read_junit(path: Path) -> list[Suite]:
    """The suites of a report that another program wrote. Raises `VmforgeError`."""
    try:
        root = ET.parse(path).getroot()
    except (OSError, ET.ParseError) as error:
        raise VmforgeError(f"the report `{path}` cannot be read: {error}") from error
    found = []
    for element in root.iter("testsuite"):
        cases = [_read_case(case) for case in element.findall("testcase")]
        found.append(Suite(element.get("name", ""), cases))
    return found


def _suite(suite: Suite) -> ET.Element:
    element = ET.Element(
        "testsuite",
        name=_clean(suite.name),
        tests=str(len(suite.cases)),
        failures=str(suite.count(Outcome.FAILED)),
        skipped=str(suite.count(Outcome.SKIPPED)),
        time=f"{sum(case.seconds for case in suite.cases):.3f}",
    )
    for case in suite.cases:
        name, seconds = _clean(case.name), f"{case.seconds:.3f}"
        node = ET.SubElement(element, "testcase", classname=_clean(suite.name), name=name, time=seconds)
        text = _clean(case.text)
        if case.outcome is Outcome.FAILED:
            ET.SubElement(node, "failure", message=(text.splitlines() or ["failed"])[0]).text = text
        elif case.outcome is Outcome.SKIPPED:
            ET.SubElement(node, "skipped", message=text)
    return element


def _read_case(element: ET.Element) -> Case:
    bad = next((child for tag in _BAD if (child := element.find(tag)) is not None), None)
    skipped = element.find("skipped")
    outcome, text = Outcome.PASSED, ""
    if bad is not None:
        outcome, text = Outcome.FAILED, bad.text or bad.get("message") or ""
    elif skipped is not None:
        outcome, text = Outcome.SKIPPED, skipped.get("message", "")
    return Case(element.get("name", ""), outcome, text, float(element.get("time") or 0))


def _clean(text: str) -> str:
    return _FORBIDDEN.sub("\N{REPLACEMENT CHARACTER}", text)
