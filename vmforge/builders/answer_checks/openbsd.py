"""Response files of OpenBSD's autoinstall(8): `question = answer`.

An answer is used for every question of the installer's that its left side is a part of:
https://man.openbsd.org/autoinstall
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from vmforge.builders.answer_checks.checking import Question
from vmforge.builders.answer_checks.finding import Finding, warning
from vmforge.builders.answer_checks.names import known, nearest


def findings(question: Question) -> Iterator[Finding]:
    """What is wrong with a response file."""
    given: dict[str, tuple[int, str]] = {}
    for number, line in enumerate(question.text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        asked, sign, answer = line.partition("=")
        asked = asked.strip().rstrip("?").strip()
        if not sign:
            yield Finding(number, "this is no `question = answer`", "write an equals sign between the two")
            continue
        if not _is_asked(asked):
            hint = nearest(asked, known("openbsd")["questions"])
            yield warning(number, f"the installer asks nothing like `{asked}`", hint)
        given[asked.lower()] = (number, answer.strip())
    yield from _open_questions(given)


def _is_asked(asked: str) -> bool:
    """Whether the text is a part of one of the questions, in whatever case."""
    text = asked.lower()
    for question in known("openbsd")["questions"]:
        before, star, after = question.lower().partition("*")
        if text in question.lower() or (
            star and text.startswith(before) and (after in text or len(text) > 3)
        ):
            return True
        pattern = re.escape(before) + ".+" + re.escape(after)
        if star and re.search(pattern, text):
            return True
    return False


def _open_questions(given: dict[str, tuple[int, str]]) -> Iterator[Finding]:
    def answered(part: str) -> tuple[int, str] | None:
        return next((value for name, value in given.items() if name in part or part in name), None)

    if answered("password for root account") is None:
        hint = "set `Password for root account` to a password, a hash of encrypt(1), or `*************`"
        yield warning(
            0, "nothing answers for the password of root, and the installer asks again and again", hint
        )
    user = given.get("setup a user")
    if user and user[1] not in ("no", "") and answered(f"password for user {user[1]}".lower()) is None:
        hint = f"set `Password for user {user[1]}`; thirteen asterisks are a password that nothing matches"
        yield warning(user[0], f"nothing answers for the password of `{user[1]}`", hint)
    where = answered("location of sets")
    verification = any("verification" in name for name in given)
    if where and re.match(r"cd|disk", where[1]) and not verification:
        hint = "set `Directory does not contain SHA256.sig. Continue without verification` to `yes`"
        yield warning(where[0], "the CD has no signatures, and the installer asks whether to go on", hint)
