"""Profiles of Agama, the installer of SLES 16 and openSUSE Leap 16: JSON.

By a schema written from https://agama-project.github.io/docs/user/reference/profile;
Agama's own is not shipped.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from vmforge.builders.answer_checks.checking import Question
from vmforge.builders.answer_checks.documents import Document, read_json
from vmforge.builders.answer_checks.finding import Finding, warning
from vmforge.builders.answer_checks.schema import load_schema, measure
from vmforge.builders.answer_checks.shell import check_syntax


def findings(question: Question) -> Iterator[Finding]:
    """What is wrong with a profile."""
    document = read_json(question.text)
    if isinstance(document, Finding):
        yield document
        return
    yield from document.repeated()
    yield from measure(document, load_schema("agama"))
    if isinstance(document.value, dict):
        yield from _open_questions(document, document.value)
        yield from _scripts(document, document.value.get("scripts"), question.programs)


def _open_questions(document: Document, profile: Mapping[str, object]) -> Iterator[Finding]:
    if "product" not in profile:
        hint = 'add `"product": {"id": "SLES"}`, or `"openSUSE_Leap"`'
        yield warning(0, "nothing says which product is installed", hint)
    if "user" not in profile and "root" not in profile:
        yield warning(0, "nothing says whose account there is", "add `user` or `root`")
    questions = profile.get("questions")
    if isinstance(questions, dict) and questions.get("policy") == "user":
        line = document.line(("questions", "policy"))
        yield warning(line, "the installer waits for somebody to answer its questions", "set it to `auto`")


def _scripts(document: Document, scripts: object, programs: bool) -> Iterator[Finding]:
    """The syntax of the scripts in the profile; a mistake is told at the line of the script."""
    for stage, listed in scripts.items() if isinstance(scripts, dict) else ():
        for index, script in enumerate(listed if isinstance(listed, list) else ()):
            body = script.get("content", script.get("body")) if isinstance(script, dict) else None
            if not isinstance(body, str):
                continue
            line = document.line(("scripts", stage, index))
            if not body.startswith("#!"):
                yield warning(
                    line, "the script does not begin with `#!`", "write `#!/bin/bash` into its first line"
                )
            for found in check_syntax(body, "bash") if programs else ():
                yield Finding(line, f"{found.message} (its line {found.line})")
