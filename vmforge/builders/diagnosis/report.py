"""The evidence as a failure shows it: the diagnosis, the screen, the serial log, the answer files, SSH."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from vmforge.builders.diagnosis.conviction import Verdict
from vmforge.builders.diagnosis.evidence import Evidence
from vmforge.builders.diagnosis.findings import Finding

_LINES: Final = 15
_MOST_FINDINGS: Final = 3
# Signs below this rank are mere consequences where there is a better one.
_WORTH_TELLING: Final = 50


@dataclass(frozen=True)
class Kept:
    """Where the evidence can be looked at later; None for what there is none of."""

    picture: Path | None = None
    serial_log: Path | None = None


@dataclass(frozen=True)
class Served:
    """The answer files: those that were fetched, those that were asked for in vain (as `Evidence.http`
    tells of them), and those that nobody asked for."""

    fetched: Sequence[str] = ()
    missing: Sequence[str] = ()
    untouched: Sequence[str] = ()


def render(
    evidence: Evidence,
    findings: Sequence[Finding],
    served: Served,
    kept: Kept,
    message: str = "",
    verdict: Verdict | None = None,
) -> str:
    """The report as plain text, an empty line between its parts, without what `message` says already.
    `verdict` is what ended the wait, if one did."""
    parts = (
        _diagnosis(findings, message),
        _reason(verdict) if verdict is not None else "",
        _tail("the screen", evidence.screen, kept.picture),
        _serial_log(evidence, kept.serial_log),
        _answer_files(served),
        f"SSH's last answer: {evidence.ssh}" if evidence.ssh and evidence.ssh not in message else "",
        _tail("QEMU's log", evidence.qemu.splitlines(), None) if evidence.qemu else "",
    )
    return "\n\n".join(filter(None, parts))


def _diagnosis(findings: Sequence[Finding], message: str) -> str:
    if not findings:
        return ""
    best, *others = findings[:_MOST_FINDINGS]
    lines = [] if best.title in message else [f"diagnosis: {best.title}"]
    for other in others:
        if other.sign.rank < _WORTH_TELLING or other.title in message:
            continue
        lines += [f"or else: {other.title}", f"  ({other.next_step})"]
    return "\n".join(lines)


def _reason(verdict: Verdict) -> str:
    sign, seconds = verdict.finding.sign.id, round(verdict.seconds)
    return f"the wait was ended {seconds} s after the sign `{sign}` was first seen"


def _serial_log(evidence: Evidence, where: Path | None) -> str:
    """Nothing where the screen says the same, whose lines are shorter."""
    screen = _squeezed("".join(evidence.screen))
    if all(_squeezed(line) in screen for line in evidence.serial[-_LINES:]):
        return ""
    return _tail("the serial log", evidence.serial, where)


def _squeezed(text: str) -> str:
    return "".join(text.split())


def _tail(what: str, lines: Sequence[str], where: Path | None) -> str:
    shown = [line.rstrip() for line in lines if line.strip()]
    place = f" (`{where}`)" if where is not None else ""
    if not shown:
        return f"{what}{place} has no text that can be read" if where is not None else ""
    cut = f"the last {_LINES} lines of {what}" if len(shown) > _LINES else what
    return "\n".join([f"{cut}{place}:", *(f"  | {line}" for line in shown[-_LINES:])])


def _answer_files(served: Served) -> str:
    rows = (
        ("fetched", served.fetched),
        ("asked for in vain", served.missing),
        ("never asked for", served.untouched),
    )
    lines = [f"  {name}: {', '.join(_few(paths))}" for name, paths in rows if paths]
    return "\n".join(["answer files:", *lines]) if lines else ""


def _few(paths: Sequence[str]) -> list[str]:
    """Each once, in order, and not too many of them."""
    once = list(dict.fromkeys(f"`{path}`" for path in paths))
    return once if len(once) <= 8 else [*once[:8], f"and {len(once) - 8} more"]
