"""One answer file, one list of findings."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from vmforge.builders.answer_checks.finding import Finding
from vmforge.builders.answer_checks.kinds import AnswerKind
from vmforge.builders.answer_checks.lines import check_lines

# Kind -> the module that knows it, loaded when a file of the kind is met.
_MODULES = {
    AnswerKind.PRESEED: "preseed",
    AnswerKind.KICKSTART: "kickstart",
    AnswerKind.AUTOINSTALL: "autoinstall",
    AnswerKind.CLOUD_CONFIG: "cloud_config",
    AnswerKind.AUTOYAST: "autoyast",
    AnswerKind.AGAMA: "agama",
    AnswerKind.UNATTEND: "unattend",
    AnswerKind.ALPINE: "alpine",
    AnswerKind.ARCHINSTALL: "archinstall",
    AnswerKind.BSDINSTALL: "bsdinstall",
    AnswerKind.OPENBSD: "openbsd",
    AnswerKind.SHELL: "shell",
}


@dataclass(frozen=True, slots=True)
class Question:
    """What a kind's module is asked: the text, the system's version as its validator names it (`RHEL9`,
    `F42`, `15.6`; empty when it is not known), and whether programs of this host may be run."""

    text: str
    version: str = ""
    programs: bool = False


def check(kind: AnswerKind, text: str, version: str = "", *, programs: bool = False) -> list[Finding]:
    """What is wrong with an answer file, in the order of its lines.

    `version` is the system's, as its own validator names it (`RHEL9` and `F42` of pykickstart, `15.6`);
    without one a text is wrong only when no version takes it. `programs` lets validators that are programs of
    this host run (`debconf-set-selections`, `sh -n`, `xmllint`, `cloud-init`); they read the text and
    nothing else. Those that are not installed are left out: nothing here says that a file is right.
    """
    module = importlib.import_module(f"vmforge.builders.answer_checks.{_MODULES[kind]}")
    findings: Callable[[Question], Iterable[Finding]] = module.findings
    question = Question(text.replace("\r\n", "\n"), version, programs)
    return sorted({*check_lines(kind, text), *findings(question)})
