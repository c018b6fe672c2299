"""Tells from what a machine shows what is wrong with it, by a table of signs, which is data."""

from __future__ import annotations

from vmforge.builders.diagnosis.conviction import Conviction, Idleness, Verdict
from vmforge.builders.diagnosis.evidence import Evidence, Place
from vmforge.builders.diagnosis.findings import Finding, diagnose
from vmforge.builders.diagnosis.table import Sign, read_signs

__all__ = [
    "Conviction",
    "Evidence",
    "Finding",
    "Idleness",
    "Place",
    "Sign",
    "Verdict",
    "diagnose",
    "read_signs",
]
