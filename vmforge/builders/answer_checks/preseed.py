"""Preseed files of Debian's installer, and of Ubuntu's old one.

The validator is `debconf-set-selections -c`; what it does not know, the questions and which of them stop an
installation, is in the installation guide: https://www.debian.org/releases/stable/amd64/apb.en.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from vmforge.builders.answer_checks.checking import Question
from vmforge.builders.answer_checks.finding import Finding, warning
from vmforge.builders.answer_checks.names import known, nearest
from vmforge.builders.answer_checks.programs import run_validator

_TYPES = ("boolean", "multiselect", "note", "password", "select", "string", "text", "title")
# `seen` is no type but a flag that a line may set.
_WORDS = (*_TYPES, "seen")


_FORM = "write `owner question type value`, as in `d-i passwd/root-login boolean false`"
_SPACED = re.compile(r"\s*\S+\s+\S+\s+(?:string|select|password|boolean)\s\s+[^\s\\]")

# What may bring further answers, so that nothing here can be called missing.
_INCLUDES = ("preseed/include", "preseed/include_command", "preseed/run", "preseed/early_command")

# debconf-set-selections(1), of which the rest of the line may be a password
_REJECTED = re.compile(r"^error: parse error on line (\d+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class _Answer:
    """One answer, however many lines its value has."""

    line: int
    owner: str
    question: str
    kind: str
    value: str


def findings(question: Question) -> Iterator[Finding]:
    """What is wrong with a preseed file."""
    rejected = list(_rejected(question)) if question.programs else []
    yield from rejected
    answers = list(_answers(question.text))
    known_wrong = {finding.line for finding in rejected}
    yield from (finding for finding in _shape(question.text) if finding.line not in known_wrong)
    yield from _names(answer for answer in answers if answer.line not in known_wrong)
    yield from _open_questions({answer.question: answer for answer in answers})


def _rejected(question: Question) -> Iterator[Finding]:
    """What debconf says, told at the first line of each answer: it counts to the last one."""
    said = run_validator(["debconf-set-selections", "-c", "{}"], question.text) or ""
    beginnings = {end: begin for begin, end, _ in _joined(question.text)}
    for match in _REJECTED.finditer(said):
        line = beginnings.get(int(match[1]), int(match[1]))
        yield Finding(line, "debconf cannot read the line", _FORM)


def _answers(text: str) -> Iterator[_Answer]:
    for number, _, line in _joined(text):
        parts = line.split(None, 3)
        if len(parts) >= 3:
            yield _Answer(number, parts[0], parts[1], parts[2], parts[3] if len(parts) > 3 else "")


def _joined(text: str) -> Iterator[tuple[int, int, str]]:
    """The lines that say something, with those that they go on in, by the numbers of their first and last."""
    begin, so_far = 0, ""
    for number, line in enumerate(text.splitlines(), 1):
        begin = begin or number
        so_far += line.removesuffix("\\")
        if line.endswith("\\"):
            continue
        if so_far.strip() and not so_far.lstrip().startswith("#"):
            yield begin, number, so_far
        begin, so_far = 0, ""


def _shape(text: str) -> Iterator[Finding]:
    lines = text.splitlines()
    for number, line in enumerate(lines, 1):
        if re.search(r"\\[ \t]+$", line) and not line.lstrip().startswith("#"):
            yield warning(number, "spaces follow the backslash: the line does not go on", "remove them")
    for number, _, line in _joined(text):
        parts = line.split(None, 3)
        if len(parts) < 3:
            yield warning(number, "this is no answer: it lacks the question or the type", _FORM)
        elif parts[2] not in _WORDS:
            message = f"debconf knows no type `{parts[2]}`, and passes over the answer"
            yield warning(number, message, nearest(parts[2], _WORDS) or _FORM)
        elif _SPACED.match(lines[number - 1]):
            hint = "leave one space between the type and the value"
            yield warning(number, "the value begins with a space, which the installer takes for a part", hint)


def _names(answers: Iterable[_Answer]) -> Iterator[Finding]:
    """Misspelt questions. Every package may have questions of its own: only near misses are told."""
    questions = known("preseed")["questions"]
    for answer in answers:
        if answer.owner != "d-i" or answer.question in questions:
            continue
        hint = nearest(answer.question, questions, cutoff=0.92)
        if hint and not re.search(r"/local\d+/", answer.question):
            yield warning(answer.line, f"Debian's installer has no question `{answer.question}`", hint)


def _open_questions(answers: Mapping[str, _Answer]) -> Iterator[Finding]:
    """What the installer would ask although it was to ask nothing. A file that leaves out whole subjects is a
    part of another one, or the boot command has the rest."""
    for name in ("passwd/root-password", "passwd/user-password", "partman-crypto/passphrase"):
        if name in answers and f"{name}-again" not in answers:
            hint = f"set `{name}-again` to the same"
            yield warning(answers[name].line, f"the installer asks for `{name}-again`", hint)
    subjects = {name.partition("/")[0] for name in answers}
    if not any(name in answers for name in _INCLUDES) and subjects >= {"passwd", "partman-auto"}:
        yield from _open_accounts(answers)
        yield from _open_partitioning(answers)


def _open_accounts(answers: Mapping[str, _Answer]) -> Iterator[Finding]:
    def says(name: str, value: str) -> bool:
        return name in answers and answers[name].value.strip() == value

    def has_password(who: str) -> bool:
        return any(f"passwd/{who}-password{ending}" in answers for ending in ("", "-crypted"))

    # Ubuntu and Kali ask nothing about root
    if says("passwd/root-login", "true") and not has_password("root"):
        hint = "set `passwd/root-password-crypted`, or `passwd/root-login` to `false`"
        yield warning(answers["passwd/root-login"].line, "nothing answers for the password of root", hint)
    if says("passwd/make-user", "false"):
        return
    if "passwd/username" not in answers:
        hint = "set `passwd/username` and `passwd/user-fullname`, or `passwd/make-user` to `false`"
        yield warning(0, "nothing answers for the name of the user", hint)
    if not has_password("user"):
        hint = "set `passwd/user-password-crypted` (`!` is a password that nothing matches)"
        yield warning(0, "nothing answers for the password of the user", hint)


# Method of partitioning -> the questions that it brings.
_BRINGS = {
    "regular": ("partman/confirm", "partman/confirm_nooverwrite"),
    "lvm": ("partman/confirm", "partman/confirm_nooverwrite", "partman-lvm/confirm"),
    "crypto": ("partman/confirm", "partman/confirm_nooverwrite", "partman-crypto/passphrase"),
}


def _open_partitioning(answers: Mapping[str, _Answer]) -> Iterator[Finding]:
    method = answers.get("partman-auto/method")
    if method is None:
        hint = "set `partman-auto/method` to `regular`, `lvm` or `crypto`"
        yield warning(0, "nothing answers for how the disk is partitioned", hint)
        return
    for name in _BRINGS.get(method.value.strip(), ()):
        if name not in answers:
            message = f"the installer asks `{name}` with this method of partitioning"
            yield warning(method.line, message, f"answer `{name}`")
