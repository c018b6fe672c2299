"""Holds the evidence against the table of signs. Pure: the same evidence has the same findings."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from vmforge.builders.diagnosis.evidence import Evidence, Place
from vmforge.builders.diagnosis.table import Sign

_BLANK: Final = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class Finding:
    """A sign that was seen, in these places; `title` and `next_step` have their blanks filled in."""

    sign: Sign
    title: str
    next_step: str
    places: tuple[Place, ...]


def diagnose(evidence: Evidence, signs: Iterable[Sign]) -> tuple[Finding, ...]:
    """What the evidence speaks for, the likeliest first; of several with the same next step the best."""
    found = (_find(sign, evidence) for sign in signs if evidence.waiting or not sign.waiting)
    ranked = sorted(filter(None, found), key=lambda finding: finding.sign.rank)
    by_step = {finding.next_step: finding for finding in ranked}
    return tuple(sorted(by_step.values(), key=lambda finding: -finding.sign.rank))


def _find(sign: Sign, evidence: Evidence) -> Finding | None:
    matches = {place: _search(pattern, evidence, place) for place, pattern in sign.patterns.items()}
    places = tuple(place for place, match in matches.items() if match is not None)
    if not places or (sign.needs_all and len(places) < len(matches)):
        return None
    words = dict[str, str]()
    for match in matches.values():
        if match is not None:
            words |= {name: " ".join(text.split()) for name, text in match.groupdict("").items()}
    return Finding(sign, _filled(sign.title, words), _filled(sign.next_step, words), places)


def _filled(text: str, words: Mapping[str, str]) -> str:
    """The text with its `{group}` filled in; a template's `{{ .Name }}` stays."""
    return _BLANK.sub(lambda blank: words.get(blank[1], ""), text).rstrip(": ")


def _search(pattern: re.Pattern[str], evidence: Evidence, place: Place) -> re.Match[str] | None:
    text = evidence.text(place)
    if not text:
        return None
    found = pattern.search(text)
    anchored = pattern.pattern.startswith("^") or pattern.pattern.endswith(("$", r"\Z"))
    return found if found is not None or anchored else pattern.search(evidence.flat(place))
