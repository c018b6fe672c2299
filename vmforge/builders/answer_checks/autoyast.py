"""Control files of AutoYaST: SLES 15, openSUSE Leap 15 and Tumbleweed.

The validator is YaST's own RELAX NG schema, where the host has it (package `yast2-schema`) and `xmllint`;
else the structure that https://doc.opensuse.org/projects/autoyast/ describes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from vmforge.builders.answer_checks.checking import Question
from vmforge.builders.answer_checks.finding import Finding, warning
from vmforge.builders.answer_checks.names import known, nearest
from vmforge.builders.answer_checks.programs import run_validator
from vmforge.builders.answer_checks.shell import check_syntax
from vmforge.builders.answer_checks.xml_tree import Element, read_xml

_NAMESPACE = "http://www.suse.com/1.0/yast2ns"
_CONFIG = "http://www.suse.com/1.0/configns"
_GRAMMAR = Path("/usr/share/YaST2/schema/autoyast/rng/profile.rng")
_INVALID = re.compile(r"^answers:(\d+): element (\S+): Relax-NG validity error : (.+)$", re.MULTILINE)


_TRUTHS = ("true", "false")


def findings(question: Question) -> Iterator[Finding]:
    """What is wrong with a control file."""
    root = read_xml(question.text)
    if isinstance(root, Finding):
        yield root
        return
    if root.name != "profile" or root.namespace != _NAMESPACE:
        hint = f'begin with `<profile xmlns="{_NAMESPACE}" xmlns:config="{_CONFIG}">`'
        yield Finding(root.line, "this is not AutoYaST's `profile`, or not in its namespace", hint)
        return
    if question.programs:
        yield from _rejected(question.text)
    yield from _structure(root)
    yield from _open_questions(root, question.version)
    yield from _scripts(root, question.programs)


def _rejected(text: str) -> Iterator[Finding]:
    if not _GRAMMAR.exists():
        return
    said = run_validator(["xmllint", "--noout", "--nonet", "--relaxng", str(_GRAMMAR), "{}"], text) or ""
    for match in _INVALID.finditer(said):
        yield Finding(int(match[1]), f"YaST's schema rejects `{match[2]}`: {match[3]}")


def _structure(root: Element) -> Iterator[Finding]:
    sections = known("autoyast")["sections"]
    seen: set[str] = set()
    for section in root.children:
        if section.name not in sections:
            message = f"AutoYaST has no section `{section.name}`"
            yield warning(section.line, message, nearest(section.name, sections))
        if section.name in seen:
            message = f"the section `{section.name}` is given twice; only one of them holds"
            yield warning(section.line, message, "put both into one")
        seen.add(section.name)
    for element in root.everything():
        yield from _type(element)


def _type(element: Element) -> Iterator[Finding]:
    stated = element.attributes.get(f"{_CONFIG} type") or element.attributes.get("t", "")
    if stated == "boolean" and element.text not in _TRUTHS:
        yield warning(element.line, f"`{element.name}` is `{element.text}`, and may be `true` or `false`")
    if stated == "integer" and not re.fullmatch(r"-?\d+", element.text):
        yield warning(element.line, f"`{element.name}` is `{element.text}`, and must be a whole number")
    repeated = len(element.children) > 1 and len({child.name for child in element.children}) == 1
    if (
        not stated
        and element.children
        and (element.name in known("autoyast")["lists"] or repeated)
        and element.name != "profile"
    ):
        hint = f'write `<{element.name} config:type="list">`'
        yield warning(element.line, f"`{element.name}` is a list, and is not called one", hint)


def _open_questions(root: Element, version: str) -> Iterator[Finding]:
    confirm = root.find("general", "mode", "confirm")
    if confirm is None or confirm.text != "false":
        hint = 'set `<confirm config:type="boolean">false</confirm>` in `general`, `mode`'
        line = confirm.line if confirm else 0
        yield warning(line, "the installer waits for somebody to confirm what it is about to do", hint)
    if root.find("users") is None:
        yield warning(0, "nothing says whose account there is", "add `users`")
    for user in root.find("users").all("user") if root.find("users") else ():  # type: ignore[union-attr]
        name, encrypted = user.find("username"), user.find("encrypted")
        password = user.find("user_password")
        if name is None:
            yield warning(user.line, "the user lacks its `username`")
        elif password is not None and encrypted is not None and encrypted.text == "true":
            hint = "put a hash there, as `openssl passwd -6` makes it"
            if not re.match(r"[$!*]|$", password.text):
                yield warning(password.line, f"the password of `{name.text}` is no hash", hint)
    if re.match(r"15(\.|$)", version) and root.find("software", "products") is None:
        hint = "add `products` to `software`, with `SLES` or `Leap`"
        yield warning(0, "nothing says which product is installed", hint)


def _scripts(root: Element, programs: bool) -> Iterator[Finding]:
    """The syntax of the scripts in the control file."""
    for script in root.find("scripts").everything() if root.find("scripts") else ():  # type: ignore[union-attr]
        source, interpreter = script.find("source"), script.find("interpreter")
        if script.name != "script" or source is None or not programs:
            continue
        if interpreter is not None and interpreter.text not in ("shell", "/bin/sh", "/bin/bash"):
            continue
        # the text begins right behind the tag, in whose line a mistake is told
        for found in check_syntax(source.content, "bash"):
            yield Finding(source.line + found.line - 1, found.message)
