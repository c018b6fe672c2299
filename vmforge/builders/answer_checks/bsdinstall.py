"""Scripts of FreeBSD's installer, `bsdinstall script` and `/etc/installerconfig`.

A preamble of variables, then, from a line that begins with `#!`, a script that runs in the new system:
https://man.freebsd.org/bsdinstall(8), "SCRIPTING".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from vmforge.builders.answer_checks.assignments import assignments
from vmforge.builders.answer_checks.checking import Question
from vmforge.builders.answer_checks.finding import Finding, warning
from vmforge.builders.answer_checks.names import known, nearest
from vmforge.builders.answer_checks.shell import check_syntax

# Names that are plainly meant for the installer.
_MEANT = re.compile(r"(BSDINSTALL|ZFSBOOT)_\w+|PART[A-Z]+|DIST[A-Z]+")


def findings(question: Question) -> Iterator[Finding]:
    """What is wrong with an installerconfig."""
    preamble, script, begin = _parts(question.text)
    if question.programs:
        yield from check_syntax(preamble)
        yield from check_syntax(script, first_line=begin)
    given = assignments(preamble)
    variables = known("bsdinstall")["variables"]
    for name, (line, _) in given.items():
        if name not in variables and _MEANT.fullmatch(name):
            yield warning(line, f"bsdinstall has no variable `{name}`", nearest(name, variables))
    if not script:
        hint = "begin it with `#!/bin/sh` on a line of its own"
        yield warning(0, "there is no script for the new system: it will have no user and no SSH", hint)
    if re.search(r"^\s*bsdinstall\s+(?!script)\w+", preamble, re.MULTILINE):
        # a preamble that calls the installer's steps itself answers for all
        return
    yield from _open_questions(given)


def _parts(text: str) -> tuple[str, str, int]:
    """The preamble, the script, and the line that the script begins at. A `#!` in the first line belongs to
    the preamble of a script in which another one follows."""
    marks = [match.start() for match in re.finditer(r"^#!", text, re.MULTILINE)]
    place = next((mark for mark in marks if mark), marks[0] if marks else len(text))
    return text[:place], text[place:], text[:place].count("\n") + 1


def _open_questions(given: Mapping[str, tuple[int, str]]) -> Iterator[Finding]:
    disks = [name for name in ("PARTITIONS", "ZFSBOOT_DISKS") if name in given]
    if not disks:
        hint = "set `PARTITIONS=DEFAULT`, or `ZFSBOOT_DISKS` and `nonInteractive=YES`"
        yield warning(0, "nothing says which disk is used", hint)
    if len(disks) == 2:
        hint = "keep `PARTITIONS` for UFS, or `ZFSBOOT_DISKS` for ZFS"
        yield warning(given["PARTITIONS"][0], "both UFS and ZFS are asked for", hint)
    if "ZFSBOOT_DISKS" in given and "nonInteractive" not in given:
        message = "bsdinstall asks before it makes a pool"
        yield warning(given["ZFSBOOT_DISKS"][0], message, "set `nonInteractive=YES`")
    sets = given.get("DISTRIBUTIONS", (0, ""))
    for name in ("base.txz", "kernel.txz"):
        if "DISTRIBUTIONS" in given and sets[1] and "$" not in sets[1] and name not in sets[1].split():
            yield warning(sets[0], f"the distributions lack `{name}`", f"add `{name}`")
