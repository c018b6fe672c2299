"""Shell scripts that installers run: the shell's own syntax check."""

from __future__ import annotations

import re
from collections.abc import Iterator

from vmforge.builders.answer_checks.checking import Question
from vmforge.builders.answer_checks.finding import Finding
from vmforge.builders.answer_checks.programs import run_validator

# As dash, bash and ksh begin what they complain of: `answers: 3: Syntax error: ...`, `answers: line 3: ...`,
# `answers: syntax error at line 3: ...`.
_COMPLAINT = re.compile(
    r"^.*?answers: *(?:line )?(\d+): *(.*)$|^.*?answers(?:\[(\d+)\])?: *(syntax error.*)$", re.MULTILINE
)
_SHEBANG = re.compile(r"\A#![ \t]*\S*/(?:env[ \t]+)?(bash|dash|ksh|sh|ash)\b")


def findings(question: Question) -> Iterator[Finding]:
    """What the shell that a script names says of its syntax."""
    if question.programs:
        match = _SHEBANG.match(question.text)
        yield from check_syntax(question.text, match[1] if match else "sh")


def check_syntax(text: str, shell: str = "sh", first_line: int = 1) -> Iterator[Finding]:
    """What a shell of this host says of a script's syntax (`-n`: nothing is run). `first_line` is where the
    script begins in its file. `sh` is bash where there is one, as in guests whose `sh` takes more than
    POSIX says."""
    for program in ("ksh",) if shell == "ksh" else ("bash", "sh"):
        said = run_validator([program, "-n", "{}"], text)
        if said is None:
            continue
        if match := _COMPLAINT.search(said):  # what follows is the same mistake again
            line = int(match[1] or match[3] or (re.findall(r"\d+", match[4]) or [1])[0])
            message = (match[2] or match[4]).strip()
            yield Finding(line + first_line - 1, f"{program} cannot read the script: {message}")
        return
