"""User data of cloud-init: `#cloud-config`.

The validator is `cloud-init schema`, where cloud-init is installed; else a schema written from
https://docs.cloud-init.io/en/latest/reference/modules.html.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from vmforge.builders.answer_checks.checking import Question
from vmforge.builders.answer_checks.documents import Document, read_yaml, spelt
from vmforge.builders.answer_checks.finding import Finding, warning
from vmforge.builders.answer_checks.programs import run_validator
from vmforge.builders.answer_checks.schema import load_schema, measure

_COMMAND = ("cloud-init", "schema", "--config-file", "{}")
# `users.0: 'name' is a required property, ...`: of other reasons than these, only where they are
_ERROR = re.compile(
    r"(?:^|(?<=, ))([a-z_]+(?:\.[\w-]+)*): "
    r"('\w+' is a required property"
    r"|Additional properties are not allowed \('[\w', -]+ (?:was|were) unexpected\))?"
)


def findings(question: Question) -> Iterator[Finding]:
    """What is wrong with user data."""
    if question.text.startswith("## template: jinja"):
        return  # its values are known in the guest alone
    document = read_yaml(question.text)
    if isinstance(document, Finding):
        yield document
        return
    yield from document.repeated()
    if not question.text.startswith("#cloud-config"):
        yield warning(1, "the first line is not `#cloud-config`: cloud-init would not read the file")
    said = run_validator(_COMMAND, question.text) if question.programs else None
    yield from rejections(said or "", document)
    yield from cloud_config(document)


def cloud_config(document: Document, at: tuple[str, ...] = ()) -> Iterator[Finding]:
    """What is wrong with the cloud config at a path of the document, by vmforge's own schema."""
    value = document.value
    for part in at:
        value = value[part] if isinstance(value, dict) else None
    if value is None:
        return  # nothing to do is a configuration too
    yield from measure(document, load_schema("cloud-config"), at)


def rejections(said: str, document: Document) -> Iterator[Finding]:
    """What `cloud-init schema` has said, at the lines that it means. What it says of a part in many words is
    left out: it quotes the part, and a password with it."""
    _, heading, errors = " ".join(said.split()).partition("Cloud config schema errors: ")
    hint = f"ask it yourself: `{' '.join(_COMMAND[:-1])} FILE`"
    for match in _ERROR.finditer(errors if heading else ""):
        path = tuple(int(part) if part.isdecimal() else part for part in match[1].split("."))
        reason = f": {match[2]}" if match[2] else ""
        yield Finding(document.line(path), f"cloud-init rejects `{spelt(path)}`{reason}", hint)
