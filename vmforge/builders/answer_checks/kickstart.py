"""Kickstart files of Anaconda: Fedora, Red Hat Enterprise Linux and its relatives.

The validator is pykickstart, Anaconda's own parser (`pip install vmforge[kickstart]`); this module is its
door. What it does not know, which missing commands stop an installation, is here:
https://pykickstart.readthedocs.io/en/latest/kickstart-docs.html
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Sequence

from vmforge.builders.answer_checks.checking import Question
from vmforge.builders.answer_checks.finding import Finding, warning
from vmforge.builders.answer_checks.names import nearest

# Tried for a text of an unknown system; the newest come first, their messages are the clearest.
_NEWEST_FIRST = ("RHEL10", "RHEL9", "RHEL8", "RHEL7", "F43", "F41", "F36", "F30", "RHEL6", "RHEL5")

# Commands among whose values a password or a passphrase may be.
_WITH_SECRETS = frozenset(
    {*("rootpw", "user", "sshpw", "bootloader", "autopart", "part", "partition", "logvol", "raid", "rhsm")}
)

# Any one of these answers what the installer cannot do without.
_ANSWERS = {
    "how the disk is laid out": (
        ("autopart", "part", "partition", "mount", "ostreecontainer"),
        "add `clearpart --all --initlabel` and `autopart`",
    ),
    "whose account there is": (
        ("rootpw", "user", "sshkey"),
        "add `rootpw --lock` and a `user`, or a `rootpw`",
    ),
    # language and keyboard have defaults, the clock has none
    "in which time zone the machine is": (("timezone",), "add `timezone UTC --utc`"),
    "what happens at the end, and waits for Enter": (
        ("poweroff", "reboot", "shutdown", "halt"),
        "add `reboot` or `poweroff`",
    ),
}


def findings(question: Question) -> Iterator[Finding]:
    """What is wrong with a kickstart file."""
    yield from _rejected(question.text, question.version)
    yield from _open_sections(question.text)
    # another file may have what this one lacks
    if not re.search(r"^%(include|ksappend)\b", question.text, re.MULTILINE):
        yield from _open_questions(question.text)


def _rejected(text: str, version: str) -> list[Finding]:
    """What pykickstart says; nothing when it is not installed. With no version, the text is measured by the
    one that it fits best."""
    try:
        import pykickstart.version as versions
    except ImportError:
        return []
    names = versions.versionMap
    if version and version not in names:
        version = _newest_before(version, list(names))
    every = (_rejected_by(text, name) for name in ((version,) if version else _NEWEST_FIRST))
    best: list[Finding] | None = None
    for found in every:
        if best is None or len(found) < len(best):
            best = found
        if not best:
            break
    return best or []


def _newest_before(version: str, known: list[str]) -> str:
    """The newest version that pykickstart knows of the same system, for one that is newer than it."""
    name = version.rstrip("0123456789")
    return ([other for other in known if other.rstrip("0123456789") == name] or ["DEVEL"])[-1]


def _rejected_by(text: str, version: str) -> list[Finding]:
    from pykickstart.errors import KickstartError, KickstartParseWarning
    from pykickstart.parser import KickstartParser
    from pykickstart.version import makeVersion

    found: list[Finding] = []

    class Gathering(KickstartParser):  # type: ignore[misc]
        """Goes on after a wrong command."""

        def handleCommand(self, lineno: int, args: list[str]) -> object:
            try:
                return super().handleCommand(lineno, args)
            except KickstartError as error:
                commands = list(self.handler.commands)
                hint = "" if args[0] in commands else nearest(args[0], commands, 0.75)
                found.append(_of(error, lineno, hint, args))
            return None

    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", KickstartParseWarning)
        try:
            # what a file includes is at the installer's place, not at this one
            Gathering(makeVersion(version), followIncludes=False).readKickstartFromString(text)
        except KickstartError as error:
            found.append(_of(error, error.lineno or 0))
    found += [warning(*_placed(str(one.message))) for one in said]
    return found


def _of(error: Exception, line: int, hint: str = "", args: Sequence[str] = ()) -> Finding:
    message = str(getattr(error, "message", "") or error)
    message = _without_secrets(message, args)
    return Finding(getattr(error, "lineno", None) or line, f"pykickstart: {_sentence(message)}", hint)


def _without_secrets(message: str, args: Sequence[str]) -> str:
    """What is said of a command that may hold a password, without any of the command's values."""
    if args[:1] and args[0] in _WITH_SECRETS:
        for word in args[1:]:
            value = word.partition("=")[2] if word.startswith("-") else word
            message = re.sub(rf"(?<!\w){re.escape(value)}(?!\w)", "...", message) if value else message
    return message


def _placed(message: str) -> tuple[int, str]:
    """A warning of pykickstart's, by its line: `Ignoring deprecated command on line 3: ...`."""
    match = re.search(r"\bon line (\d+)", message)
    return (int(match[1]) if match else 0), f"pykickstart: {_sentence(message)}"


def _sentence(message: str) -> str:
    return " ".join(message.split()).rstrip(".")


def _open_sections(text: str) -> Iterator[Finding]:
    """Sections without their end, which Fedora's parser has wanted since 2009 and names by the last line."""
    begun: tuple[int, str] | None = None
    for number, line in enumerate(text.splitlines(), 1):
        match = re.match(
            r"%(packages|pre|post|pre-install|onerror|traceback|addon|anaconda|certificate)\b", line
        )
        if match and begun:
            yield warning(begun[0], f"`%{begun[1]}` is not ended", f"write `%end` before line {number}")
        if match:
            begun = (number, match[1])
        elif line.strip() == "%end":
            begun = None
    if begun:
        yield warning(begun[0], f"`%{begun[1]}` is not ended", "write `%end` after it")


def _open_questions(text: str) -> Iterator[Finding]:
    commands = set(_commands(text))
    for what, (words, hint) in _ANSWERS.items():
        if not commands & set(words):
            yield warning(0, f"nothing says {what}", hint)


def _commands(text: str) -> Iterator[str]:
    """The first words of the lines outside of all sections."""
    inside = False
    for line in text.splitlines():
        if line.startswith("%"):
            inside = line.strip() != "%end" and not line.startswith("%include")
        elif not inside and line.strip() and not line.lstrip().startswith("#"):
            yield line.split()[0]
