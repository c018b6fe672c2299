"""Autoinstall files of Ubuntu's installer (Subiquity), inside `#cloud-config` or by themselves.

By a schema written from https://canonical-subiquity.readthedocs-hosted.com/en/latest/reference/autoinstall-reference.html.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from vmforge.builders.answer_checks.checking import Question
from vmforge.builders.answer_checks.cloud_config import cloud_config
from vmforge.builders.answer_checks.documents import Document, Path, read_yaml
from vmforge.builders.answer_checks.finding import Finding, warning
from vmforge.builders.answer_checks.schema import load_schema, measure


def findings(question: Question) -> Iterator[Finding]:
    """What is wrong with an autoinstall file."""
    document = read_yaml(question.text)
    if isinstance(document, Finding):
        yield document
        return
    yield from document.repeated()
    whole = document.value
    inside = isinstance(whole, dict) and "autoinstall" in whole
    at: Path = ("autoinstall",) if inside else ()
    settings = whole["autoinstall"] if isinstance(whole, dict) and inside else whole
    if inside and not question.text.startswith("#cloud-config"):
        hint = "write `#cloud-config` into the first line"
        yield warning(1, "cloud-init would not read the file, and the installer would ask everything", hint)
    yield from measure(document, load_schema("autoinstall"), at)
    if isinstance(settings, dict):
        yield from _open_questions(document, settings, at)
        if isinstance(settings.get("user-data"), dict):
            yield from cloud_config(document, (*map(str, at), "user-data"))
    if isinstance(whole, dict) and inside:
        yield from _beside(document, whole)


def _open_questions(document: Document, settings: Mapping[str, object], at: Path) -> Iterator[Finding]:
    if settings.get("interactive-sections"):
        line = document.line((*at, "interactive-sections"))
        yield warning(line, "the installer stops at each of the interactive sections", "leave them out")
    if "identity" not in settings and "user-data" not in settings and "active-directory" not in settings:
        hint = "add `identity`, or `user-data` with `users`"
        yield warning(document.line(at), "nothing says which user there is", hint)
    ssh = settings.get("ssh")
    if not isinstance(ssh, dict) or not ssh.get("install-server"):
        hint = "add `ssh: {install-server: true}`"
        yield warning(document.line((*at, "ssh")), "the guest will have no SSH server", hint)


def _beside(document: Document, whole: Mapping[str, object]) -> Iterator[Finding]:
    """Keys beside `autoinstall` configure the live system, which is rarely what was meant."""
    for name in whole:
        if name in ("identity", "storage", "late-commands", "early-commands", "interactive-sections"):
            message = f"`{name}` beside `autoinstall` does nothing"
            yield warning(document.line((name,)), message, "indent it below `autoinstall`")
